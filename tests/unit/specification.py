"""What the documents print from data: tables, findings, and a small example ledger with its bytes.

`python -m tests.unit.specification` writes `docs/example/` anew and fills in `docs/ledger-specification.md`, between
the lines ``<!-- begin NAME -->`` and ``<!-- end NAME -->``. Tests require that this changes nothing.
"""

import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from synthtrail.custody import (
    acts,
    canonical,
    carried,
    digest,
    dsse,
    entry,
    events,
    findings,
    identifying,
    merkle,
    transitions,
)
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.canonical import Value
from synthtrail.custody.ed25519 import Signer
from synthtrail.custody.ledger import Ledger
from synthtrail.custody.policy import Policy

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "ledger-specification.md"
EXAMPLE = ROOT / "docs" / "example"

NAME = "example.org"
ORIGIN = f"{NAME}/ledger/1f2e3d4c"
RAW = "data/tiny/raw"
TABLE = b"age,outcome\n61,1\n47,0\n"
START = datetime(2026, 1, 31, 12, tzinfo=UTC)
PARTS = ("policy.json", "kept-checkpoint", "ledger", "data")


def key(name: str) -> Signer:
    """The example's key of that name: its seed is no secret."""
    return Signer(f"{NAME}/{name}", sha256(name.encode()).digest())


ROOT_KEY, SEQUENCER, OPERATOR = key("root"), key("sequencer"), key("operator")
POLICY = Policy(
    origin=ORIGIN,
    organisation=NAME,
    roots=(ROOT_KEY.verifier.vkey(),),
    sequencer=SEQUENCER.verifier.vkey(),
    people=(("p-ada", "Ada L."),),
    salt=sha256(b"salt").hexdigest(),
)


def write_example(folder: Path) -> None:
    """Write the example: a policy, a checkpoint kept from earlier, a ledger of three entries, and its artifact."""
    raw = folder / RAW
    raw.mkdir(parents=True)
    (raw / "tiny.csv").write_bytes(TABLE)
    (folder / "policy.json").write_bytes(POLICY.encode())
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "ledger"
        opening = acts.opening(POLICY, ROOT_KEY, at=START)
        ledger = Ledger.create(place, Path(scratch) / "guard", POLICY, SEQUENCER, opening, now=START)
        _append(ledger, 1, lambda at: acts.event(ledger.state, "key-added", ROOT_KEY, at=at, fields=_operator()))
        (folder / "kept-checkpoint").write_bytes(ledger.checkpoint)
        made = record(raw)
        _append(ledger, 2, lambda at: acts.made(ledger.state, made, OPERATOR, at=at))
        proof = carried.prove(FolderReader(place).read, ledger.checkpoint, 2, ledger.state)
        shutil.copytree(place, folder / "ledger", ignore=shutil.ignore_patterns("lock", "manifests"))
    proofs = folder / "ledger" / "proofs"
    proofs.mkdir()
    (proofs / f"{digest.folder(raw).sha256}.tlog-proof").write_bytes(proof)


def record(raw: Path) -> dict[str, Value]:
    """The record of the example's only stage."""
    found = digest.folder(raw)
    source: Value = {"kind": "file", "path": "drop/tiny.csv", "sha256": sha256(TABLE).hexdigest(), "size": len(TABLE)}
    subject: Value = {
        "kind": "folder", "path": RAW, "sha256": found.sha256, "size": found.size, "files": found.files
    }  # fmt: skip
    return {
        "v": 1,
        "experiment": "tiny",
        "stage": "ingest",
        "event": "acquired",
        "subjects": [subject],
        "views": [],
        "inputs": [source],
        "source": [{"name": "licence", "value": "CC0-1.0"}],
        "params": [],
        "seed": 0,
        "code": {"sha256": sha256(b"code").hexdigest(), "files": 1},
        "tools": [{"name": "synthtrail", "version": "0.1.0"}],
        "class": "public",
        "privacy": [],
        "facts": [{"name": "rows", "value": "2"}],
    }


def _operator() -> dict[str, Value]:
    return acts.key_fields(OPERATOR, "operator", organisation=NAME)


def _append(ledger: Ledger, second: int, envelope: Callable[[datetime], Value]) -> None:
    at = START.replace(second=second)
    made = envelope(at)
    with ledger.transaction(at) as tx:
        tx.append([made])


def fields_markdown() -> str:
    """The kinds of all fields, and what an event is about, opens and closes."""
    rows = ["| event | about | fields | opens a request | closes it |", "|---|---|---|---|---|"]
    for spec in events.EVENTS.values():
        fields = "; ".join(f"{item.name}: {', '.join(item.choices) or item.kind}" for item in spec.fields)
        opens, closes = ("yes" if held else "" for held in (spec.opens, spec.closes))
        rows.append(f"| `{spec.name}` | {spec.about} | {fields} | {opens} | {closes} |")
    return "\n".join(rows) + "\n"


def findings_markdown() -> str:
    """All codes."""
    rows = ["| code | attack | meaning |", "|---|---|---|"]
    rows += [f"| `{name}` | {code.attack or ''} | {code.meaning} |" for name, code in findings.CODES.items()]
    return "\n".join(rows) + "\n"


def keys_markdown() -> str:
    """The example's keys."""
    rows = ["| key | seed | vkey |", "|---|---|---|"]
    rows += [
        f"| {one.name} | `{one.seed.hex()}` | `{one.verifier.vkey()}` |" for one in (ROOT_KEY, SEQUENCER, OPERATOR)
    ]
    return "\n".join(rows) + "\n"


def example_bytes() -> str:
    """The example's policy, entry 1 taken apart, and the tree."""
    lines = (EXAMPLE / "ledger" / "entries.jsonl").read_bytes().splitlines()
    envelope = dsse.parse(entry.parse(lines[1]).envelope)
    leaves = [merkle.leaf_hash(line) for line in lines]
    signature = envelope.signatures[0]
    parts = (
        ("policy.json", POLICY.encode().decode()),
        ("entry 1: the leaf", lines[1].decode()),
        ("entry 1: the payload of its envelope", envelope.payload.decode()),
        ("entry 1: what was signed begins", dsse.pae(dsse.IN_TOTO, envelope.payload)[:60].decode() + "…"),
        ("entry 1: the signature, by example.org/root", signature.sig.hex()),
        ("the leaf hashes, which are tile/0/000.p/3", "\n".join(leaf.hex() for leaf in leaves)),
        ("the node over entries 0 and 1", merkle.node_hash(*leaves[:2]).hex()),
        ("the root", merkle.root(leaves).hex()),
        ("checkpoint", (EXAMPLE / "ledger" / "checkpoint").read_text(encoding="utf-8").rstrip("\n")),
        ("entry 2: its record", canonical.encode(record(EXAMPLE / RAW)).decode()),
    )
    return "\n".join(f"{title}:\n\n```\n{text}\n```\n" for title, text in parts)


BLOCKS: dict[str, Callable[[], str]] = {
    "events": events.markdown,
    "fields": fields_markdown,
    "transitions": transitions.markdown,
    "identifying": identifying.markdown,
    "findings": findings_markdown,
    "keys": keys_markdown,
    "bytes": example_bytes,
}


def filled(text: str) -> str:
    """The document with every block printed anew; raises `ValueError` for a block that is missing or unknown."""
    found = re.findall(r"<!-- begin (\w+) -->", text)
    if sorted(found) != sorted(BLOCKS):
        raise ValueError(f"the document has the blocks {found}")
    for name, make in BLOCKS.items():
        before, begin, rest = text.partition(f"<!-- begin {name} -->\n")
        _, end, after = rest.partition(f"<!-- end {name} -->")
        text = f"{before}{begin}\n{make()}\n{end}{after}"
    return text


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All files below a folder, by relative path."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def main() -> int:
    """Write the example and fill in the document."""
    with tempfile.TemporaryDirectory() as scratch:
        write_example(Path(scratch))
        for part in PARTS:
            target = EXAMPLE / part
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            source = Path(scratch) / part
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copyfile(source, target)
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
