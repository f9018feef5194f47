"""Saying what an audit found: as text or JSON, and as a page if one is wanted."""

import argparse
import json

from synthtrail.cli.audit import Audit
from synthtrail.custody import tiles
from synthtrail.custody.policy import Policy


def say(outcome: Audit, arguments: argparse.Namespace, read: tiles.Reader, policy: Policy) -> int:
    """Print the outcome, write the page if one is wanted, and return the exit code."""
    if arguments.html is not None:
        from synthtrail.cli import page  # noqa: PLC0415 - only for who wants it

        page.write(arguments.html, outcome, read, policy)
    print(json.dumps(outcome.document(), indent=2) if arguments.json else outcome.text(every=arguments.list))
    return 0 if outcome.ok else 1
