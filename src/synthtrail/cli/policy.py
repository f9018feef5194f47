"""The policy: what whoever verifies a ledger trusts before reading it. It travels by another way than the ledger.

    synthtrail policy show                      this checkout's: roots, witnesses, people, and its digest
    synthtrail policy export -o ours.json       to be handed to those who verify our ledger
    synthtrail policy pin theirs.json           trust another organisation's roots from now on
    synthtrail policy witness add VKEY --organisation "Trust Centre" --quorum 1     the root: ask for its cosignatures
    synthtrail policy tsa add authority.pem     the root: tokens under this certificate count; --require asks for one

Compare the digest over the telephone, or get the file in person: who pins a forged policy believes a forged ledger.
A policy that follows a pinned one is pinned with --replace, and must still know the roots of the one before. A change
is an entry signed by the root, and a new policy to give to everyone who verifies the ledger.
"""

import argparse
from pathlib import Path

from synthtrail.cli import signing
from synthtrail.cli.sources import load
from synthtrail.custody.ed25519 import parse_vkey
from synthtrail.handover import vouching
from synthtrail.storage.files import write_bytes
from synthtrail.storage.pinning import pin


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the acts and their arguments."""
    acts = parser.add_subparsers(required=True, metavar="ACT")
    acts.add_parser("show", help="print this checkout's policy").set_defaults(act=_show)
    export = acts.add_parser("export", help="write it to a file")
    export.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="where")
    export.set_defaults(act=_export)
    other = acts.add_parser("pin", help="pin another organisation's policy on this machine")
    other.add_argument("file", type=Path, help="the policy, got from its owner")
    other.add_argument("--replace", action="store_true", help="it follows one that is pinned already")
    other.set_defaults(act=_pin)
    witness = acts.add_parser("witness", help="pin a witness").add_subparsers(required=True, metavar="ACT")
    add = witness.add_parser("add", help="have its cosignatures count, from the next entry on")
    add.add_argument("key", metavar="VKEY", help="what `synthtrail witness new` printed there")
    add.add_argument("--organisation", required=True, metavar="NAME", help="whose witness it is, not one's own")
    add.add_argument("--quorum", type=int, metavar="N", help="how many organisations must cosign (default: as before)")
    add.add_argument("--max-age", type=int, metavar="SECONDS", help="how old a cosignature may be")
    add.set_defaults(act=_witness)
    tsa = acts.add_parser("tsa", help="pin a time-stamping authority").add_subparsers(required=True, metavar="ACT")
    root = tsa.add_parser("add", help="have its tokens count")
    root.add_argument("file", type=Path, metavar="FILE", help="its root certificate, PEM or DER")
    root.add_argument("--require", action="store_true", help="a ledger without a token does not hold from now on")
    root.set_defaults(act=_authority)
    for signed in (add, root):
        signing.configure(signed)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    return int(arguments.act(arguments))


def _show(_arguments: argparse.Namespace) -> int:
    policy = signing.custodian().policy
    print(f"ledger        {policy.origin} of {policy.organisation}")
    print(f"sha256        {policy.digest.hex()}")
    print(f"roots         {', '.join(parse_vkey(vkey).name for vkey in policy.roots)}; {policy.threshold} must sign")
    print(f"sequencer     {policy.sequencer_key.name}")
    print(
        f"witnesses     {', '.join(item.organisation for item in policy.witnesses) or 'none'}; {policy.quorum} wanted"
    )
    print(f"people        {', '.join(pseudonym for pseudonym, _ in policy.people) or 'none'}")
    return 0


def _export(arguments: argparse.Namespace) -> int:
    policy = signing.custodian().policy
    write_bytes(arguments.output, policy.encode())
    print(f"{arguments.output}: sha256 {policy.digest.hex()}; it names people, so give it only to those who verify")
    return 0


def _pin(arguments: argparse.Namespace) -> int:
    policy = load(arguments.file)
    place = pin(policy, replacing=arguments.replace)
    print(f"{place}: pinned for {policy.origin} of {policy.organisation}, sha256 {policy.digest.hex()}")
    return 0


def _witness(arguments: argparse.Namespace) -> int:
    found = signing.custodian()
    policy = vouching.with_witness(
        found.policy, arguments.key, arguments.organisation, quorum=arguments.quorum, max_age=arguments.max_age
    )
    signing.change_policy(arguments, found, policy)
    return 0


def _authority(arguments: argparse.Namespace) -> int:
    found = signing.custodian()
    policy = vouching.with_authority(found.policy, arguments.file.read_bytes(), required=arguments.require)
    signing.change_policy(arguments, found, policy)
    return 0
