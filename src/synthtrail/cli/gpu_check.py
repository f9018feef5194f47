"""Train small models on the GPU, save them, load them on the CPU, and compare what both make of the same noise.

Without a GPU it says so, goes the same way on the CPU alone, and exits 0: nothing was found wrong, and nothing checked.
`--require` makes a missing GPU exit 2, for a machine that ought to have one. Exit code 1: the two disagree.
"""

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--require", action="store_true", help="exit 2 if there is no GPU")


def run(arguments: argparse.Namespace) -> int:
    """Check, and say what was found."""
    from synthtrail.models import interchange  # noqa: PLC0415 - torch

    gpu = interchange.gpu()
    print(f"GPU: {gpu}" if gpu else "no GPU here: not checked; the same path on the CPU alone:")
    found = interchange.check("cuda" if gpu else "cpu")
    for item in found:
        share = f"{item.differing:.2%} of the cells differ by more than rounding (at most {interchange.FLIPS:.0%} may)"
        largest = f"largest difference {item.largest:.2g} of a range"
        print(f"{item.model:<8} {'ok' if item.holds else 'NOT OK'}: {share}; {largest}")
    if not all(item.holds for item in found):
        return 1
    return 2 if arguments.require and not gpu else 0
