"""The web page as a verifier: give it files as a person would, and read what it shows and reports."""

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from synthtrail.custody import archive, canonical
from synthtrail.custody.archive import Archive, Member
from synthtrail.custody.log import Log
from synthtrail.custody.policy import Policy
from synthtrail.custody.verify import verify
from tests.browser.chromium import Page
from tests.browser.page import PAGE, coverage

DECLARED = coverage(PAGE.read_text())
JUDGED = frozenset(DECLARED["judged"]) | frozenset(DECLARED["partly"])

_SETTLED = """new Promise(resolve => {
  const isOver = () => ["done", "refused"].includes(document.body.dataset.state);
  const look = () => isOver() ? resolve(lastReport) : setTimeout(look, 2);
  look();
})"""
_HAND_OVER = """((files) => {
  const bytes = text => Uint8Array.from(atob(text), character => character.charCodeAt(0));
  dropped(Object.entries(files).map(([name, text]) => new File([bytes(text)], name)));
})"""

Place = tuple[str, int | None, str | None]
"""Where a code was found: code, entry, path."""


@dataclass(frozen=True)
class Outcome:
    """What a verifier said: findings with their places, and the levels whose evidence held."""

    findings: frozenset[Place]
    claims: tuple[str, ...]


class Verifier:
    """One page on which bundles are dropped; files to be dropped by hand are written to `folder` first."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page = page
        self._folder = folder

    def report(
        self, bundle: bytes, *, policy: bytes | None, now: datetime, since: bytes | None = None
    ) -> dict[str, Any]:
        """The page's report on these files, handed to the function that drops end in: a third of the time."""
        self.clear(now)
        named = {"bundle.zip": bundle, "policy.json": policy, "checkpoint": since}
        files = {name: base64.b64encode(data).decode() for name, data in named.items() if data is not None}
        self.page.evaluate(f"document.body.dataset.state = 'dropping'; {_HAND_OVER}({json.dumps(files)})")
        found: dict[str, Any] = self.settled()
        return found

    def drop(self, bundle: bytes, *, policy: bytes, now: datetime) -> dict[str, Any]:
        """The page's report on files that are dropped on it as a person would."""
        self.clear(now)
        for name, data in (("bundle.zip", bundle), ("policy.json", policy)):
            (self._folder / name).write_bytes(data)
        self.page.drop("#drop", [self._folder / "bundle.zip", self._folder / "policy.json"])
        found: dict[str, Any] = self.settled()
        return found

    def paint(self, wanted: bool) -> None:
        """Whether to lay out reports at all, which takes half of the time."""
        self.page.evaluate(f"byId('report').style.display = '{'' if wanted else 'none'}'")

    def clear(self, now: datetime) -> None:
        """Take all files away, and set the time by which ages are judged."""
        self.page.evaluate(
            f"byId('asof').value = {json.dumps(canonical.format_time(now))};"
            "confirmedDigest = ''; KINDS.forEach(remove); document.body.dataset.state"
        )

    def settled(self) -> Any:
        """The report, once the page has one."""
        return self.page.evaluate(_SETTLED)


def pack(members: Sequence[Member]) -> bytes:
    """A bundle in memory."""
    file = io.BytesIO()
    archive.write(file, members)
    return file.getvalue()


def ledger_as_it_is(folder: Path) -> list[Member]:
    """The files of a ledger, however damaged, as members of a bundle; of each partial tile only the widest."""
    paths = [folder / "checkpoint", *(path for path in sorted((folder / "tile").rglob("*")) if _is_widest(path))]
    named = [(path.relative_to(folder).as_posix(), path) for path in paths]
    return [archive.member(f"ledger/{name}", path.read_bytes()) for name, path in named]


def _is_widest(path: Path) -> bool:
    if path.parent.suffix != ".p":
        return path.is_file()
    return int(path.name) == max(int(other.name) for other in path.parent.iterdir())


def by_page(report: dict[str, Any]) -> Outcome:
    """What the page's report says."""
    found = frozenset((item["code"], item["entry"], item["path"]) for item in report["findings"])
    return Outcome(found, tuple(report["claims"]))


def by_command_line(bundle: bytes, policy: Policy, now: datetime, since: bytes | None = None) -> Outcome:
    """What ours says about the same bundle, artifacts included; of its findings, those that the page declares."""
    opened = Archive(io.BytesIO(bundle))
    ours = verify(opened, policy, now=now, since=since)
    findings = list(ours.findings)
    if ours.state is not None and any(path.startswith(archive.ARTIFACTS) for path in opened.paths):
        presences = archive.check_artifacts(opened, ours.state, Log(opened.read, ours.size))
        findings += [item.finding for item in presences if item.finding is not None]
    failed = any(item.severity == "error" for item in findings)
    claims = () if failed else tuple(level for level in ours.claims if level != "D")
    found = {(item.code, item.entry, item.path) for item in findings if item.code in JUDGED}
    return Outcome(frozenset(found), claims)
