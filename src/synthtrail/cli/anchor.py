"""Have a time-stamping authority (RFC 3161) sign the ledger's checkpoint with its clock.

Usage:
    synthtrail anchor --tsa https://tsa.example            asks, checks and stores the token
    synthtrail anchor --request                            writes the request, to be carried
    synthtrail anchor --response token.tsr                 checks and stores the answer to it
    synthtrail anchor --check --tsa-root tsa.pem           checks all that is stored

Tokens are checked by the certificates of --tsa-root, or else by those that the pinned policy names. The same check
with OpenSSL: openssl ts -verify -data ledger/anchors/N.checkpoint -in ledger/anchors/N.tsr -CAfile tsa.pem

Exit codes:
    0  every token is good, or the request was written
    1  a token is bad, or could not be checked
    2  the authority could not be asked, or there is nothing to do

Files:
    LEDGER/anchors/<size>.checkpoint, .tsq, .tsr          what was stamped, the request, the answer
    $XDG_CONFIG_HOME/synthtrail/<origin>/policy.json      the authorities that the policy pins

See also: cosign, verify; docs/witness.md
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from synthtrail.cli.errors import CommandError
from synthtrail.cli.sources import brought, claimed_origin, load
from synthtrail.custody.anchor import Limits
from synthtrail.custody.canonical import format_time
from synthtrail.custody.findings import Finding
from synthtrail.handover import anchors
from synthtrail.handover.anchors import Anchor
from synthtrail.handover.timestamp import MAX_TOKEN, checker, read_roots
from synthtrail.storage.home import home


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("ledger", type=Path, nargs="?", default=Path("ledger"), help="its folder (default: ledger)")
    act = parser.add_mutually_exclusive_group(required=True)
    act.add_argument("--tsa", metavar="URL", help="ask this authority")
    act.add_argument("--request", action="store_true", help="write a request only")
    act.add_argument("--response", type=Path, metavar="FILE", help="take the answer to the last request")
    act.add_argument("--check", action="store_true", help="check the tokens that are stored")
    parser.add_argument("--tsa-root", type=Path, metavar="FILE", help="the authority's root certificate, in PEM")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    roots = brought(arguments.tsa_root) if arguments.tsa_root else pinned(arguments.ledger)
    if roots is not None:
        read_roots(roots)
    if arguments.request:
        found = anchors.prepare(arguments.ledger)
        print(f"{found.request}: send it to a time-stamping authority, then give its answer by --response")
        return 0
    if arguments.check:
        return _check_all(arguments.ledger, roots)
    return _accept(arguments, roots)


def pinned(ledger: Path) -> bytes | None:
    """Return the authorities that the policy pinned here for this ledger names (PEM); None if there are none."""
    if not (ledger / "checkpoint").is_file():
        return None
    path = home().policy(claimed_origin(ledger))
    return load(path).timestamp_pem if path.exists() else None


def _accept(arguments: argparse.Namespace, roots: bytes | None) -> int:
    if arguments.tsa:
        found = anchors.prepare(arguments.ledger)
        token = anchors.fetch(found, arguments.tsa)
    else:
        found = anchors.pending(arguments.ledger)
        with arguments.response.open("rb") as file:
            token = file.read(MAX_TOKEN + 1)
    outcome = anchors.accept(found, token, roots, checker(), datetime.now(UTC))
    stored = "stored" if found.token.exists() else "not stored"
    print(f"{found.token}: {stored}")
    return _say(found, outcome)


def _check_all(ledger: Path, roots: bytes | None) -> int:
    found = anchors.stored(ledger)
    if not found:
        raise CommandError(f"{ledger / anchors.FOLDER}: nothing to check")
    limits = Limits(datetime.now(UTC))
    return max(_say(item, anchors.check(item, roots, checker(), limits)) for item in found)


def _say(found: Anchor, outcome: datetime | Finding) -> int:
    if isinstance(outcome, Finding):
        print(f"size {found.size}: {outcome}")
        return 1
    print(f"size {found.size}: existed at {format_time(outcome)}")
    return 0
