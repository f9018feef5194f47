"""Train a finished model on: a new model under a label, with its own record, signed at once.

    synthtrail train breast_cancer --more 400
    synthtrail train breast_cancer --more 400 --label long --seed 7
    synthtrail train breast_cancer --more 400 --from long --label longer
    synthtrail generate breast_cancer --from long --count 1000 --validate

The model lies in data/EXPERIMENT/more/LABEL/model; the model that it was trained from stays, and stands in the record
as an input, so `synthtrail explain` tells of both trainings. `dvc repro` leaves it alone: to have the pipeline itself
train longer, raise `steps` in params.yaml, which trains from the beginning. GANs can be trained on, other kinds cannot.

Exit codes: 0 trained and signed; 2 asked for what cannot be done; 130 stopped, nothing written.
"""

import argparse

from synthtrail.cli.finished import carry_out
from synthtrail.cli.generate import positive, say


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("name", help="an experiment of params.yaml that `synthtrail repro` has made")
    parser.add_argument("--more", type=positive, required=True, metavar="STEPS", help="how many steps more")
    parser.add_argument("--from", dest="source", metavar="LABEL", help="go on from this label's model")
    parser.add_argument("--label", help="what to call it (default: the next number)")
    parser.add_argument("--seed", type=int, help="default: one that follows from the run's seed and the label")


def run(arguments: argparse.Namespace) -> int:
    """Train on and sign."""
    return carry_out("train", arguments, make)


def make(arguments: argparse.Namespace) -> int:
    """Carry out the order and say what was made."""
    from synthtrail.stages import further, more  # noqa: PLC0415 - as above

    label = arguments.label or more.free_label(arguments.name)
    order = further.Further(arguments.name, label, arguments.more, arguments.source, arguments.seed)
    subject = further.train_on(order, say).record.subject
    print(f"{subject.path}: digest {subject.digest.hex()}, {subject.size:,} bytes, slot {order.name}/train")
    print(f"To generate from it: synthtrail generate {arguments.name} --from {label} --count ROWS --validate")
    return 0
