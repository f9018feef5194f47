"""Ask witnesses to cosign the ledger's checkpoint, and keep what they answer.

Usage:
    synthtrail cosign --witness https://witness.example          asks at once
    synthtrail cosign --witness /mnt/drop                        leaves a file there, or takes the answer to it

Only cosignatures by witnesses that the policy pins are kept. They are put on the published checkpoint and on a copy in
cosigned/, and every proof that they cover is renewed, so that the one file reaches level C. Several runs at once lose
no line. When the ledger grows, `verify` says up to which entry the copies vouch.

Exit codes:
    0  the policy's quorum is reached
    1  it is not reached (yet)
    2  a witness could not be asked, refused, or signed another history, which the message says

Files:
    LEDGER/checkpoint, LEDGER/cosigned/<size>, LEDGER/proofs/*.tlog-proof     written
    $XDG_CONFIG_HOME/synthtrail/<origin>/policy.json                          the witnesses' keys

See also: witness, anchor, verify; docs/witness.md
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from synthtrail.cli.errors import CommandError
from synthtrail.custody import cosignature, note, policy, quorum
from synthtrail.custody.ed25519 import Verifier
from synthtrail.custody.ledger import Ledger
from synthtrail.custody.note import NoteSignature
from synthtrail.custody.policy import Policy
from synthtrail.handover import proofs, witness_client
from synthtrail.handover.witness_client import Source
from synthtrail.storage.home import home
from synthtrail.storage.keys import load_key


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("ledger", type=Path, nargs="?", default=Path("ledger"), help="its folder (default: ledger)")
    parser.add_argument("--witness", action="append", required=True, metavar="URL|FOLDER", help="may be repeated")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="default: the one pinned for this ledger")


def run(arguments: argparse.Namespace) -> int:
    """Ask each witness, and publish what came back."""
    source = witness_client.read_source(arguments.ledger)
    pinned = _policy(arguments.policy, source)
    note.open_checkpoint(source.signed, pinned.origin, [pinned.sequencer_key])
    witnesses = [cosignature.parse_vkey(item.vkey).key for item in pinned.witnesses]
    witness_client.check_ready(witnesses)
    lines: list[NoteSignature] = []
    for place in arguments.witness:
        lines += _ask(source, place, witnesses)
    signed = _keep(arguments.ledger, source, lines, pinned) if lines else source.signed
    judged = quorum.judge(signed, pinned, now=int(time.time()))
    if lines:
        renewed, left = proofs.renew(arguments.ledger, signed)
        print(f"{renewed} proofs now hold the cosigned checkpoint")
        for reason in left:
            print(f"left as it was: {reason}")
    for finding in judged.findings:
        print(finding)
    print(f"size {source.size}: cosigned by {len(judged.organisations)} organisations, {judged.needed} wanted")
    return 1 if judged.findings else 0


def _policy(path: Path | None, source: Source) -> Policy:
    origin = note.parse_checkpoint(note.parse(source.signed)[0]).origin
    found = path or home().policy(origin)
    if not found.is_file():
        raise CommandError(f"{found}: no policy for {origin}, so no witness's key is known; give it by --policy")
    return policy.parse(found.read_bytes())


def _ask(source: Source, place: str, witnesses: Sequence[Verifier]) -> tuple[NoteSignature, ...]:
    if "://" in place:
        lines = witness_client.ask(source, place, witnesses)
    elif Path(place).is_dir():
        waiting = witness_client.ask_folder(source, Path(place), witnesses)
        if waiting is None:
            print(f"{place}: a request is there; ask again when the witness has answered")
            return ()
        lines = waiting
    else:
        raise CommandError(f"{place}: neither an address nor a folder")
    for line in lines:
        print(f"{place}: cosigned by {line.name}")
    return lines


def _keep(ledger: Path, source: Source, lines: Sequence[NoteSignature], pinned: Policy) -> bytes:
    def publish(signed: bytes) -> None:
        present = (ledger / witness_client.CHECKPOINT).read_bytes()
        if note.parse(present)[0] != note.parse(signed)[0]:
            print(
                f"the ledger has grown meanwhile; {ledger / witness_client.COSIGNED / str(source.size)} vouches for it"
            )
            return
        here, origin = home(), pinned.origin
        own = _policy(None, source)  # the ledger's, which may pin fewer witnesses than the one given
        sequencer = load_key(here.keys(origin), "sequencer")
        Ledger.open(ledger, here.guard(origin), own, sequencer).publish_cosigned(signed)

    return witness_client.keep(ledger, source.signed, lines, publish)
