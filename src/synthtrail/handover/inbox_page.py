"""The inbox as one HTML page: style inside, no script, nothing fetched, readable in print and in the dark.

Every text from the ledger (paths, reasons, names of keys) is escaped. The page holds the words that would be signed; it
signs nothing: the commands beside them do.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape

from synthtrail.handover.duties import Duty
from synthtrail.handover.inbox import Inbox, Task

STYLE = """
:root { --ink: #1c2430; --soft: #5c6675; --line: #d9dee6; --paper: #fff; --box: #f4f6f9; --late: #a3341f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ee; --soft: #9aa4b2; --line: #37404d; --paper: #12161c; --box: #1b212a; --late: #f0937f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
p { margin: .25rem 0; } .soft, time { color: var(--soft); }
article { border: 1px solid var(--line); border-radius: .5rem; padding: 1rem 1.25rem; margin: 1rem 0;
  break-inside: avoid; }
pre { background: var(--box); border-radius: .35rem; padding: .75rem 1rem; margin: .75rem 0 0; overflow-x: auto;
  font: 13px/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
pre.words { border-left: 3px solid var(--line); }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .4rem .75rem .4rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; } .late { color: var(--late); font-weight: 600; }
td:first-child, th { white-space: nowrap; }
@media (max-width: 40rem) { th { display: none; } td { display: block; border: 0; padding: .1rem 0; }
  tr { display: block; border-bottom: 1px solid var(--line); padding: .5rem 0; } }
"""


def page(organisation: str, found: Sequence[Inbox], now: datetime) -> str:
    """Return the page about all inboxes of this machine."""
    return "".join(_lines(organisation, found, now))


def _lines(organisation: str, found: Sequence[Inbox], now: datetime) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>Inbox of {escape(organisation)}</title>\n<style>{STYLE}</style>\n"
    yield f"<h1>Inbox of {escape(organisation)}</h1>\n"
    yield f'<p class="soft">As of {now:%Y-%m-%d %H:%M} UTC. This page signs nothing: run the commands.</p>\n'
    for inbox in found:
        yield f"<h2>{escape(inbox.name)} <span class=soft>· {escape(inbox.key.role)}</span></h2>\n"
        yield f'<p class="soft">{escape(inbox.key.name)}</p>\n'
        yield "<p>Nothing awaits you.</p>\n" if inbox.empty else ""
        yield from map(_task, inbox.tasks)
        yield from _duties(inbox.duties, now)
    yield "</html>\n"


def _task(task: Task) -> str:
    since = f"<time>{task.since:%Y-%m-%d}</time>"
    notes = f"<pre>{_text(task.notes)}</pre>\n" if task.notes else ""
    return (
        f"<article><h3>{escape(task.about)}</h3>\n<p>{escape(task.what)}, since {since}</p>\n"
        f"{notes}<pre>{_text(task.commands)}</pre>\n"
        f'<p class="soft">What you would sign:</p><pre class="words">{_text(task.words)}</pre></article>\n'
    )


def _text(lines: Sequence[str]) -> str:
    return escape("\n".join(lines))


def _duties(duties: Sequence[Duty], now: datetime) -> Iterator[str]:
    if not duties:
        return
    yield "<table><tr><th>due</th><th>what</th><th>about</th><th>command</th></tr>\n"
    for duty in duties:
        late = ' class="late"' if duty.overdue(now) else ""
        cells = (f"<td>{escape(text)}</td>" for text in (duty.what, duty.about, duty.command))
        yield f"<tr><td{late}>{duty.when:%Y-%m-%d}{' overdue' if late else ''}</td>{''.join(cells)}</tr>\n"
    yield "</table>\n"
