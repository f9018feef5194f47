"""Keys of this machine, and the keys that the ledger lists.

    synthtrail key new ada --role steward --person p-ada     make it here, protected by a passphrase; the root lists it
    synthtrail key new bob --card bob.card                   make it here, to be listed elsewhere: give bob.card away
    synthtrail key add bea.card --role recipient --organisation "Hospital B"      list a key that was made elsewhere
    synthtrail key list
    synthtrail key rotate ada                                a new key follows the old one, which ends
    synthtrail key revoke ada --reason "left the house"      --compromised-since N: entries from N on are in doubt
    synthtrail key passphrase root                           set or change a key's passphrase
    synthtrail key export bea -o bea.card                    its public half, and what to encrypt to for its owner

Roles: root, operator, steward, recipient, auditor. The sequencer is made with the ledger, a witness with
`synthtrail witness new`. Keys without a passphrase are for machines and demonstrations: they cannot sign for a person.
A new passphrase comes from --new-passphrase-file, from $SYNTHTRAIL_NEW_PASSPHRASE, or is asked for twice.
"""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from synthtrail.cli import signing
from synthtrail.cli.errors import CommandError
from synthtrail.cli.when import moment
from synthtrail.custody.events import LOGGED_ROLES
from synthtrail.handover import acting, people
from synthtrail.handover.people import Card
from synthtrail.handover.receiving import recipient_for
from synthtrail.storage import keys
from synthtrail.storage.custodian import Custodian
from synthtrail.storage.files import write_text
from synthtrail.storage.home import home

NEW = "SYNTHTRAIL_NEW_PASSPHRASE"
Acts: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
WITNESS = "a witness has keys of its own: `synthtrail witness new`"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the acts and their arguments."""
    acts = parser.add_subparsers(required=True, metavar="ACT")
    new = _act(acts, "new", _new, "make a key, and list it")
    new.add_argument("label", help="what it is called on this machine; its name in ledgers ends with it")
    new.add_argument("--card", type=Path, metavar="FILE", help="do not list it here; write its card for another ledger")
    _listed(new)
    _made(new)
    add = _act(acts, "add", _add, "list a key that was made elsewhere")
    add.add_argument("file", type=Path, metavar="CARD", help="what `key export` or `key new --card` wrote there")
    _listed(add)
    _act(acts, "list", _list, "list the ledger's keys and those of this machine", signs=False)
    rotate = _act(acts, "rotate", _rotate, "let a new key follow one of this machine")
    rotate.add_argument("label", help="the key to be replaced")
    _made(rotate)
    revoke = _act(acts, "revoke", _revoke, "end a key")
    revoke.add_argument("name", help="its label here, or its name in the ledger")
    revoke.add_argument("--reason", required=True, help="why")
    revoke.add_argument(
        "--compromised-since", type=int, metavar="N", help="first entry that somebody else may have signed"
    )
    phrase = _act(acts, "passphrase", _passphrase, "set or change a key's passphrase", signs=False)
    phrase.add_argument("label", help="the key")
    signing.passphrase(phrase)
    _made(phrase, expires=False)
    export = _act(acts, "export", _export, "write a key's public half", signs=False)
    export.add_argument("label", help="the key")
    export.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: print it")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    return int(arguments.act(arguments))


def _act(acts: Acts, name: str, act: object, what: str, *, signs: bool = True) -> argparse.ArgumentParser:
    parser = acts.add_parser(name, help=what)
    parser.set_defaults(act=act)
    if signs:
        signing.configure(parser)
    return parser


def _listed(parser: argparse.ArgumentParser) -> None:
    roles = ("root", *LOGGED_ROLES, "sequencer", "witness")
    parser.add_argument("--role", choices=roles, help="what it may sign")
    parser.add_argument("--person", default="", metavar="PSEUDONYM", help="whose it is, from the register")
    parser.add_argument("--organisation", default="", metavar="NAME", help="default: the policy's own")


def _made(parser: argparse.ArgumentParser, *, expires: bool = True) -> None:
    parser.add_argument("--no-passphrase", action="store_true", help="for a machine or a demonstration")
    parser.add_argument("--new-passphrase-file", type=Path, metavar="FILE", help=f"else ${NEW}, else you are asked")
    if expires:
        parser.add_argument(
            "--expires", metavar="DATE", help="the key refuses to sign from then on (2027-06-30, or P1Y)"
        )


def _new(arguments: argparse.Namespace) -> int:
    found = signing.custodian()
    people.check_label(arguments.label)
    if arguments.card is None:
        _check_role(found, arguments)
    receives = arguments.card is not None or arguments.role == "recipient"
    card = _make(found, arguments.label, arguments, receives=receives)
    if arguments.card is not None:
        return _give(card, arguments.card)
    return _list_card(found, card, arguments)


def _add(arguments: argparse.Namespace) -> int:
    found = signing.custodian()
    _check_role(found, arguments)
    return _list_card(found, people.read_card(arguments.file), arguments)


def _check_role(found: Custodian, arguments: argparse.Namespace) -> None:
    if arguments.role is None:
        raise CommandError("say what it may sign: --role")
    if arguments.role == "witness":
        raise CommandError(WITNESS)
    if arguments.role != "root":
        people.check_listing(found, arguments.role, arguments.person)


def _make(found: Custodian, label: str, arguments: argparse.Namespace, *, receives: bool) -> Card:
    """Return the card of the key `label`, made if it is not there; one that is there was left by a run that failed."""
    folder = home().keys(found.policy.origin)
    if not (folder / f"{label}.pem").exists():
        expires = moment(arguments.expires) if arguments.expires else None
        name, phrase = f"{found.policy.origin}/{label}", _new_passphrase(arguments, label)
        keys.create_key(folder, label, name, passphrase=phrase, expires=expires)
        print(f"{folder / label}.pem: made, {'no passphrase' if phrase is None else 'protected by its passphrase'}")
    return _card(found, label, receives=receives)


def _card(found: Custodian, label: str, *, receives: bool) -> Card:
    folder = home().keys(found.policy.origin)
    verifier = keys.key_file(folder, label).verifier
    return Card(verifier, recipient_for(folder, label) if receives else "")


def _list_card(found: Custodian, card: Card, arguments: argparse.Namespace) -> int:
    if found.ledger.state.keys.get(card.verifier.name) is not None:
        raise CommandError(f"{card.verifier.name} is listed already")
    if arguments.role == "root":
        signing.change_policy(arguments, found, people.with_root(found.policy, card.verifier))
        return 0
    organisation = arguments.organisation or found.policy.organisation
    signing.sign_by_root(arguments, found, people.listing(card, arguments.role, arguments.person, organisation))
    return 0


def _list(_arguments: argparse.Namespace) -> int:
    rows = [("key", "role", "person", "organisation", "standing"), *people.told(signing.custodian(), datetime.now(UTC))]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join([*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[4]]))
    return 0


def _rotate(arguments: argparse.Namespace) -> int:
    found = signing.custodian()
    folder, old = home().keys(found.policy.origin), arguments.label
    key = found.ledger.state.keys.get(keys.key_file(folder, old).verifier.name)
    if key is None or not acting.good(found.ledger.state, key) or key.role == "sequencer":
        raise CommandError(f"{old} is no key that the ledger lists and that can be replaced; see `synthtrail key list`")
    card = _make(found, people.successor_label(found, old), arguments, receives=key.role == "recipient")
    if key.role == "root":
        policy = people.without_root(people.with_root(found.policy, card.verifier), key.name)
        signing.change_policy(arguments, found, policy)
        return 0
    signing.sign_by_root(arguments, found, people.succession(key.name, card))
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    found = signing.custodian()
    local = f"{found.policy.origin}/{arguments.name}"
    name = local if found.ledger.state.keys.get(local) else arguments.name
    key = found.ledger.state.keys.get(name)
    if key is None or key.role == "sequencer":
        raise CommandError(f"{name} is no key that can be ended; see `synthtrail key list`")
    if key.role == "root":
        signing.change_policy(arguments, found, people.without_root(found.policy, name))
        return 0
    signing.sign_by_root(arguments, found, people.ending(found, name, arguments.reason, arguments.compromised_since))
    return 0


def _passphrase(arguments: argparse.Namespace) -> int:
    folder = home().keys(signing.custodian().policy.origin)
    new = _new_passphrase(arguments, arguments.label)
    keys.protect(folder, arguments.label, signing.ask(arguments), new)
    print(
        f"{folder / arguments.label}.pem: {'no passphrase now' if new is None else 'protected by the new passphrase'}"
    )
    return 0


def _export(arguments: argparse.Namespace) -> int:
    card = _card(signing.custodian(), arguments.label, receives=True)
    if arguments.output is None:
        print(card.text(), end="")
        return 0
    return _give(card, arguments.output)


def _give(card: Card, path: Path) -> int:
    write_text(path, card.text())
    print(f"{path}: give it to whoever lists it, by a way that nobody else can change")
    return 0


def _new_passphrase(arguments: argparse.Namespace, label: str) -> bytes | None:
    if arguments.no_passphrase:
        return None
    ask = signing.ask(arguments, variable=NEW, option="new_passphrase_file")
    first = ask(f"new passphrase for {label}")
    asked = arguments.new_passphrase_file is None and not os.environ.get(NEW) and sys.stdin.isatty()
    if asked and ask("once more") != first:
        raise CommandError("the two differ; nothing was made")
    return first
