"""`synthtrail COMMAND ...`: finds the command's module, and turns what goes wrong into one line.

Each command is a module of this package with `configure(parser)` and `run(arguments) -> exit code`, imported only
when it is asked for: an auditor's commands load the ledger core and nothing else.

Exit codes: 0 it holds, or it is done; 1 it does not hold; 2 asked for what cannot be done.
"""

import argparse
import importlib
import keyword
import os
import sys
from collections.abc import Sequence

from synthtrail.cli.errors import CommandError
from synthtrail.custody.errors import CustodyError

COMMANDS = {
    "verify": "check a ledger, and every artifact it speaks of",
    "fsck": "check the ledger's files as storage; rebuild what can be derived",
    "explain": "tell the way of an artifact back to its source",
    "status": "say what became of an artifact, and prove it to somebody else",
    "show": "show the ledger's entries, or one of them",
    "bundle": "pack a ledger, and artifacts, into one file for somebody else",
    "export": "write data as CSV, Excel, PNG or Parquet, or the lineage as PROV-JSON or a Run Crate",
    "witness": "be a witness: cosign the checkpoints of others' ledgers",
    "cosign": "ask witnesses to cosign this ledger's checkpoint",
    "anchor": "have a time-stamping authority date this ledger's checkpoint",
    "init": "create keys, policy and ledger for this checkout",
    "ledger": "start a new ledger where the old one is lost",
    "key": "make, list, rotate, revoke and export keys",
    "person": "enter people into the register of the policy",
    "policy": "show or export the policy, or pin another organisation's",
    "inbox": "list what awaits you, with the command for each",
    "due": "list reports, retention, grants and answers that are due, with dates",
    "review": "record your judgement of an artifact's report",
    "approve": "approve an artifact, so that it may be offered and released",
    "reject": "reject an artifact, or decline an offer in a folder",
    "release": "release an approved artifact to the public",
    "access": "ask for access, decide about it, record use, report on it",
    "offer": "offer an artifact to another organisation, through a folder",
    "accept": "verify and countersign what was offered in a folder",
    "receive": "take the receiver's answers out of a folder",
    "expire": "close offers that ran out unanswered",
    "store": "encrypt artifacts and put them into a folder or an object store",
    "fetch": "bring a stored artifact back, or one item of it with its proof",
    "retain": "log until when artifacts may be kept, or list what is overdue",
    "hold": "place a legal hold on an artifact, or lift it",
    "dispose": "dispose of artifacts: request, approve, execute, verify",
    "withdraw": "record that a source's legal basis is gone, and list what descends from it",
    "incident": "list open incidents, report one, say how one was settled",
    "audit": "check the ledger against workspace, DVC, MLflow and object stores",
    "repro": "rebuild every experiment, sign, verify (needs the pipeline)",
    "train": "train a finished model on, as a new model with its own record",
    "generate": "generate more from a finished run, as a new artifact with its own record",
    "complete": "fill gaps of rows that you give, or draw some of their columns anew",
    "privacy": "show what a model promises about single rows, and what attacks on it found",
    "reproduce": "rebuild an artifact from what the ledger says of it, compare bytes, sign the result",
    "try": "make a first synthetic version of a table in a minute, and a page that shows it",
    "new": "add an experiment on a table of your own to params.yaml",
    "schema": "show what is inferred of a table, and the lines to change it",
    "download": "download a data set that is not shipped, with checksum and resumption",
    "enable": "copy an experiment of catalog/ into params.yaml",
    "disable": "take an experiment out of params.yaml",
    "gpu-check": "compare models trained on the GPU with what they make on the CPU",
    "ui": "open MLflow on this checkout's runs",
    "plots-page": "write the page that `dvc plots show` fills, readable without a network",
}

ELSEWHERE = {"audit": "audit_command"}  # `cli.audit` is what `verify` and `repro` share

STEWARD = "key person policy inbox due review approve reject release access offer accept receive expire store fetch"
STEWARD += " privacy retain hold dispose withdraw incident cosign anchor ledger fsck"
AUDITOR = "verify explain status show bundle export audit reproduce witness"
USERS = {"auditor": AUDITOR.split(), "steward": STEWARD.split()}
"""Whom a command is for in the first place; the ML engineer's are all the others."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (by default the process's own) name, and return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given:
        overview().print_help()
        return 2
    if given[0] not in COMMANDS:
        overview().parse_args(given)  # prints help, or what is wrong, and exits
    name = given[0]
    module = importlib.import_module(f"synthtrail.cli.{module_name(name)}")
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


def module_name(command: str) -> str:
    """Return the module of a command: Python's own words, such as `try`, have an underscore at their end."""
    name = command.replace("-", "_")
    return ELSEWHERE.get(command) or (f"{name}_" if keyword.iskeyword(name) else name)


def overview() -> argparse.ArgumentParser:
    """Return the parser that prints the list of commands and refuses an unknown one."""
    grouped = {name: user for user, names in USERS.items() for name in names}
    width = max(map(len, COMMANDS))
    parts = []
    for user in ("ML engineer", "steward", "auditor"):
        names = [name for name in COMMANDS if grouped.get(name, "ML engineer") == user]
        parts.append(
            f"commands for the {user}:\n" + "\n".join(f"  {name:<{width}}  {COMMANDS[name]}" for name in names)
        )
    lines = "\n\n".join(parts)
    parser = argparse.ArgumentParser(
        prog="synthtrail",
        description="Synthetic data with a provable history.",
        epilog=f"{lines}\n\n`synthtrail COMMAND --help` tells more of each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    return parser


if __name__ == "__main__":
    sys.exit(main())
