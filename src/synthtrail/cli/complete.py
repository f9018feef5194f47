"""Complete rows that you give: fill their gaps, or draw some columns anew, with the model of a finished run.

    synthtrail complete ward visits.csv -o visits-full.csv                  fills every gap (imputation)
    synthtrail complete ward visits.csv --columns age,pay -o shared.csv     draws these anew (partially synthetic data)

Needs a model that can answer from any columns: `model: {name: masked}`. A column that the file lacks is drawn for every
row; columns that the model has not learnt pass as they are. Rules of the schema hold for what is drawn.

The result is an artifact with a record of its own, data/NAME/more/LABEL/completed. It holds real cells, so it is
derived data and not synthetic: it has the class of what it was made from (confidential, unless the model is public and
you say --public of the rows), is never judged, and so can be neither approved nor offered.

Exit codes: 0 made and signed; 2 asked for what cannot be done; 130 stopped, nothing written.
"""

import argparse
from pathlib import Path

from synthtrail.cli.finished import carry_out


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("name", help="an experiment of params.yaml that `synthtrail repro` has made")
    parser.add_argument("file", type=Path, help="the rows: a file as the experiment's source is one")
    parser.add_argument("--columns", default="", metavar="A,B", help="draw these anew in every row; gaps stay")
    parser.add_argument("--seed", type=int, help="default: one that follows from the run's seed and the label")
    parser.add_argument("--label", help="what to call it (default: the next number)")
    parser.add_argument("--public", action="store_true", help="the rows in FILE are public")
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="also write the rows to this new file")


def run(arguments: argparse.Namespace) -> int:
    """Complete the rows and say what was done."""
    return carry_out("complete", arguments, make)


def make(arguments: argparse.Namespace) -> int:
    """Carry out the task."""
    from synthtrail.cli.export_data import export  # noqa: PLC0415 - pyarrow
    from synthtrail.stages import complete, more  # noqa: PLC0415 - as above

    label = arguments.label or more.free_label(arguments.name)
    columns = tuple(name.strip() for name in arguments.columns.split(",") if name.strip())
    task = complete.Task(arguments.name, label, arguments.file, columns, arguments.seed, arguments.public)
    result = complete.make(task, lambda line: print(f"sign: {line}"))
    subject, told = result.found.record.subject, result.told
    print(f"{subject.path}: {told['rows']:,} rows, {told['drawn']:,} cells drawn, digest {subject.digest.hex()}")
    if told["again"]:
        print(f"{told['again']:,} times a row was drawn again to keep a rule; {told['mended']:,} rows were mended")
    if told["unsolved"]:
        print(f"{told['unsolved']:,} rows have gaps still: nothing that was drawn for them keeps the rules")
    if told["broken"]:
        print(f"{told['broken']:,} rows break a rule by what was given; they are as they were")
    print(
        "It holds real cells: derived data, not synthetic; it is not judged, and can be neither approved nor offered."
    )
    return 0 if arguments.output is None else export(Path(subject.path), "csv", None, arguments.output)
