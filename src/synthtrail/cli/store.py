"""Encrypt an artifact and put it into an object store: a folder, S3, or what speaks S3.

    synthtrail store data/iris/synthetic --to s3://bucket/prefix
    synthtrail store data/iris/synthetic --to /mnt/archive

Encrypted with age to an identity of the artifact's own, which stays in your key store. The bucket is created if it is
missing, and refused if it is public. Every object is read back, all are counted, and then an entry says so. Killed or
cut off, the same command goes on where it was. Credentials and another provider's address come from where S3 tools take
them: AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL.
"""

import argparse

from synthtrail.cli import signing
from synthtrail.cli.progress import bar
from synthtrail.handover import storing


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("artifact", nargs="+", help="a path, or the first digits of a digest")
    parser.add_argument("--to", required=True, metavar="URL", help="a folder, or s3://bucket/prefix")
    parser.add_argument("--endpoint", metavar="URL", help="address of an S3-compatible provider")


def run(arguments: argparse.Namespace) -> int:
    """Store each artifact and say what lies there now."""
    found = signing.custodian()
    actor = storing.machine(found)
    for artifact in arguments.artifact:
        item, path = storing.where(found, artifact)
        with bar(f"storing {item.path}") as advance:
            made = storing.store(found, actor, item, path, arguments.to, endpoint=arguments.endpoint, on_bytes=advance)
        logged = f"entry {made.entry}" if made.entry is not None else "logged before"
        print(
            f"{item.path}: {made.count:,} objects, {made.size:,} bytes, encrypted, read back and counted in {made.url}"
        )
        print(f"    artifact {item.digest.hex()}, {logged}")
    return 0
