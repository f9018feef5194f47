"""A bundle: a ledger in one file, with artifacts if wanted, to be carried away and verified offline.

It is a ZIP in which nothing is compressed, with one spelling for each content:

    artifacts/data/iris/raw/iris.parquet     artifacts that were asked for, at their own paths
    ledger/anchors/19.tsr                    time stamps, if there are any
    ledger/certificates/<digest>.json        certificates of disposals, if there are any
    ledger/checkpoint
    ledger/tile/0/000.p/19                   the whole tree …
    ledger/tile/entries/000.p/19             … and all entries
    policy.json                              if asked for; a convenience that no verifier may trust by itself

Names ascend, times are 1980-01-01 00:00:00, modes 0644, there are no comments, no gaps and no further fields. So equal
content gives equal bytes, and `Archive` refuses with `FormatError` (code archive) whatever is not of this form: every
header must be the one that `write` would have written there. That excludes encryption and compression, links, sizes
that lie, members that overlap or stand twice, and two readers seeing two directories. Names must pass as those of a
manifest do (`digest.parse_manifest`: no absolute path, no `..`, no two that differ in case only; codes path and
case-clash).

    >>> file = io.BytesIO()
    >>> write(file, [member("ledger/checkpoint", b"a signed note")])
    >>> Archive(file).read("checkpoint")
    b'a signed note'
"""

import io
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile, ZipInfo

from synthtrail.custody import digest, note, tiles
from synthtrail.custody.artifacts import Presence
from synthtrail.custody.digest import Digest
from synthtrail.custody.errors import FormatError, StorageError
from synthtrail.custody.log import Log
from synthtrail.custody.record import Item
from synthtrail.custody.state import State

LEDGER, ANCHORS, CERTIFICATES = "ledger/", "ledger/anchors/", "ledger/certificates/"
ARTIFACTS, POLICY = "artifacts/", "policy.json"
_CHECKPOINT = "ledger/checkpoint"
_UTF8 = 0x800
_MODE = 0o100644 << 16
_UNIX = 3
_CHUNK = 1 << 20
_END = b"PK\x05\x06"
_END_BYTES = 22
_FIELDS = ("filename", "date_time", "compress_type", "compress_size", "flag_bits", "comment",
           "create_system", "external_attr", "internal_attr", "volume", "reserved")  # fmt: skip
_UNREADABLE = (BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError, struct.error)


@dataclass(frozen=True)
class Member:
    """One file to be packed: its path in the bundle, its size in bytes, and how to open it."""

    path: str
    size: int
    open: Callable[[], BinaryIO]


def member(path: str, data: bytes) -> Member:
    """Return a member that holds `data`."""
    return Member(path, len(data), lambda: io.BytesIO(data))


def ledger_members(read: tiles.Reader) -> Iterator[Member]:
    """Yield the checkpoint and all tiles of the log behind `read`; raise `StorageError` if one is missing.

    A partial tile of which only the full one is left is cut to the width that the checkpoint needs.
    """
    try:
        checkpoint = read("checkpoint")
        size = note.parse_checkpoint(note.parse(checkpoint)[0]).size
        yield member(_CHECKPOINT, checkpoint)
        for tile in tiles.bundle_growth(0, size):
            entries = tiles.read_entries(read, tile.index * tiles.WIDTH, tile.index * tiles.WIDTH + tile.width, size)
            yield member(LEDGER + tile.path, tiles.encode_bundle(entries))
        for tile in tiles.growth(0, size):
            yield member(LEDGER + tile.path, _tile(read, tile))
    except (FileNotFoundError, KeyError) as error:
        raise StorageError(f"the ledger lacks {getattr(error, 'filename', None) or error.args[-1]}") from None


def artifact_members(root: Path, path: str) -> Iterator[Member]:
    """Yield the files of the artifact at `root`/`path`; raise `ArtifactError` for what has no digest."""
    digest.check_path(path)
    place = root / path
    if not place.is_dir():
        digest.file(place)
        yield _file(ARTIFACTS + path, place)
        return
    for name in digest.parse_manifest(digest.manifest(place)):
        yield _file(f"{ARTIFACTS}{path}/{name}", place / name)


def write(target: BinaryIO, members: Iterable[Member]) -> None:
    """Write the bundle of `members` to a file that can seek; equal members give equal bytes."""
    ordered = sorted(members, key=lambda item: item.path)
    _check_names([item.path for item in ordered])
    with ZipFile(target, "w") as archive:
        for item in ordered:
            info = _info(item.path)
            info.file_size = item.size
            with archive.open(info, "w") as sink, item.open() as source:
                while chunk := source.read(_CHUNK):
                    sink.write(chunk)


class Archive:
    """A bundle as a `bundles.Reader` of the ledger in it. Nothing in it is believed; its form is exact."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            self._zip = ZipFile(file)
        except _UNREADABLE as error:
            raise FormatError(f"not a bundle: {error}", code="archive") from None
        infos = self._zip.infolist()
        _check_names([info.orig_filename for info in infos])
        _check_form(file, self._zip, infos)
        self._members = {info.orig_filename: info for info in infos}
        if _CHECKPOINT not in self._members:
            raise FormatError("a bundle without a checkpoint", code="archive")

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of all members, in order."""
        return tuple(self._members)

    @property
    def policy(self) -> bytes | None:
        """The policy that was packed. Whoever made the bundle chose it, so it proves nothing by itself."""
        return b"".join(self._chunks(POLICY)) if POLICY in self._members else None

    def read(self, path: str) -> bytes:
        """The bytes at a path of the ledger; raises `FileNotFoundError`, or `OSError` if they are damaged."""
        return b"".join(self._chunks(LEDGER + path))

    def artifact(self, path: str) -> Digest | None:
        """The digest of the packed file or folder at `path`; None if it was not packed."""
        if ARTIFACTS + path in self._members:
            return Digest(*self._digest(ARTIFACTS + path))
        prefix = f"{ARTIFACTS}{path}/"
        found = {name.removeprefix(prefix): self._digest(name) for name in self._members if name.startswith(prefix)}
        if not found:
            return None
        manifest = digest.encode_manifest({name: item[0] for name, item in found.items()})
        return Digest(sha256(manifest).hexdigest(), sum(item[1] for item in found.values()), len(found))

    def _digest(self, name: str) -> tuple[str, int]:
        state = sha256()
        for chunk in self._chunks(name):
            state.update(chunk)
        return state.hexdigest(), self._members[name].file_size

    def _chunks(self, name: str) -> Iterator[bytes]:
        if name not in self._members:
            raise FileNotFoundError(name)
        try:
            with self._zip.open(self._members[name]) as source:
                while chunk := source.read(_CHUNK):
                    yield chunk
        except _UNREADABLE as error:
            raise OSError(f"{name}: {error}") from None


def check_artifacts(archive: Archive, state: State, log: Log) -> list[Presence]:
    """Return the status of every artifact in the bundle, by path; `log` gives the entries that `state` came from.

    What the latest records name is compared with them. Anything else must at least be something that an event mentions.
    """
    named = _named(state, log)
    packed = {name.removeprefix(ARTIFACTS) for name in archive.paths if name.startswith(ARTIFACTS)}
    found = {}
    for path in sorted(packed):
        owner = next((item for item in _ancestors(path) if item in named), path)
        if owner not in found:
            found[owner] = _presence(archive, state, owner, named.get(owner))
    return list(found.values())


def _named(state: State, log: Log) -> Mapping[str, tuple[str, Item]]:
    """The slot and the item behind each path that the latest records name as subject or view."""
    named: dict[str, tuple[str, Item]] = {}
    for name, slot in state.slots.items():
        made = log.record(slot.entry)
        if made is not None:
            named |= {item.path: (name, item) for item in (*made.views, made.subject)}
    return named


def _presence(archive: Archive, state: State, path: str, named: tuple[str, Item] | None) -> Presence:
    slot, claimed = named or ("", None)
    try:
        actual = archive.artifact(path)
    except OSError as error:
        return Presence(path, slot, "unusable", str(error), "artifact-changed")
    known = state.status(bytes.fromhex(actual.sha256)) if actual else "absent"
    if known == "disposed":
        return Presence(path, slot, "disposed", "it was disposed of and is in the bundle")
    if actual and claimed and actual.sha256 == claimed.digest.hex():
        return Presence(path, slot, "ok")
    if known != "absent":
        return Presence(path, slot, "superseded", "an event mentions it, but not as the latest at this path")
    if claimed is None:
        return Presence(path, slot, "unlogged", "no event mentions its digest")
    code = "artifact-changed" if claimed.files is None else "folder-changed"
    return Presence(path, slot, "changed", "its content is not what was signed", code)


def _ancestors(path: str) -> Iterator[str]:
    """The path itself and the folders above it, longest first."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def _tile(read: tiles.Reader, tile: tiles.Tile) -> bytes:
    node = tiles.TileReader(read, (tile.index * tiles.WIDTH + tile.width) << tiles.HEIGHT * tile.level).node
    first = tile.index * tiles.WIDTH
    return b"".join(node(tiles.HEIGHT * tile.level, first + at) for at in range(tile.width))


def _file(path: str, place: Path) -> Member:
    return Member(path, place.stat().st_size, lambda: place.open("rb"))


def _info(path: str) -> ZipInfo:
    info = ZipInfo(path)
    info.create_system, info.external_attr = _UNIX, _MODE
    return info


def _check_names(names: list[str]) -> None:
    for name in names:
        if name not in (_CHECKPOINT, POLICY) and not name.startswith(
            (LEDGER + "tile/", ANCHORS, CERTIFICATES, ARTIFACTS)
        ):
            raise FormatError(f"no place in a bundle: {name[:80]!a}", code="path")
        if name.startswith(LEDGER + "tile/"):
            tiles.parse_path(name.removeprefix(LEDGER))
    if names != sorted(set(names)):
        raise FormatError("the names in a bundle ascend", code="archive")
    digest.parse_manifest(digest.encode_manifest(dict.fromkeys(names, "0" * 64)))


def _check_form(file: BinaryIO, archive: ZipFile, infos: list[ZipInfo]) -> None:
    """Raise `FormatError` unless every header is what `write` gives, and they stand one behind the other."""
    at = 0
    for info in infos:
        plain, header = _header(info)
        file.seek(at)
        if not _same(info, plain) or file.read(len(header)) != header:
            raise FormatError(f"not as a bundle is written: {info.orig_filename[:80]!a}", code="archive")
        if info.header_offset != at:
            raise FormatError("members overlap or leave gaps", code="archive")
        at += len(header) + info.file_size
    file.seek(-_END_BYTES, io.SEEK_END)  # its end record is there only if no comment follows it
    if archive.start_dir != at or file.read(len(_END)) != _END:
        raise FormatError("a bundle ends with its directory", code="archive")


def _header(info: ZipInfo) -> tuple[ZipInfo, bytes]:
    """The member as `write` describes it, given its name, size and checksum; and its local header."""
    plain = _info(info.orig_filename)
    plain.CRC, plain.file_size, plain.compress_size = info.CRC, info.file_size, info.file_size
    header = plain.FileHeader(plain.file_size * 1.05 > zipfile.ZIP64_LIMIT)
    plain.flag_bits |= 0 if plain.filename.isascii() else _UTF8
    return plain, header


def _same(info: ZipInfo, plain: ZipInfo) -> bool:
    """Whether a member of the directory is `plain`; beyond 2 GiB it has a further field with its sizes or its place."""
    large = max(info.file_size, info.header_offset) > zipfile.ZIP64_LIMIT
    exact = _FIELDS if large else (*_FIELDS, "extra", "create_version", "extract_version")
    return all(getattr(info, name) == getattr(plain, name) for name in exact)
