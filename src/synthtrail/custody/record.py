"""A stage's record: the deterministic statement of what it made, from what, and how.

A record is a file of canonical JSON beside the data; `sign` embeds it in an event. It holds no times and no machine
names, so the same inputs, code, seed and parameters give the same record, byte for byte. Its members, all required:

    v 1 · experiment · stage · event · subjects (exactly one) · views · inputs · params · seed · code {sha256, files}
    tools · class public | confidential · privacy · facts
    and source (ingest only) · verdict pass | review | refuse (validate only)

The subject is the artifact whose custody the ledger tells; `views` are what was written beside it for people and
tools (figures, curves, scores), which an audit hashes too. An item of `subjects`, `views` and `inputs` has kind,
path, sha256, size and, for a folder, files. `params`, `privacy`, `facts` and `source` are lists of names with values,
all strings (decimals too: JSON has no two equal floats); `tools` are names with versions.
"""

from hashlib import sha256
from typing import NamedTuple

from synthtrail.custody import canonical, shapes
from synthtrail.custody.canonical import Value
from synthtrail.custody.events import CLASSES, STAGE_EVENT, VERDICTS

_BASE = frozenset(
    [
        "v",
        "experiment",
        "stage",
        "event",
        "subjects",
        "views",
        "inputs",
        "params",
        "seed",
        "code",
        "tools",
        "class",
        "privacy",
        "facts",
    ]
)
MEMBERS = dict.fromkeys(STAGE_EVENT, _BASE) | {
    "ingest": _BASE | {"source"},
    "validate": _BASE | {"verdict"},
}
_FILE = frozenset({"kind", "path", "sha256", "size"})
_FOLDER = _FILE | {"files"}
_CODE = frozenset({"sha256", "files"})
_TOOL = frozenset({"name", "version"})


class Item(NamedTuple):
    """A file or folder that a record names: `digest` is SHA-256 (32 bytes), `files` is None for a file."""

    path: str
    digest: bytes
    size: int
    files: int | None

    @property
    def kind(self) -> str:
        """`file` or `folder`."""
        return "file" if self.files is None else "folder"

    def descriptor(self) -> dict[str, Value]:
        """The in-toto resource descriptor; a folder's digest is Go's dirhash, which in-toto calls dirHash1."""
        name = "sha256" if self.files is None else "dirHash1"
        return {"name": self.path, "digest": {name: self.digest.hex()}}


class Record(NamedTuple):
    """A record that was found well-formed; `value` is all of it."""

    experiment: str
    stage: str
    event: str
    subject: Item
    views: tuple[Item, ...]
    inputs: tuple[Item, ...]
    verdict: str
    value: dict[str, Value]

    @property
    def slot(self) -> str:
        """The place in the pipeline that the record belongs to."""
        return f"{self.experiment}/{self.stage}"

    @property
    def digest(self) -> bytes:
        """SHA-256 of the record's canonical bytes, which is that of its file."""
        return sha256(canonical.encode(self.value)).digest()

    @property
    def concerned(self) -> tuple[Item, ...]:
        """The artifacts that an event with this record is about: what was made and, for validate, what was judged."""
        return (self.subject, self.inputs[0]) if self.stage == "validate" else (self.subject,)


def parse(value: Value) -> Record:
    """Return `value` as a record; raise `FormatError` for anything else."""
    if not isinstance(value, dict):
        raise shapes.refuse("record", "not an object")
    stage = shapes.choice(value.get("stage"), tuple(STAGE_EVENT), "record.stage")
    shapes.members(value, MEMBERS[stage], "record")
    _check_plain(value, stage)
    subjects = shapes.listing(value["subjects"], "record.subjects")
    inputs = shapes.listing(value["inputs"], "record.inputs")
    if len(subjects) != 1 or (stage == "validate" and not inputs):
        raise shapes.refuse("record", "needs one subject, and validate what it judged")
    verdict = shapes.choice(value["verdict"], VERDICTS, "record.verdict") if stage == "validate" else ""
    return Record(
        _name(value["experiment"]),
        stage,
        STAGE_EVENT[stage],
        _item(subjects[0], "record.subjects"),
        tuple(_item(item, "record.views") for item in shapes.listing(value["views"], "record.views")),
        tuple(_item(item, "record.inputs") for item in inputs),
        verdict,
        value,
    )


def _check_plain(value: dict[str, Value], stage: str) -> None:
    """Check the members that are embedded and shown but decide nothing."""
    if value["v"] != 1 or value["v"] is True or value["event"] != STAGE_EVENT[stage]:
        raise shapes.refuse("record", "another version, or an event that is not the stage's")
    shapes.count(value["seed"], "record.seed")
    shapes.choice(value["class"], CLASSES, "record.class")
    code = shapes.members(value["code"], _CODE, "record.code")
    shapes.sha256(code["sha256"], "record.code")
    shapes.count(code["files"], "record.code")
    for name in ("params", "privacy", "facts", *(("source",) if stage == "ingest" else ())):
        shapes.pairs(value[name], name)
    for tool in shapes.listing(value["tools"], "record.tools"):
        found = shapes.members(tool, _TOOL, "record.tools")
        shapes.text(found["name"], "record.tools")
        shapes.text(found["version"], "record.tools")


def _name(value: Value) -> str:
    name = shapes.some_text(value, "record.experiment")
    if "/" in name:
        raise shapes.refuse("record.experiment", "a slash would make the slot ambiguous")
    return name


def _item(value: Value, what: str) -> Item:
    folder = isinstance(value, dict) and value.get("kind") == "folder"
    found = shapes.members(value, _FOLDER if folder else _FILE, what)
    if not folder and found["kind"] != "file":
        raise shapes.refuse(what, "neither file nor folder")
    return Item(
        shapes.check_path(shapes.text(found["path"], what)),
        shapes.sha256(found["sha256"], what),
        shapes.count(found["size"], what),
        shapes.count(found["files"], what) if folder else None,
    )
