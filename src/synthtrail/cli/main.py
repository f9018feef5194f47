"""`synthtrail COMMAND ...`: finds the command's module, and turns what goes wrong into one line.

Each command is a module of this package with `configure(parser)` and `run(arguments) -> exit code`, imported only
when it is asked for: an auditor's commands load the ledger core and nothing else.

Exit codes: 0 it holds, or it is done; 1 it does not hold; 2 asked for what cannot be done.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from synthtrail.cli.errors import CommandError
from synthtrail.custody.errors import CustodyError

COMMANDS = {
    "verify": "check a ledger, and every artifact it speaks of",
    "explain": "tell the way of an artifact back to its source",
    "show": "show the ledger's entries, or one of them",
    "bundle": "pack a ledger, and artifacts, into one file for somebody else",
    "export": "write the lineage as PROV-JSON or as a Provenance Run Crate",
    "witness": "be a witness: cosign the checkpoints of others' ledgers",
    "cosign": "ask witnesses to cosign this ledger's checkpoint",
    "anchor": "have a time-stamping authority date this ledger's checkpoint",
    "init": "create keys, policy and ledger for this checkout",
    "ledger": "start a new ledger where the old one is lost",
    "repro": "rebuild every experiment, sign, verify (needs the pipeline)",
    "enable": "copy an experiment of catalog/ into params.yaml",
    "disable": "take an experiment out of params.yaml",
    "ui": "open MLflow on this checkout's runs",
    "plots-page": "write the page that `dvc plots show` fills, readable without a network",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (by default the process's own) name, and return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given:
        overview().print_help()
        return 2
    if given[0] not in COMMANDS:
        overview().parse_args(given)  # prints help, or what is wrong, and exits
    name = given[0]
    module = importlib.import_module(f"synthtrail.cli.{name.replace('-', '_')}")
    parser = argparse.ArgumentParser(
        prog=f"synthtrail {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.configure(parser)
    try:
        return int(module.run(parser.parse_args(given[1:])))
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (CustodyError, CommandError, OSError) as error:
        print(f"synthtrail {name}: {error}", file=sys.stderr)
        return 2


def overview() -> argparse.ArgumentParser:
    """Return the parser that prints the list of commands and refuses an unknown one."""
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:<{width}}  {what}" for name, what in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="synthtrail",
        description="Synthetic data with a provable history.",
        epilog=f"commands:\n{lines}\n\n`synthtrail COMMAND --help` tells more of each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    return parser


if __name__ == "__main__":
    sys.exit(main())
