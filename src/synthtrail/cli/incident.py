"""Incidents: what went wrong, or was withdrawn, and is not settled yet.

    synthtrail incident list                                     exits 1 while one is open
    synthtrail incident report "laptop lost, key ada revoked"    log one that no program saw
    synthtrail incident close 41 --what "all nine artifacts disposed of, see entries 42 to 44"

`synthtrail withdraw` opens one, so does a hold that stops a disposal half-way, or a slot that may be made again after
one. The entry that closes it says how it was settled; nothing checks that it was, but everyone can read who said so.
"""

import argparse

from synthtrail.cli import signing
from synthtrail.cli.errors import CommandError
from synthtrail.handover import incidents, pairs
from synthtrail.handover.acting import Saying
from synthtrail.handover.incidents import Incident

ROLES = ("operator", "steward", "auditor")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the acts and their arguments."""
    acts = parser.add_subparsers(required=True, metavar="ACT")
    acts.add_parser("list", help="print those that are open").set_defaults(act=_list)
    report = acts.add_parser("report", help="log one")
    report.add_argument("what", help="what happened")
    report.set_defaults(act=_report)
    close = acts.add_parser("close", help="state that one is settled")
    close.add_argument("entry", type=int, nargs="?", help="the entry that reported it; needed if several are open")
    close.add_argument("--what", required=True, help="how it was settled")
    close.set_defaults(act=_close)
    for other in (report, close):
        signing.configure(other)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    return int(arguments.act(arguments))


def _list(_arguments: argparse.Namespace) -> int:
    standing = incidents.unsettled(signing.custodian())
    for one in standing:
        print(f"entry {one.entry}, {one.at}, {one.actor}: {one.what}")
    print(f"{len(standing)} open incidents")
    return 1 if standing else 0


def _report(arguments: argparse.Namespace) -> int:
    saying = Saying("incident", (), {"what": arguments.what, "details": pairs.listed([])})
    signing.sign(arguments, signing.custodian(), saying, roles=ROLES)
    return 0


def _close(arguments: argparse.Namespace) -> int:
    found = signing.custodian()
    one = _meant(incidents.unsettled(found), arguments.entry)
    print(f"entry {one.entry} reported: {one.what}")
    saying = Saying("recovered", (), {"what": arguments.what, "request": one.request})
    signing.sign(arguments, found, saying, roles=ROLES)
    return 0


def _meant(standing: list[Incident], entry: int | None) -> Incident:
    """Return the open incident of this entry, or the only one."""
    named = [one for one in standing if entry in (None, one.entry)]
    if not named:
        what = "no incident is open" if entry is None else f"entry {entry} is no open incident"
        raise CommandError(f"{what}; see `synthtrail incident list`")
    if len(named) > 1:
        entries = ", ".join(str(one.entry) for one in named)
        raise CommandError(f"several incidents are open (entries {entries}): name one")
    return named[0]
