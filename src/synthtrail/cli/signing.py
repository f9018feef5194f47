"""How a command lets somebody sign: who, the exact words, the confirmation, the passphrase.

A passphrase comes from `--passphrase-file FILE` (mode 0600, its first line), from the environment's
`SYNTHTRAIL_PASSPHRASE`, or from the prompt; never from the command line, which every user of the machine can read.
"""

import argparse
import getpass
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from synthtrail.cli.errors import CommandError
from synthtrail.custody import acts
from synthtrail.custody.keyring import Key
from synthtrail.custody.policy import Policy
from synthtrail.handover import acting, people, wording
from synthtrail.handover.acting import Said, Saying
from synthtrail.storage.custodian import Custodian
from synthtrail.storage.home import home, shared_root
from synthtrail.storage.keys import Ask
from synthtrail.storage.pkcs8 import PassphraseError

VARIABLE = "SYNTHTRAIL_PASSPHRASE"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of a command that signs."""
    parser.add_argument("--as", dest="who", metavar="NAME", help="which key: its label, a pseudonym or a role")
    parser.add_argument("--yes", action="store_true", help="sign without asking; the words are shown all the same")
    passphrase(parser)


def passphrase(parser: argparse.ArgumentParser) -> None:
    """Declare where a passphrase may come from."""
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help=f"else ${VARIABLE}, else you are asked")


def custodian() -> Custodian:
    """Return the custodian of the checkout that the command is run in."""
    return acting.custodian(shared_root())


def sign(
    arguments: argparse.Namespace,
    found: Custodian,
    saying: Saying,
    *,
    roles: Sequence[str],
    who: str | None = None,
) -> Said:
    """Show what is to be signed, have it confirmed, sign it, append it, and say which entry it became."""
    (said,) = sign_all(arguments, found, [saying], roles=roles, who=who)
    return said


def sign_all(
    arguments: argparse.Namespace,
    found: Custodian,
    sayings: Sequence[Saying],
    *,
    roles: Sequence[str],
    who: str | None = None,
) -> list[Said]:
    """Sign several statements, shown and confirmed together; all are entered, or none."""
    person = any(saying.meaning for saying in sayings)
    file, key = acting.choose(found, who or arguments.who, roles=roles, person=person)
    for saying in sayings:
        show(found, saying, key)
    confirm(arguments)
    actor = acting.find(found, file.verifier.name, ask(arguments))
    said = acting.say_all(found, actor, sayings)
    for item, saying in zip(said, sayings, strict=True):
        print(f"entry {item.entry}: {saying.event}")
    return said


def sign_by_root(arguments: argparse.Namespace, found: Custodian, saying: Saying) -> Said:
    """Let the roots whose keys are here say something."""
    show(found, saying, acting.root_key(found))
    confirm(arguments)
    (said,) = acting.say_all(found, acting.roots(found, ask(arguments)), [saying])
    print(f"entry {said.entry}: {saying.event}")
    return said


def change_policy(arguments: argparse.Namespace, found: Custodian, policy: Policy) -> Custodian:
    """Let the roots put another policy into force; return the custodian under it."""
    saying = Saying("policy-changed", (), acts.policy_fields(policy))
    show(found, saying, acting.root_key(found))
    for change in people.changes(found.policy, policy):
        print(f"    The new policy {change}.")
    confirm(arguments)
    changed = people.put_into_force(found, policy, acting.roots(found, ask(arguments)))
    print(f"entry {changed.ledger.head.size - 1}: policy-changed")
    print(f"policy pinned: {home().policy(policy.origin)}, sha256 {policy.digest.hex()}")
    print("give it to everyone who verifies this ledger, by another way than the ledger: `synthtrail policy export`")
    return changed


def show(found: Custodian, saying: Saying, key: Key) -> None:
    """Print the words that are to be signed."""
    print("\n".join(wording.words(saying, key, found.policy)))


def confirm(arguments: argparse.Namespace) -> None:
    """Ask whether to sign; raise `CommandError` unless the answer is yes."""
    if arguments.yes:
        return
    try:
        answer = input("Sign this? [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise CommandError("not confirmed, so nothing was signed")


def ask(arguments: argparse.Namespace, *, variable: str = VARIABLE, option: str = "passphrase_file") -> Ask:
    """Return how this command gets passphrases."""
    path: Path | None = getattr(arguments, option, None)

    def get(prompt: str) -> bytes:
        if path is not None:
            return from_file(path)
        if os.environ.get(variable):
            return os.environ[variable].encode()
        if sys.stdin.isatty():
            return getpass.getpass(f"{prompt}: ").encode()
        raise PassphraseError(
            f"{prompt}: give --{option.replace('_', '-')} FILE or ${variable}; nobody is there to ask"
        )

    return get


def from_file(path: Path) -> bytes:
    """Return the first line of a file that only its owner can read."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
    if mode & 0o077:
        raise CommandError(f"{path} has mode {mode:04o}, so others may read the passphrase; chmod 600 {path}")
    if not lines or not lines[0]:
        raise PassphraseError(f"{path}: its first line is empty, and so would the passphrase be")
    return lines[0]
