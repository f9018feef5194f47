"""Be a witness: cosign the checkpoints of other organisations' ledgers, and never two histories of one.

Usage:
    synthtrail witness new --name example.com/witness       make a key; prints the line that verifiers pin
    synthtrail witness trust VKEY --origin ORIGIN           cosign for the ledger ORIGIN, signed by VKEY
    synthtrail witness serve --port 7380                    answer HTTP on 127.0.0.1
    synthtrail witness sign --drop FOLDER                   answer the request files in a folder
    synthtrail witness show                                 print the key, and what was signed last for whom

Exit codes:
    0  done; with `sign`, every request was answered
    1  `sign`: a request was answered with an error of this witness's own, such as a clock that went back
    2  it cannot be done, and the message says why

Files:
    $XDG_DATA_HOME/synthtrail/witness_NAME/      the key, mode 0600
    $XDG_STATE_HOME/synthtrail/witness_NAME/     what was signed last; lose it, and the key must be retired

See also: cosign, verify; docs/witness.md
"""

import argparse
import sys
import time
from pathlib import Path

from synthtrail.cli.errors import CommandError
from synthtrail.custody.canonical import b64encode
from synthtrail.custody.ed25519 import parse_vkey
from synthtrail.handover.witness_server import WitnessServer, answer_folder
from synthtrail.handover.witness_state import WitnessState, create, load
from synthtrail.storage.home import home


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    acts = parser.add_subparsers(required=True, metavar="ACT")
    new = acts.add_parser("new", help="make a witness")
    new.add_argument("--name", required=True, help="the key's name, a URL without scheme by custom")
    new.set_defaults(act=_new)
    trust = acts.add_parser("trust", help="cosign for a ledger from now on")
    trust.add_argument("key", metavar="VKEY", help="the key that signs the ledger's checkpoints")
    trust.add_argument("--origin", help="the first line of its checkpoints (default: the key's name)")
    trust.set_defaults(act=_trust)
    serve = acts.add_parser("serve", help="answer HTTP on 127.0.0.1")
    serve.add_argument("--port", type=int, default=7380, help="0 takes a free one (default 7380)")
    serve.set_defaults(act=_serve)
    sign = acts.add_parser("sign", help="answer the request files in a folder")
    sign.add_argument("--drop", type=Path, required=True, metavar="FOLDER", help="where request files lie")
    sign.set_defaults(act=_sign)
    show = acts.add_parser("show", help="print the key, and what was signed last for whom")
    show.set_defaults(act=_show)
    for other in (trust, serve, sign, show):
        other.add_argument("--name", help="which witness, if there are several here")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    return int(arguments.act(arguments))


def _new(arguments: argparse.Namespace) -> int:
    print(create(home(), arguments.name).vkey)
    return 0


def _trust(arguments: argparse.Namespace) -> int:
    key = parse_vkey(arguments.key)
    log = _load(arguments).trust(arguments.origin or key.name, key)
    print(f"trusts {log.origin}: {', '.join(key.vkey() for key in log.keys)}")
    return 0


def _serve(arguments: argparse.Namespace) -> int:
    with WitnessServer(_load(arguments), arguments.port, report=_report) as server:
        print(f"{server.address}/add-checkpoint", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


def _sign(arguments: argparse.Namespace) -> int:
    if not arguments.drop.is_dir():
        raise CommandError(f"{arguments.drop}: no such folder")
    answered = answer_folder(_load(arguments), arguments.drop)
    for name, response in answered:
        said = "cosigned" if response.status == 200 else f"{response.status}: {response.body.decode().strip()}"
        print(f"{name}: {said}")
    return 1 if any(response.status >= 500 for _, response in answered) else 0


def _show(arguments: argparse.Namespace) -> int:
    state = _load(arguments)
    print(state.vkey)
    for log, seen in state.logs():
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seen.time))
        said = f"size {seen.checkpoint.size}, root {b64encode(seen.checkpoint.root)}, {at}"
        print(f"{log.origin}: {said if seen.checkpoint.size else 'nothing signed yet'}")
        for key in log.keys:
            print(f"  signed by {key.vkey()}")
    return 0


def _report(line: str) -> None:
    print(f"witness: {line}", file=sys.stderr, flush=True)


def _load(arguments: argparse.Namespace) -> WitnessState:
    return load(home(), arguments.name)
