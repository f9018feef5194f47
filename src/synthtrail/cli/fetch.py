"""Bring a stored artifact back, decrypt it, and check it against the ledger; or fetch one item of it and prove it
singly.

    synthtrail fetch data/iris/synthetic
    synthtrail fetch 3b01c25e --to /tmp/again
    synthtrail fetch data/digits/synthetic --item 00000017.png --to /tmp/one

With `--item`, only the pack with that item is read; beside it lies what proves that it belongs to the artifact, each
step one that `sha256sum` can redo.
"""

import argparse
from pathlib import Path

from synthtrail.cli import signing
from synthtrail.cli.progress import bar
from synthtrail.handover import acting, fetching


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("artifact", help="a path, or the first digits of a digest")
    parser.add_argument("--from", dest="url", metavar="URL", help="the store (default: where the ledger says)")
    parser.add_argument("--to", type=Path, metavar="PATH", help="where to put it (default: where it was made)")
    parser.add_argument("--item", metavar="NAME", help="only this file, or this image of a set")
    parser.add_argument("--endpoint", metavar="URL", help="address of an S3-compatible provider")


def run(arguments: argparse.Namespace) -> int:
    """Fetch it and say what was checked."""
    found = signing.custodian()
    item = acting.subject(found, arguments.artifact)
    if arguments.item:
        target = arguments.to or Path(f"{Path(arguments.item).name}.proved")
        single = fetching.fetch_item(found, item, arguments.item, target, arguments.url, endpoint=arguments.endpoint)
        print(f"{single.folder}: fetched singly")
        print("\n".join(f"    {step}" for step in single.steps))
        return 0
    target = arguments.to or found.root / item.path
    with bar(f"fetching {item.path}") as advance:
        used = fetching.fetch(found, item, target, arguments.url, endpoint=arguments.endpoint, on_bytes=advance)
    print(f"{target}: fetched from {used}; its digest is the ledger's, {item.digest.hex()}")
    return 0
