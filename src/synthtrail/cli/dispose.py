"""Dispose of artifacts: ask for it, have another person approve it, carry it out, look again later.

    synthtrail dispose request data/iris/raw --reason "retention ended" --with-descendants
    synthtrail dispose approve data/iris/raw --reason "checked against protocol 2026-17"
    synthtrail dispose execute data/iris/raw
    synthtrail dispose verify                  exits 1, and says where, if something is back
    synthtrail dispose allow iris/train --reason "..."     a steward: this may be made again after all

Every artifact made from it needs a decision: `--with-descendants` disposes of all, `--keep DIGEST=REASON` keeps one.
Carrying it out turns the experiments off, destroys keys, deletes copies and sweeps by digest; the certificate, JSON and
a page to print, says for each copy what was done, and no more. Killed on the way, `execute` goes on where it was.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from synthtrail.cli import signing
from synthtrail.cli.errors import CommandError
from synthtrail.custody.record import Item
from synthtrail.handover import acting, certificate_page, descent, disposal, executing, pairs, resweep, storing
from synthtrail.handover.acting import Saying
from synthtrail.storage import disposed
from synthtrail.storage.custodian import FOLDER, Custodian
from synthtrail.storage.files import write_text
from synthtrail.storage.home import home


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("act", choices=["request", "approve", "execute", "verify", "allow"])
    parser.add_argument("artifact", nargs="*", help="a path, or a digest's first digits; allow: EXPERIMENT/STAGE")
    parser.add_argument("--reason", help="why, for the ledger")
    parser.add_argument("--with-descendants", action="store_true", help="dispose of everything made from it too")
    parser.add_argument("--keep", action="append", default=[], metavar="DIGEST=REASON", help="a descendant that stays")
    parser.add_argument("--full", action="store_true", help="verify: hash everything, rely on no memory of file times")
    parser.add_argument("--delete", action="store_true", help="verify: delete copies that are back, and look again")
    parser.add_argument("--endpoint", metavar="URL", help="address of an S3-compatible provider")
    signing.configure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Take the step that was asked for."""
    found = signing.custodian()
    if arguments.act != "verify" and not arguments.artifact:
        raise CommandError("name the artifacts")
    if arguments.act == "allow":
        return allow(arguments, found)
    items = executing.subjects(found, arguments.artifact)
    steps = {"request": request, "approve": approve, "execute": execute, "verify": verify}
    return steps[arguments.act](arguments, found, items)


def request(arguments: argparse.Namespace, found: Custodian, items: list[Item]) -> int:
    """Ask that artifacts be disposed of, with a decision about each descendant."""
    kept = decisions(found, arguments.keep)
    if arguments.with_descendants:
        items = items + disposal.undecided(found, items, kept)
    saying = disposal.saying(found, items, reason(arguments), kept)
    signing.sign(arguments, found, saying, roles=("operator", "steward"))
    return 0


def approve(arguments: argparse.Namespace, found: Custodian, items: list[Item]) -> int:
    """Approve it, as another person."""
    signing.sign(arguments, found, disposal.approval(found, items, reason(arguments)), roles=("steward",))
    return 0


def execute(arguments: argparse.Namespace, found: Custodian, items: list[Item]) -> int:
    """Carry it out, and write the certificate's page."""
    actor = storing.machine(found)
    if arguments.who:
        actor = acting.find(found, arguments.who, signing.ask(arguments), roles=("operator", "steward"))
    made, entry = executing.execute(found, actor, items, purge=purge, endpoint=arguments.endpoint)
    path = found.root / "ledger" / "certificates" / f"{made.digest.hex()}.html"
    write_text(path, certificate_page.page(made, entry))
    print(f"entry {entry}: disposal-executed; {len(made.copies)} lines of copies, {len(made.keys)} keys destroyed")
    print(f"certificate {path.with_suffix('.json')}\n      page  {path}")
    left = [sweep for sweep in made.sweeps if sweep.outcome != "clean"]
    for sweep in left:
        print(f"    {sweep.place}: {sweep.outcome}")
    return 1 if any(sweep.outcome == "found" for sweep in left) else 0


def verify(arguments: argparse.Namespace, found: Custodian, items: list[Item]) -> int:
    """Sweep again, log what was found, and raise the alarm if anything was."""
    every = resweep.look(found, items, full=arguments.full, endpoint=arguments.endpoint)
    if not every:
        print("nothing was disposed of")
        return 0
    code = report(arguments, found, every)
    if code and arguments.delete:
        print(f"{resweep.delete(found, every, arguments.endpoint)} copies deleted")
        return report(arguments, found, resweep.look(found, items, full=arguments.full, endpoint=arguments.endpoint))
    return code


def allow(arguments: argparse.Namespace, found: Custodian) -> int:
    """Let slots make again what was disposed of, of confidential artifacts: an incident that somebody has to close."""
    salts = home().salts(found.policy.origin)
    stones = {slot: disposed.buried(salts, slot) for slot in arguments.artifact}
    elsewhere = {slot for _, slot in disposed.load(found.root / FOLDER).salts}
    for slot, buried in stones.items():
        if not buried and slot not in elsewhere:
            raise CommandError(f"{slot}: nothing is refused for it; name a slot such as iris/train")
    why = f"{disposed.ALLOWED}: {reason(arguments)}"
    details = pairs.listed(("slot", slot) for slot in stones)
    signing.sign(arguments, found, Saying("incident", (), {"what": why, "details": details}), roles=("steward",))
    for path in (path for buried in stones.values() for path in buried):
        path.unlink()
    return 0


def report(arguments: argparse.Namespace, found: Custodian, every: list[resweep.Again]) -> int:
    """Print and log what sweeps found; 1 if something is back."""
    for again in every:
        shown = ", ".join(item.path for item in again.items)
        print(f"{shown}: {'clean' if again.clean else 'FOUND, although it was disposed of'} (entry {again.entry})")
        for line in (*again.lines, *(f"not reached: {why}" for why in again.unreached)):
            print(f"    {line}")
    sayings = [resweep.saying(found, again) for again in every]
    signing.sign_all(arguments, found, sayings, roles=("operator", "steward", "auditor"))
    return 0 if all(again.clean for again in every) else 1


def decisions(found: Custodian, given: list[str]) -> dict[str, str]:
    """Return the digest (hex) and reason of each descendant that stays."""
    kept = {}
    for text in given:
        name, equals, why = text.partition("=")
        if not (name and equals and why):
            raise CommandError(f"--keep {text}: give DIGEST=REASON")
        kept[acting.subject(found, name).digest.hex()] = why
    known = descent.makings(found.ledger.log)
    strangers = kept.keys() - {making.artifact.hex() for making in known}
    if strangers:
        raise CommandError(f"--keep {min(strangers)[:16]}: the ledger knows no such artifact")
    return kept


def purge(root: Path, runs: list[str]) -> Mapping[str, str]:
    """Delete runs from MLflow, which takes seconds to load: only if there are any."""
    if not runs:
        return {}
    from synthtrail import tracking  # noqa: PLC0415

    return tracking.purge(root, runs)


def reason(arguments: argparse.Namespace) -> str:
    """Return the reason that was given."""
    if not arguments.reason:
        raise CommandError("say why with --reason")
    return str(arguments.reason)
