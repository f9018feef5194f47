"""The register of people: real names stand in the policy alone, the ledger knows pseudonyms.

    synthtrail person add p-ada --name "Ada Lovelace"
    synthtrail person list

A new person means a new policy: the root signs `policy-changed`, this machine pins the new one, and everyone who
verifies the ledger must be given it again (`synthtrail policy export`).
"""

import argparse

from synthtrail.cli import signing
from synthtrail.handover import people


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the acts and their arguments."""
    acts = parser.add_subparsers(required=True, metavar="ACT")
    add = acts.add_parser("add", help="enter a person")
    add.add_argument("pseudonym", help="what the ledger calls them; never given twice")
    add.add_argument("--name", required=True, help="their real name, which stays in the policy")
    signing.configure(add)
    add.set_defaults(act=_add)
    acts.add_parser("list", help="print the register").set_defaults(act=_list)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    return int(arguments.act(arguments))


def _add(arguments: argparse.Namespace) -> int:
    found = signing.custodian()
    policy = people.registered(found.policy, arguments.pseudonym, arguments.name)
    signing.change_policy(arguments, found, policy)
    return 0


def _list(_arguments: argparse.Namespace) -> int:
    for pseudonym, name in signing.custodian().policy.people:
        print(f"{pseudonym}  {name}")
    return 0
