"""A disposal's certificate as one page to read, print and sign by hand; everything in it is from the certificate."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from synthtrail.custody.certificate import Certificate, Hand

HEAD = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
STYLE = """
body { overflow-wrap: anywhere; font: 15px/1.45 Georgia, 'Times New Roman', serif; color: #111; max-width: 52rem;
margin: 2rem auto; padding: 0 1rem } h1 { font-size: 1.6rem; margin: 0 0 .2rem } h2 { font-size: 1.05rem; margin: 1.6rem
0 .4rem } p.note { color: #444; margin: .2rem 0 } code { font: 12px/1.3 ui-monospace, monospace; overflow-wrap: anywhere
} table { border-collapse: collapse; width: 100%; font-size: 13px } td, th { text-align: left; vertical-align: top;
border-top: 1px solid #bbb; padding: .3rem .5rem .3rem 0 } th { font-weight: 600; border-top: 2px solid #111 }
dl { display: grid; grid-template-columns: 11rem 1fr; gap: .25rem .8rem; margin: .8rem 0 0 } dt { color: #444 } dd {
margin: 0 } .sign { display: grid; grid-template-columns: 1fr 1fr; gap: 3rem; margin-top: 3.5rem }
.sign div { border-top: 1px solid #111; padding-top: .3rem; font-size: 13px }
.bad { font-weight: 700 } @media print { body { margin: 0; max-width: none } tr { break-inside: avoid } }
"""
MEANS = {
    "deleted, not purged": "unlinked; whoever reads the medium itself may still find it",
    "key destroyed": "the only key that opens it was destroyed; the ciphertext may still be there",
    "not reached": "known or supposed to lie there; nothing was done",
}


def page(made: Certificate, entry: int) -> str:
    """Return the page of the certificate that entry `entry` states."""
    parts = [*_what(made, entry), *_copies(made), *_afterwards(made), *_who(made)]
    title = f"Certificate of disposal {made.digest.hex()[:16]}"
    head = f"{HEAD}<title>{title}</title><style>{STYLE}</style>"
    return head + "\n".join(parts) + "</html>\n"


def _what(made: Certificate, entry: int) -> Iterator[str]:
    yield "<h1>Certificate of disposal</h1>"
    yield (
        f"<p class=note>Fields after NIST SP 800-88r2. SHA-256 of the certificate <code>{made.digest.hex()}</code>, "
        f"stated by entry {entry} of the ledger <code>{escape(made.ledger)}</code>.</p>"
    )
    yield "<h2>What was disposed of</h2>"
    rows = ((item.path, item.kind, item.artifact_class, _code(item.sha256)) for item in made.artifacts)
    yield _table(("artifact", "kind", "class", "SHA-256"), rows)
    yield _facts(
        ("reason", escape(made.reason)),
        ("approved by event", _code(made.approval)),
        ("tool", escape(" ".join(made.tool))),
        ("what becomes of the media", escape(made.destination)),
    )


def _copies(made: Certificate) -> Iterator[str]:
    yield "<h2>Copies, and what was done to each</h2>"
    copies = ((c.place, _code(c.locator), c.form, _method(c.method), c.media) for c in made.copies)
    yield _table(("place", "locator", "form", "method", "medium"), copies)
    for name in sorted({copy.method for copy in made.copies}):
        yield f"<p class=note>{name}: {MEANS[name]}.</p>"
    yield "<h2>Keys destroyed</h2>"
    keys = ((_code(key.name), key.kind, key.place, key.method) for key in made.keys)
    yield _table(("key (public name)", "kind", "where", "method"), keys)
    yield (
        "<p class=note>Overwriting reaches a file system that writes in place; snapshots, backups and media that "
        "spread their writes may keep what was overwritten.</p>"
    )


def _afterwards(made: Certificate) -> Iterator[str]:
    yield "<h2>Swept afterwards, by digest</h2>"
    sweeps = ((s.place, _method(s.outcome), f"{s.files:,}", f"{s.bytes:,}") for s in made.sweeps)
    yield _table(("place", "outcome", "files", "bytes compared"), sweeps)
    yield "<h2>What had been made from it</h2>"
    decided = ((_code(one.artifact), one.decision, one.reason) for one in made.descendants)
    yield _table(("artifact", "decision", "reason"), decided)


def _who(made: Certificate) -> Iterator[str]:
    yield "<h2>Who</h2>"
    verified = f"{_hand(made.verified)}: {escape(made.verification)}"
    yield _facts(("carried out by", _hand(made.performed)), ("verified by", verified))
    yield (
        "<div class=sign><div>carried out: name, date, signature</div><div>witnessed: name, date, signature</div></div>"
    )


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def _code(text: str) -> Markup:
    return Markup(f"<code>{escape(text)}</code>")


def _method(text: str) -> Markup:
    return Markup(f"<span class=bad>{escape(text)}</span>" if text in ("not reached", "found") else escape(text))


def _cell(value: str) -> str:
    return value if isinstance(value, Markup) else escape(value)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = "".join("<tr>" + "".join(f"<td>{_cell(value)}" for value in row) for row in rows)
    titles = "".join(f"<th>{escape(name)}" for name in head)
    return f"<table><tr>{titles}{body}</table>" if body else "<p>none</p>"


def _facts(*facts: tuple[str, str]) -> str:
    return "<dl>" + "".join(f"<dt>{name}<dd>{value}" for name, value in facts) + "</dl>"


def _hand(hand: Hand) -> str:
    person = f" ({hand.person})" if hand.person else ", a machine"
    return escape(f"{hand.actor}{person}, {hand.title}, {hand.location}, {hand.at}")
