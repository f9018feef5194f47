"""The report of a verification as one page for people: no script, no network, readable in the dark and on paper.

What decides comes first: the assurance level and what it means, then what was *not* checked, then the findings; after
that whose keys and which clock it rests on, how the artifacts stand, and what the entries say. Everything that comes
from a ledger is escaped: it is somebody else's text.
"""

from collections.abc import Iterable, Sequence
from html import escape
from importlib.metadata import version
from pathlib import Path
from string import Template

from synthtrail.cli.audit import Audit
from synthtrail.cli.page_entries import MOST, Row, artifacts_of, rows_of
from synthtrail.custody import tiles
from synthtrail.custody.findings import CODES, Finding
from synthtrail.custody.policy import Policy
from synthtrail.custody.proofreport import ProofReport
from synthtrail.custody.report import Report
from synthtrail.storage.files import write_text

LEVELS = {
    "A": "pinned keys",
    "B": "an earlier checkpoint",
    "C": "independent witnesses",
    "D": "a third clock",
}
_LACKING = {
    "A": "something does not hold",
    "B": "none was brought that could show a rewritten history",
    "C": "no quorum of witnesses cosigned",
    "D": "no time-stamp token over a cosigned head was checked",
}
_TEMPLATE = Path(__file__).with_name("page.html")


def write(path: Path, outcome: Audit, read: tiles.Reader, policy: Policy) -> None:
    """Write the page about `outcome` to `path`, whole or not at all; `read` gives the ledger's bytes."""
    write_text(path, page(outcome, read, policy))


def page(outcome: Audit, read: tiles.Reader, policy: Policy) -> str:
    """Return the page as HTML."""
    report = outcome.report
    rows = rows_of(report, read)
    listed = {row.number for row in rows}
    sections = [
        section("Not checked", bullets(report.not_checked)),
        section("Findings", findings_table(report.findings, listed)),
        section("Notes on this run", bullets(outcome.notes)) if outcome.notes else "",
        section("What was checked", bullets(report.checked)),
        section("What it is about; whose keys, which clock", facts(report, policy) + keys(report, policy)),
        section("Artifacts, hashed anew", presences(outcome)),
        section("What the ledger says of each artifact", artifacts_table(report, rows)),
        section("Entries", entries_table(report, rows)),
    ]
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(f"{report.level or 'FAILED'}: {report.origin}"),
        kind="Proof of one entry of the ledger" if isinstance(report, ProofReport) else "Verification of the ledger",
        origin=escape(report.origin),
        verdict=verdict(outcome),
        levels=levels(report),
        sections="\n".join(sections),
        version=escape(version("synthtrail")),
        command="synthtrail verify LEDGER --policy POLICY --since CHECKPOINT",
    )


def verdict(outcome: Audit) -> str:
    """The level, large, with what it comes to in one sentence."""
    report = outcome.report
    errors = sum(finding.severity == "error" for finding in report.findings)
    wrong = [item for item in outcome.found or () if item.finding and item.finding.severity == "error"]
    if not report.ok:
        said = f"It does not hold: {counted(errors, 'fault')} found. No level is reached; do not rely on it."
    elif wrong:
        said = f"The ledger holds, but {counted(len(wrong), 'artifact')} contradict{'s' * (len(wrong) == 1)} it."
    else:
        said = "It holds, as far as it was checked."
    kind, letter = ("good", str(report.level)) if outcome.ok else ("bad", report.level or "✗")
    limit = "No level proves that a statement was true when it was signed."
    inner = f'<div><p class="said">{escape(said)}</p><p class="soft">{limit}</p></div>'
    return f'<div class="verdict {kind}"><strong class="letter">{letter}</strong>{inner}</div>'


def levels(report: Report) -> str:
    """The four levels, reached or not, in words."""
    items = []
    for letter, name in LEVELS.items():
        held = letter in report.claims
        lacking = _LACKING[letter] if report.ok else _LACKING["A"]
        said = report.meaning(letter) if held else f"not reached: {lacking}"
        items.append(f'<li class="{"yes" if held else "no"}"><b>{letter}: {name}</b>{escape(said)}</li>')
    return f'<ol class="levels">{"".join(items)}</ol>'


def facts(report: Report, policy: Policy) -> str:
    """What identifies the ledger and the policy that it was judged by."""
    entry = [("Entry", str(report.index))] if isinstance(report, ProofReport) else []
    pairs = [
        *entry,
        ("Size", counted(report.size, "entry", "entries")),
        ("Root", report.root or "none"),
        ("Organisation", policy.organisation),
        ("Policy, SHA-256", policy.digest.hex()),
    ]
    inner = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    return f'<dl class="facts">{inner}</dl>'


def keys(report: Report, policy: Policy) -> str:
    """Whose word it rests on: the keys, the witnesses, the clock."""
    wanted = f"{policy.quorum} of {len(policy.witnesses)}" if policy.quorum else "none asked for"
    asked = "asked for" if policy.timestamp else "not asked for"
    lines = [
        *report.keys,
        f"witnesses that the policy pins: {', '.join(item.organisation for item in policy.witnesses) or 'none'}; "
        f"cosignatures wanted: {wanted}",
        f"time-stamping authorities that the policy pins: {len(policy.timestamp_roots)}; a token is {asked}",
        f"clock: {report.clock}",
    ]
    return bullets(lines)


def findings_table(findings: Sequence[Finding], listed: set[int]) -> str:
    """Every finding: its code, where, in plain words, what such a finding means."""
    if not findings:
        return "<p>None.</p>"
    rows = []
    for item in findings:
        attack = f" (attack {item.attack})" if item.attack else ""
        mark = "bad" if item.severity == "error" else "warn"
        cells = (
            f'<span class="mark {mark}">{escape(item.code)}</span>',
            place(item, listed),
            f'{escape(item.text)}<br><span class="soft">{escape(CODES[item.code].meaning)}{attack}</span>',
        )
        rows.append(cells)
    return table(("code", "where", "in words"), rows)


def place(item: Finding, listed: set[int]) -> str:
    """Where a finding is, with a link if that entry is on the page."""
    if item.entry is None:
        return f"<code>{escape(item.path)}</code>" if item.path else "the ledger"
    return link(item.entry) if item.entry in listed else f"entry {item.entry}"


def link(number: int) -> str:
    """A link to an entry on the page."""
    return f'<a href="#e{number}">entry {number}</a>'


def presences(outcome: Audit) -> str:
    """How the artifacts that were looked at stand to the ledger."""
    if outcome.found is None:
        return "<p>Not checked: none was brought.</p>"
    if not outcome.found:
        return "<p>There are none.</p>"
    rows = []
    for item in outcome.found:
        found = item.finding
        kind = "good" if found is None else "bad" if found.severity == "error" else "warn"
        words = f"<code>{escape(found.code)}</code> {escape(found.text)}" if found else "byte for byte what was signed"
        rows.append((f"<code>{escape(item.path)}</code>", mark(item.status, kind), words))
    return f'<p class="soft">In {escape(outcome.where)}.</p>' + table(("path", "state", "in words"), rows)


def artifacts_table(report: Report, rows: Sequence[Row]) -> str:
    """For each artifact, the events that concern it, in order, with its present state."""
    found = artifacts_of(report, rows)
    if not found:
        return "<p>The entries that were read name none.</p>"
    lines = []
    for item in found:
        steps = "".join(f'<a href="#e{row.number}" class="mark">{escape(row.happened)}</a>' for row in item.rows)
        name = f'<code>{escape(item.path)}</code><br><span class="hex soft">{item.digest[:16]}…</span>'
        lines.append((name, mark(item.state, tone(item.state)), f'<div class="steps">{steps}</div>'))
    doubt = "" if report.ok else "<p>What follows is what a ledger says that does not hold: do not rely on it.</p>"
    return doubt + table(("artifact", "state", "events"), lines)


def entries_table(report: Report, rows: Sequence[Row]) -> str:
    """What each entry says, newest last."""
    if not rows:
        return "<p>None could be read.</p>"
    first = 0 if isinstance(report, ProofReport) else rows[0].number
    left = f"Entries 0 to {first - 1} are not listed: this run did not read them, or they are more than {MOST:,} ago."
    bad = {finding.entry for finding in report.findings if finding.severity == "error"}
    body = "".join(entry_row(row, "bad" if row.number in bad else "") for row in rows)
    head = "".join(f"<th>{name}</th>" for name in ("entry", "time stated", "event", "by", "about"))
    shown = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    return (f"<p>{left}</p>" if first else "") + shown


def entry_row(row: Row, kind: str) -> str:
    """One entry as a row of the table."""
    named = ((escape(path), name[:12]) for path, name in row.subjects)
    subjects = (f'<code>{path}</code> <span class="hex soft">{name}…</span>' for path, name in named)
    person = f'<br><span class="soft">a person: {escape(row.meaning)}</span>' if row.meaning else ""
    cells = (
        f'<td class="number">{row.number}</td>',
        f'<td class="time">{escape(row.at[:19])}</td>',
        f'<td class="event">{escape(row.happened)}</td>',
        f"<td>{escape(row.actor)}{person}</td>",
        f"<td class='about'>{'<br>'.join(subjects) or escape(row.note)}</td>",
    )
    return f'<tr id="e{row.number}" class="{kind}">{"".join(cells)}</tr>'


def tone(state: str) -> str:
    """The colour of an artifact's state."""
    good, bad = {"passed", "approved", "released"}, {"refused", "rejected", "condemned"}
    return "good" if state in good else "bad" if state in bad else "plain"


def mark(text: str, kind: str) -> str:
    """A word in a coloured field."""
    return f'<span class="mark {kind}">{escape(text)}</span>'


def section(title: str, inner: str) -> str:
    """A heading and what stands under it."""
    return f"<section><h2>{escape(title)}</h2>{inner}</section>"


def bullets(lines: Iterable[str]) -> str:
    """A list, its items escaped."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else "<p>Nothing.</p>"


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
