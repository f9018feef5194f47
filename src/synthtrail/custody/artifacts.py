"""Whether the files of a checkout are the ones that the ledger speaks of.

The ledger says, slot by slot, which artifact is the latest; the record files in `data/records/` say which one the
workspace claims to have. Everything is hashed again: neither DVC nor file times are believed.

==========  ==================================================================  =============================
status      meaning                                                             finding
==========  ==================================================================  =============================
ok          the artifact of the slot's latest record, byte for byte
changed     other content than its record says (which, if manifests were kept)  artifact-changed, folder-changed
missing     its record is there, and it is not                                  artifact-missing
absent      neither it nor its record is here: turned off, or elsewhere         artifact-absent (warning)
pending     as its record says, and that record is not signed yet               record-pending
superseded  as its record says, an older one: `dvc checkout` restored it        record-superseded (warning)
unlogged    present, and no event mentions its digest                           artifact-never-logged
disposed    present, although it was disposed of                                disposed-reappears
unusable    a link, device, changing file or unsafe name: no honest digest      path-unsafe, file-not-plain, …
==========  ==================================================================  =============================

The digest of a folder is that of its manifest. Whoever signs may keep the manifest under its own digest
(`Ledger.keep_manifest`): such a copy proves itself, and tells which files differ.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from synthtrail.custody import canonical, digest, examine, record
from synthtrail.custody.errors import ArtifactError, DataError, FormatError
from synthtrail.custody.findings import Finding, Severity
from synthtrail.custody.log import Log
from synthtrail.custody.record import Item, Record
from synthtrail.custody.state import State

FindManifest = Callable[[bytes], bytes | None]

DATA = "data"

FOLDER_OWN_MANIFEST = "manifest.txt"

_FINDINGS: dict[str, tuple[str, Severity]] = {
    "missing": ("artifact-missing", "error"),
    "absent": ("artifact-absent", "warning"),
    "pending": ("record-pending", "error"),
    "superseded": ("record-superseded", "warning"),
    "unlogged": ("artifact-never-logged", "error"),
    "disposed": ("disposed-reappears", "error"),
}
_UNUSABLE = {"name": "path-unsafe", "case-clash": "path-unsafe", "changed-while-read": "file-changing"}


@dataclass(frozen=True)
class Presence:
    """One path of the checkout: its slot (empty if no record names it), its status, and what differs."""

    path: str
    slot: str
    status: str
    text: str = ""
    code: str = ""

    @property
    def finding(self) -> Finding | None:
        """The finding that an audit reports; None if all is well."""
        if self.status == "ok":
            return None
        code, severity = _FINDINGS.get(self.status, (self.code, "error"))
        return Finding(code, self.text or self.status, path=self.path, severity=severity)


def check(
    state: State,
    log: Log,
    root: Path,
    *,
    slots: Collection[str] | None = None,
    manifests: FindManifest | None = None,
) -> list[Presence]:
    """Return the status of every artifact below `root`/data and of every slot (or only of `slots`), by path.

    `log` gives the entries that `state` was folded from.
    """
    checkout = _Checkout(state, root, manifests)
    claims, found = checkout.claims()
    for name, slot in state.slots.items():
        if name not in claims and (slots is None or name in slots):
            latest = log.record(slot.entry)
            if latest is not None:
                claims[name] = (latest, "absent")
    for name, (claimed, status) in claims.items():
        if slots is None or name in slots:
            items = (claimed.subject, *claimed.views)
            found.extend(checkout.compare(name, item, status, claimed.subject) for item in items)
    found.extend(_clashes(claims))
    named = {path for claimed, _ in claims.values() for path in _paths(claimed)} | {item.path for item in found}
    found.extend(checkout.strangers(root / DATA, named))
    return sorted(found, key=lambda item: item.path)


@dataclass(frozen=True)
class _Checkout:
    """The files below `root`, beside what the ledger says."""

    state: State
    root: Path
    manifests: FindManifest | None

    def claims(self) -> tuple[dict[str, tuple[Record, str]], list[Presence]]:
        """The record files by slot, each with the status it gives its artifact, and what is wrong with others."""
        claims: dict[str, tuple[Record, str]] = {}
        unusable = []
        for file in sorted((self.root / DATA / "records").glob("*/*.json")):
            path = file.relative_to(self.root).as_posix()
            try:
                digest.file(file)  # refuses links and devices
                data = file.read_bytes().removesuffix(b"\n")
                found = record.parse(canonical.decode(data))
                if path != _record_path(found):
                    raise FormatError(f"a record of {found.slot} lies elsewhere", code="path")
            except DataError as error:
                unusable.append(_unusable(path, "", error))
                continue
            claims[found.slot] = (found, self._status(found.slot, sha256(data).digest()))
        return claims, unusable

    def _status(self, slot: str, found: bytes) -> str:
        latest = self.state.slots.get(slot)
        if latest is not None and latest.record == found:
            return "ok"
        return "superseded" if self.state.knows_record(found) else "pending"

    def compare(self, slot: str, claimed: Item, status: str, subject: Item) -> Presence:
        """An artifact's status: that of its record, unless its bytes say otherwise. A view goes with its subject."""
        try:
            actual = _digest(self.root, claimed.path)
        except FileNotFoundError:
            gone = "disposed" in (self.state.status(claimed.digest), self.state.status(subject.digest))
            missing = "absent" if status == "absent" else "missing"
            return Presence(claimed.path, slot, "ok" if gone else missing, "it is not there")
        except ArtifactError as error:
            return _unusable(claimed.path, slot, error)
        if actual != claimed.digest:
            code = "artifact-changed" if claimed.files is None else "folder-changed"
            return Presence(claimed.path, slot, "changed", self._difference(claimed), code)
        if self.state.status(actual) == "disposed":
            return Presence(claimed.path, slot, "disposed", "it was disposed of and is here again")
        if status == "absent":  # its record is gone, but what it says is here
            return Presence(claimed.path, slot, "ok")
        texts = {"pending": "its record is not signed yet", "superseded": "its record is an older one"}
        return Presence(claimed.path, slot, status, texts.get(status, ""))

    def strangers(self, folder: Path, named: Collection[str]) -> Iterator[Presence]:
        """What lies in `folder` and is named by no record; folders that hold something named are looked into."""
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            path = file.relative_to(self.root).as_posix()
            if path in named or file.name.startswith("."):  # a dot: DVC's own notes and checkpoints of training
                continue
            if any(name.startswith(f"{path}/") for name in named) and file.is_dir() and not file.is_symlink():
                yield from self.strangers(file, named)
            else:
                yield from self._stranger(path)

    def _stranger(self, path: str) -> Iterator[Presence]:
        try:
            status = self.state.status(_digest(self.root, path))
        except ArtifactError as error:
            yield _unusable(path, "", error)
            return
        if status == "absent":
            yield Presence(path, "", "unlogged", "no event mentions its digest")
        elif status == "disposed":
            yield Presence(path, "", "disposed", "it was disposed of and is here again")

    def _difference(self, claimed: Item) -> str:
        """In words, how the artifact differs from what was signed."""
        if claimed.files is None or not (self.root / claimed.path).is_dir():
            return "its content is not what was signed"
        kept = self.manifests(claimed.digest) if self.manifests else None
        if kept is not None and sha256(kept).digest() == claimed.digest:
            return _words(digest.difference(kept, digest.manifest(self.root / claimed.path)))
        return _own_words(self.root / claimed.path) or "some file in it is not what was signed"


def _clashes(claims: dict[str, tuple[Record, str]]) -> Iterator[Presence]:
    """Paths that two slots claim, or that a file system which ignores case would make one."""
    owners: dict[str, str] = {}
    for slot, (claimed, _) in claims.items():
        path = claimed.subject.path
        owner = owners.setdefault(path.casefold(), slot)
        if owner != slot:
            yield Presence(path, slot, "unusable", f"{owner} has this path too, in some spelling", "path-unsafe")


def _paths(claimed: Record) -> Iterator[str]:
    """Every path that a record accounts for, its own among them."""
    yield _record_path(claimed)
    yield from (item.path for item in (claimed.subject, *claimed.views))


def _record_path(claimed: Record) -> str:
    return f"{DATA}/records/{claimed.experiment}/{claimed.stage}.json"


def _digest(root: Path, path: str) -> bytes:
    """The digest of what lies at `path`; no folder on the way may be a link."""
    at = root
    for name in path.split("/")[:-1]:
        at /= name
        if at.is_symlink():
            raise ArtifactError(f"a link stands in the way: {at}", code="not-regular")
    return bytes.fromhex(digest.artifact(root / path).sha256)


def _own_words(folder: Path) -> str:
    """What the folder's own list of files says, which is no more than a hint: it may have been changed too."""
    try:
        kept = (folder / FOLDER_OWN_MANIFEST).read_bytes()
        found = digest.parse_manifest(digest.manifest(folder))
        del found[FOLDER_OWN_MANIFEST]
        differs = digest.difference(kept, digest.encode_manifest(found))
    except (DataError, OSError, KeyError):
        return ""
    return f"by its own list of files, {_words(differs)}" if differs else ""


def _words(differs: digest.Difference) -> str:
    parts = (("added", differs.added), ("removed", differs.removed), ("changed", differs.changed))
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in parts if names)


def _unusable(path: str, slot: str, error: DataError) -> Presence:
    if isinstance(error, ArtifactError):
        code = _UNUSABLE.get(error.code, "file-not-plain")
    else:
        code = examine.problem(error).code
    return Presence(path, slot, "unusable", str(error), code)
