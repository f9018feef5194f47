"""What was disposed of and may not be made again, in a form that a stage can read in a millisecond.

`ledger/disposed.txt` says it, up to some size of the ledger:

    size 412
    <artifact> <certificate>
    salt <first half of a tombstone's name> <slot>

It is derived from the ledger's entries and brought up to date by whoever reads it, so a machine that has only the
ledger refuses too; whoever deletes it gains nothing. Signatures are not verified here: `synthtrail verify` does that.

Salts are refused sooner than artifacts: where a salt key was destroyed, another must not be minted for this slot and
input, or the same rows, or the same model, would come back under another digest. `disposal-executed` names the keys
that were destroyed; until it is logged, a *tombstone* in the key store says so. The ledger's word is overruled by an
entry of the ledger alone, which a steward signed (`synthtrail dispose allow`); from anybody else it changes nothing.

    >>> parse("size 9\\n" + "00" * 32 + " " + "11" * 32 + "\\n").artifacts["00" * 32][:4]
    '1111'
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from synthtrail.custody import digest, dsse, entry, note, statement, tiles
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.ed25519 import parse_vkey
from synthtrail.custody.errors import DataError, UsageError
from synthtrail.custody.statement import Statement
from synthtrail.storage.files import write_text

LIST = "disposed.txt"
TOMBSTONES = "destroyed"
TOLD = 16  # digits of a tombstone's name that the ledger tells
ALLOWED = "what was disposed of may be made again"
_KEY = re.compile(rf"salt of (\S+) ([0-9a-f]{{{TOLD}}})")


class DisposedError(UsageError):
    """What was disposed of would come back."""


@dataclass(frozen=True)
class Disposed:
    """What the first `size` entries say: artifact to certificate, and (tombstone, slot) of each destroyed salt key."""

    size: int = 0
    artifacts: dict[str, str] = field(default_factory=dict)
    salts: frozenset[tuple[str, str]] = frozenset()


def load(ledger: Path) -> Disposed:
    """Return what the ledger in this folder says was disposed of; nothing if there is none.

    Where its entries cannot be read, what was known before counts: `synthtrail verify` says what is wrong with them.
    """
    path = ledger / LIST
    known = parse(path.read_text(encoding="ascii")) if path.exists() else Disposed()
    try:
        size = _size(ledger)
        if known.size == size:
            return known
        found = _after(known if known.size < size else Disposed(), ledger, size)
    except (DataError, FileNotFoundError):
        return known
    with suppress(OSError):  # a ledger that may only be read
        write_text(path, encode(found))
    return found


def parse(text: str) -> Disposed:
    """Return what a list says; the first version had neither size nor salts, so it is derived again."""
    head, *lines = text.splitlines() or [""]
    if not head.startswith("size "):
        return Disposed()
    salts = (tuple(line.split(" ")[1:]) for line in lines if line.startswith("salt "))
    named = {line[:64]: line[65:] for line in lines if not line.startswith("salt ")}
    return Disposed(int(head[5:]), named, frozenset((told, slot) for told, slot in salts))


def encode(found: Disposed) -> str:
    """Return the list as text."""
    named = [f"{artifact} {found.artifacts[artifact]}" for artifact in sorted(found.artifacts)]
    salts = [f"salt {told} {slot}" for told, slot in sorted(found.salts)]
    return "".join(f"{line}\n" for line in (f"size {found.size}", *named, *salts))


def refuse(ledger: Path, made: Path, shown: Path) -> None:
    """Raise `DisposedError` if the file or folder `made`, which is to become `shown`, was disposed of."""
    listed = load(ledger).artifacts
    if not listed:
        return
    found = digest.artifact(made).sha256
    if found in listed:
        raise DisposedError(
            f"{shown} would be {found[:16]}… again, which was disposed of: "
            f"see {ledger}/certificates/{listed[found]}.json; nothing was replaced"
        )


def tombstone(salts: Path, slot: str, input_digest: str) -> Path:
    """Return where it is noted that the salt key of this slot and input was destroyed; the name tells neither."""
    return salts / TOMBSTONES / sha256(f"{slot} {input_digest}".encode()).hexdigest()


def key_name(tomb: Path, slot: str) -> str:
    """Return what the ledger calls a salt key that was destroyed."""
    return f"salt of {slot} {tomb.name[:TOLD]}"


def bury(path: Path, why: str, slot: str) -> None:
    """Write the tombstone at `path`: by what a salt key of `slot` was destroyed."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_text(path, f"{why}\n{slot}\n")


def buried(salts: Path, slot: str) -> list[Path]:
    """Return the tombstones of `slot`."""
    every = sorted((salts / TOMBSTONES).glob("*"))
    return [path for path in every if path.read_text(encoding="ascii").splitlines()[1:] == [slot]]


def refuse_salt(salts: Path, slot: str, input_digest: str, ledger: Path | None = None) -> None:
    """Raise `DisposedError` if the salt key of this slot and input was destroyed, here or as the ledger says."""
    path = tombstone(salts, slot, input_digest)
    if path.exists():
        why = path.read_text(encoding="ascii").splitlines()[0]
    elif ledger is not None and (path.name[:TOLD], slot) in load(ledger).salts:
        why = "as the ledger says"
    else:
        return
    raise DisposedError(
        f"{slot}: what it makes from this input was disposed of ({why}); nothing was made. Give the experiment "
        f"another name, or have a steward say why it may be made again: synthtrail dispose allow {slot} --reason …"
    )


def _size(ledger: Path) -> int:
    text, _ = note.parse(FolderReader(ledger).read("checkpoint"))
    return note.parse_checkpoint(text).size


def _after(known: Disposed, ledger: Path, size: int) -> Disposed:
    """Return what is known when the entries from `known.size` on have been read too."""
    artifacts, salts = dict(known.artifacts), set(known.salts)
    for said in _statements(ledger, known.size, size, "disposal-executed", "incident"):
        details = _details(said)
        if said.act.event == "disposal-executed":
            artifacts |= {item.digest.hex(): str(said.predicate["certificate"]) for item in said.subjects}
            named = (_KEY.fullmatch(value) for name, value in details if name == "key")
            salts |= {(match[2], match[1]) for match in named if match}
        elif str(said.predicate["what"]).startswith(ALLOWED) and said.act.actor in _stewards(ledger, size):
            allowed = {value for name, value in details if name == "slot"}
            salts = {(told, slot) for told, slot in salts if slot not in allowed}
    return Disposed(size, artifacts, frozenset(salts))


def _stewards(ledger: Path, size: int) -> set[str]:
    """Return the names of the keys that the ledger lists as stewards'; a name is given once and keeps its role."""
    found: set[str] = set()
    for said in _statements(ledger, 0, size, "key-added", "key-rotated"):
        if said.act.event == "key-added":
            steward = said.act.text("role") == "steward"
        else:
            steward = said.act.text("replaces") in found
        if steward:
            found.add(parse_vkey(said.act.text("key")).name)
    return found


def _statements(ledger: Path, start: int, end: int, *events: str) -> Iterator[Statement]:
    """Yield what the entries of these events say; the others are looked at, not read."""
    marks = [f"/custody/{event}/".encode() for event in events]
    for data in tiles.read_entries(FolderReader(ledger).read, start, end, end):
        payload = dsse.parse(entry.parse(data).envelope).payload
        if any(mark in payload for mark in marks):
            said = statement.read(payload)
            if said.act.event in events:
                yield said


def _details(said: Statement) -> list[tuple[str, str]]:
    found = said.predicate["details"]
    listed = found if isinstance(found, list) else []
    return [(str(pair["name"]), str(pair["value"])) for pair in listed if isinstance(pair, dict)]
