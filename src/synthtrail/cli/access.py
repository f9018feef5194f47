"""Access to artifacts: ask with a proposal, decide as a steward, record every use, report in time.

    synthtrail access request data/iris/synthetic --purpose "teach statistics" --protocol 2026-17 \\
        --legal-basis "GDPR art. 6(1)(e)" --until 2027-06-30
    synthtrail access grant data/iris/synthetic --expires 2027-06-30 --terms "no copies" --report-every P6M
    synthtrail access refuse data/iris/synthetic --reason "the purpose is not covered"
    synthtrail access use data/iris/synthetic --use "trained the classifier of week 3"
    synthtrail access report data/iris/synthetic --text "used in two courses; no publication yet"
    synthtrail access log data/iris/synthetic

A receiver in another organisation gives the folder of the offer instead of the artifact; the sender then takes over
what was signed there (`synthtrail receive FOLDER`). Use without an approved proposal that is still in force is refused.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from synthtrail.cli import elsewhere, signing
from synthtrail.cli.errors import CommandError
from synthtrail.cli.when import moment
from synthtrail.custody import digest, lineage
from synthtrail.handover import access, acting, parcel, proposals, wording
from synthtrail.handover.proposals import Proposal
from synthtrail.storage.custodian import FOLDER
from synthtrail.storage.home import shared_root

Acts: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
USERS = ("operator", "recipient")
STEWARD = ("steward",)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the acts and their arguments."""
    acts = parser.add_subparsers(required=True, metavar="ACT")
    ask = _act(acts, "request", _request, "file a proposal")
    ask.add_argument("--purpose", required=True, help="what for")
    ask.add_argument("--protocol", required=True, help="under which protocol or project")
    ask.add_argument("--legal-basis", required=True, help="by what right")
    ask.add_argument("--until", required=True, metavar="DATE", help="until when (2027-06-30, or P1Y)")
    grant = _act(acts, "grant", _grant, "approve a proposal (a steward)")
    grant.add_argument("--expires", metavar="DATE", help="default: what the proposal asks for")
    grant.add_argument("--terms", required=True, help="under which conditions")
    grant.add_argument("--report-every", default="", metavar="PERIOD", help="how often to report: P6M")
    refuse = _act(acts, "refuse", _refuse, "refuse a proposal (a steward)")
    refuse.add_argument("--reason", required=True, help="why")
    for answer in (grant, refuse):
        answer.add_argument("--entry", type=int, metavar="N", help="which request, if several wait")
    use = _act(acts, "use", _use, "record a use")
    use.add_argument("--use", required=True, help="what was done")
    report = _act(acts, "report", _report, "report on progress and use")
    report.add_argument("--text", required=True, help="in a few words")
    report.add_argument("--file", type=Path, help="the report itself; the ledger holds its SHA-256")
    log = acts.add_parser("log", help="list proposals, decisions and uses of an artifact")
    log.add_argument("artifact", help="path or digest")
    log.set_defaults(act=_log)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    return int(arguments.act(arguments))


def _act(
    acts: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, act: object, what: str
) -> argparse.ArgumentParser:
    parser = acts.add_parser(name, help=what)
    parser.add_argument("artifact", help="path or digest; or the folder of an offer (not to decide)")
    parser.set_defaults(act=act)
    signing.configure(parser)
    return parser


def _request(arguments: argparse.Namespace) -> int:
    until, place = moment(arguments.until), Path(arguments.artifact)
    wish = Proposal("", arguments.purpose, arguments.protocol, arguments.legal_basis, until)
    if parcel.is_parcel(place):
        return elsewhere.request_access(arguments, place, wish)
    found = signing.custodian()
    item = acting.subject(found, arguments.artifact)
    proposals.keep(found.root / FOLDER, wish.about(item.digest).encode())
    signing.sign(arguments, found, access.request(item, wish.about(item.digest)), roles=USERS)
    return 0


def _grant(arguments: argparse.Namespace) -> int:
    found = signing.custodian()
    asked = access.only(found, "access-requested", acting.subject(found, arguments.artifact), arguments.entry)
    proposal = _proposal(asked)
    expires = moment(arguments.expires) if arguments.expires else proposal.until
    if expires > proposal.until:
        raise CommandError(f"the proposal asks for access until {proposal.until:%Y-%m-%d}, not longer")
    saying = access.grant(asked, expires, arguments.terms, arguments.report_every)
    signing.sign(arguments, found, saying, roles=STEWARD)
    return 0


def _refuse(arguments: argparse.Namespace) -> int:
    found = signing.custodian()
    asked = access.only(found, "access-requested", acting.subject(found, arguments.artifact), arguments.entry)
    _proposal(asked)
    signing.sign(arguments, found, access.refusal(asked, arguments.reason), roles=STEWARD)
    return 0


def _proposal(asked: access.Open) -> Proposal:
    """Return the proposal behind a request, printed for whoever decides."""
    found = signing.custodian()
    said = found.ledger.log.statement(asked.request.entry).act
    proposal = proposals.read(found.root / FOLDER, said.text("proposal"))
    if proposal.artifact != asked.items[0].digest.hex():
        raise CommandError("the proposal is about another artifact than the request that names it; refuse it")
    print(f"{asked.request.actor} asks (entry {asked.request.entry}):")
    for line in proposal.lines():
        print(f"    {line}")
    return proposal


def _use(arguments: argparse.Namespace) -> int:
    return _used(arguments, arguments.use, None)


def _report(arguments: argparse.Namespace) -> int:
    return _used(arguments, arguments.text, digest.file(arguments.file).sha256 if arguments.file else "")


def _used(arguments: argparse.Namespace, words: str, report: str | None) -> int:
    place = Path(arguments.artifact)
    if parcel.is_parcel(place):
        return elsewhere.use(arguments, place, words, report)
    found = signing.custodian()
    item = acting.subject(found, arguments.artifact)
    _, key = acting.choose(found, arguments.who or found.operator.name, roles=USERS)
    granted = access.grant_in(found.ledger.state, item, key.name, datetime.now(UTC))
    if granted is None:
        raise CommandError(f"{key.name} has no approved proposal in force for {item.path}; `synthtrail access request`")
    signing.sign(arguments, found, access.use(granted, words, report=report), roles=USERS, who=key.name)
    return 0


def _log(arguments: argparse.Namespace) -> int:
    found = acting.custodian(shared_root())
    item = acting.subject(found, arguments.artifact)
    told = 0
    for moment_ in lineage.life(found.ledger.state, found.ledger.log, item.digest):
        if moment_.event.startswith("access"):
            said = found.ledger.log.statement(moment_.entry)
            details = "; ".join(f"{name} {wording.shown(value)}" for name, value in said.act.fields.items())
            print(f"{moment_.entry:>6}  {moment_.at[:19]}Z  {moment_.event}  {moment_.actor}  {details}")
            told += 1
    if not told:
        print(f"{item.path}: nobody asked for access, and nobody used it")
    return 0
