"""Make a first synthetic version of a table in about a minute, and show how good it is.

    synthtrail try ward.csv --target outcome

Reads the file, holds a fifth of its rows back, trains a small generator, generates as many rows as it learnt from,
judges them, and writes ward-try.html (one self-contained page) and ward-try.csv (the synthetic rows) into the working
directory. Nothing else is written, nothing is logged, nothing leaves this machine; no checkout is needed. The source
counts as confidential: the page shows aggregates of at least five rows. A first look, not for release: privacy is
judged on this one try, and nobody signs it.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from synthtrail.cli import blocks
from synthtrail.cli.errors import CommandError
from synthtrail.storage.files import write_bytes, write_text

if TYPE_CHECKING:
    from synthtrail.stages.trial import Trial


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("file", type=Path, help="a table: CSV, Excel or Parquet")
    parser.add_argument(
        "--target", metavar="COLUMN", help="the column to predict, which the generator is conditioned on"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="PAGE", help="the page to write (default: NAME-try.html)")


def run(arguments: argparse.Namespace) -> int:
    """Try, and say what came of it."""
    started = time.monotonic()
    if arguments.file.is_dir():
        raise CommandError(f"{arguments.file}: a folder; `try` takes one table, and `synthtrail new` several")
    name = blocks.name_for(arguments.file)
    output = arguments.output or Path(f"{name}-try.html")
    csv = output.with_suffix(".csv")
    check_places(arguments.file, output, csv)
    trial = attempt(arguments.file, name, arguments.target, started)
    block = blocks.text(name, arguments.file.as_posix(), arguments.target, trial.left_out)
    write_bytes(csv, trial.synthetic.to_csv(index=False, lineterminator="\n").encode())
    write_text(output, trial.html(block))
    print(summary(trial, output, csv, time.monotonic() - started))
    print(f"\nTo keep it, put this into params.yaml of a checkout and fill in what is marked:\n\n{block}")
    target = f" --target '{arguments.target}'" if arguments.target else ""
    print("or let this do it, and then build, sign and verify it:\n")
    print(
        f"  synthtrail new {name} --source '{arguments.file}'{target} --licence '…' --legal-basis '…' --retention P2Y"
    )
    print(f"  synthtrail repro {name}")
    return 0


def attempt(file: Path, name: str, target: str | None, started: float) -> "Trial":
    """Return the trial; what goes wrong with the data becomes a `CommandError`."""
    say(started, "starting")
    from synthtrail.data.errors import DataError  # noqa: PLC0415 - an auditor's commands do without
    from synthtrail.models.errors import ModelError  # noqa: PLC0415
    from synthtrail.stages import trial  # noqa: PLC0415

    try:
        return trial.attempt(file, name, target, lambda line: say(started, line))
    except (DataError, ModelError) as error:
        raise CommandError(" ".join(str(error).split())) from None


def check_places(file: Path, output: Path, csv: Path) -> None:
    """Raise `CommandError` unless the page and the rows can be written without covering the source."""
    if output.suffix not in (".html", ".htm"):
        raise CommandError(f"{output}: the page is HTML; give a name that ends in .html")
    if file.exists() and csv.exists() and csv.samefile(file):
        raise CommandError(f"{csv} is the source itself; name the page otherwise with -o, the rows go beside it")
    if not output.parent.is_dir():
        raise CommandError(f"{output.parent}: no such folder")


def say(started: float, line: str) -> None:
    """Tell what is being done, and since when, on standard error."""
    print(f"[{time.monotonic() - started:5.1f} s] {line}", file=sys.stderr, flush=True)


def summary(trial: "Trial", output: Path, csv: Path, seconds: float) -> str:
    """Return what was made and how good it is."""
    wanted = {
        "quality": "likeness of columns and pairs (1 is best)",
        "utility_ratio": "usefulness for training, over real data (1 is as good)",
        "detection_auc": "told apart from real rows (0.5 is not at all)",
        "mia_auc": "training rows recognised (0.5 is guessing)",
    }
    scores = trial.judgement.metrics
    lines = [f"{output}: the page; open it in a browser", f"{csv}: {len(trial.synthetic):,} synthetic rows", ""]
    lines += [f"  {scores[key]:.3f}  {words}" for key, words in wanted.items() if key in scores]
    lines += [f"  {remark}" for remark in trial.remarks]
    if trial.targets:
        lines.append(f"  No --target was given, so usefulness was not measured; perhaps {' or '.join(trial.targets)}?")
    return "\n".join([*lines, f"  {seconds:.0f} s"])
