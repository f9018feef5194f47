"""Generate more from a finished run: a new artifact with its own record, signed at once.

    synthtrail generate breast_cancer --count 1000000
    synthtrail generate breast_cancer --count 500 --condition target=malignant --condition mean_radius=12..14
    synthtrail generate breast_cancer --condition target=malignant:300,benign:700 --label balanced --validate
    synthtrail generate breast_cancer --from long --count 1000     (`synthtrail train` made the model under that label)

The artifact lies in data/EXPERIMENT/more/LABEL/synthetic; `dvc repro` leaves it alone. A condition is COLUMN=CATEGORY,
COLUMN=LOW..HIGH for a number or date, or, for the target, CLASS:COUNT,CLASS:COUNT; `target` stands for the target
column. Without --validate it is not judged, and what is not judged can be neither approved nor offered.

Exit codes: 0 made and signed; 1 judged, and refused; 2 asked for what cannot be done; 130 stopped, nothing written.
"""

import argparse
import shutil
from pathlib import Path

from synthtrail.cli.errors import CommandError
from synthtrail.cli.finished import carry_out
from synthtrail.storage.files import staged_folder


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("name", help="an experiment of params.yaml that `synthtrail repro` has made")
    parser.add_argument("--count", type=positive, help="how many rows or images")
    parser.add_argument("--condition", action="append", default=[], metavar="COLUMN=WANTED", help="which ones")
    parser.add_argument("--seed", type=int, help="default: one that follows from the run's seed and the label")
    parser.add_argument("--label", help="what to call it (default: the next number)")
    parser.add_argument("--from", dest="source", metavar="LABEL", help="from the model that was trained on under it")
    parser.add_argument("--validate", action="store_true", help="judge it too, as the gate asks")
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="also copy the artifact to this new folder")


def positive(text: str) -> int:
    """Return a whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def run(arguments: argparse.Namespace) -> int:
    """Generate, sign, and judge if asked to."""
    return carry_out("generate", arguments, make)


def make(arguments: argparse.Namespace) -> int:
    """Carry out the order and say what was made."""
    from synthtrail.stages import more  # noqa: PLC0415 - as above
    from synthtrail.stages.layout import Layout  # noqa: PLC0415
    from synthtrail.stages.rebalance import warnings  # noqa: PLC0415

    label = arguments.label or more.free_label(arguments.name)
    asked = conditions(arguments.condition)
    if arguments.count is None and not any(":" in value for value in asked.values()):
        raise CommandError("give --count, or exact counts of classes: --condition target=CLASS:COUNT,CLASS:COUNT")
    order = more.Order(arguments.name, label, arguments.count, asked, arguments.seed, arguments.source)
    found = more.make_more(order, say)
    subject = found.record.subject
    print(f"{subject.path}: digest {subject.digest.hex()}, {subject.size:,} bytes, slot {order.name}/generate")
    if "met" in (facts := found.values("facts")):
        print(f"{float(facts['met']):.3%} of the model's rows meet the conditions (met by {facts['met_by']})")
    for line in warnings(facts):
        print(f"careful: {line}")
    if arguments.output is not None:
        with staged_folder(arguments.output) as folder:
            shutil.copytree(subject.path, folder, dirs_exist_ok=True)
        print(f"{arguments.output}: a copy of it, with the same digest")
    if not arguments.validate:
        print(f"It was not judged; to have it approved or offered, repeat this with --label {label} --validate.")
        return 0
    verdict = more.judge_more(order.name, say).record.verdict
    print(f"verdict: {verdict}; see {Layout(order.name).report / 'report.html'}")
    return 1 if verdict == "refuse" else 0


def conditions(given: list[str]) -> dict[str, str]:
    """Return the conditions by column."""
    found: dict[str, str] = {}
    for item in given:
        column, equals, wanted = item.partition("=")
        if not (column and equals and wanted) or column in found:
            raise CommandError(f"--condition {item!r}: write COLUMN=WANTED, each column once")
        found[column] = wanted
    return found


def say(line: str) -> None:
    """Tell what was signed."""
    print(f"sign: {line}")
