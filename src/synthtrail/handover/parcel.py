"""A parcel: the folder through which an artifact goes to another organisation, and the answers come back.

    offer.json          which offer of which ledger this is, and the digest of the sealed content, if it is here yet
    ledger.zip          the sender's ledger as a bundle, which the receiver verifies by the policy that it pinned
    content.tar.age     the artifact as a tar stream, encrypted to the receiver (age)
    answers/<digest>.json     signed envelopes of the receiver, named by the digest of their payload
    proposals/<digest>.json   what the receiver asks access for

Nothing in the folder is believed because of where it lies: the offer counts if the sender's ledger holds it, an answer
if its signature and the ledger's rules let it in, the content if its digest is the one offered. Every file appears
whole or not at all, so the folder may be copied, synchronised or carried at any moment.
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, BinaryIO

from synthtrail.custody import canonical, digest, dsse, shapes, statement
from synthtrail.custody.act import Act
from synthtrail.custody.canonical import Value
from synthtrail.custody.errors import ArtifactError, DataError, FormatError, UsageError
from synthtrail.storage.files import write_bytes

OFFER, LEDGER, CONTENT, ANSWERS, PROPOSALS = "offer.json", "ledger.zip", "content.tar.age", "answers", "proposals"
_MEMBERS = frozenset({"v", "ledger", "offer", "sealed"})
_MAX = 128 << 10
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Pointer:
    """What `offer.json` says: the sender's origin, the offer's digest, the SHA-256 of the sealed content ("": none)."""

    ledger: str
    offer: str
    sealed: str = ""

    def encode(self) -> bytes:
        """Return the file's only byte form."""
        return canonical.encode({"v": 1, "ledger": self.ledger, "offer": self.offer, "sealed": self.sealed})


@dataclass(frozen=True)
class Answer:
    """A signed envelope that lies in a parcel, read but not believed."""

    path: Path
    envelope: dict[str, Value]
    act: Act


def is_parcel(folder: Path) -> bool:
    """Tell whether an offer lies in `folder`."""
    return (folder / OFFER).is_file()


def pointer(folder: Path) -> Pointer:
    """Return what the parcel in `folder` is about; raise `UsageError` if there is none."""
    if not is_parcel(folder):
        raise UsageError(f"{folder}: no offer lies here; its sender makes one with `synthtrail offer ... -o FOLDER`")
    try:
        found = shapes.members(canonical.decode(_read(folder / OFFER)), _MEMBERS, OFFER)
        sealed = shapes.text(found["sealed"], OFFER)
        if sealed:
            shapes.sha256(sealed, OFFER)
        return Pointer(shapes.some_text(found["ledger"], OFFER), shapes.sha256(found["offer"], OFFER).hex(), sealed)
    except DataError as error:
        raise UsageError(f"{folder / OFFER}: {error}") from None


def write_pointer(folder: Path, what: Pointer) -> None:
    """Write `offer.json`, unless it says the same already."""
    _write_if_new(folder / OFFER, what.encode())


def put_answer(folder: Path, envelope: dict[str, Value]) -> Path:
    """Leave a signed envelope in the parcel; return where."""
    path = folder / ANSWERS / f"{statement.parse(dsse.parse(envelope).payload).digest.hex()}.json"
    _write_if_new(path, canonical.encode(envelope))
    return path


def answers(folder: Path) -> Iterator[Answer | str]:
    """Yield the answers in the order in which they were signed; a line of text for a file that is none."""
    found: list[Answer] = []
    for path in sorted((folder / ANSWERS).glob("*.json")):
        try:
            envelope = canonical.decode_object(_read(path))
            found.append(Answer(path, envelope, statement.parse(dsse.parse(envelope).payload)))
        except (DataError, OSError) as error:
            yield f"{path}: not an answer: {error}"
    yield from sorted(found, key=lambda answer: (answer.act.at, answer.act.digest))


def put_proposal(folder: Path, data: bytes) -> None:
    """Leave a proposal in the parcel."""
    _write_if_new(folder / PROPOSALS / f"{sha256(data).hexdigest()}.json", data)


def proposal(folder: Path, wanted: str) -> bytes:
    """Return the bytes of the proposal with this digest; raise `UsageError` if they are not here."""
    path = folder / PROPOSALS / f"{wanted}.json"
    data = _read(path) if path.is_file() else b""
    if sha256(data).hexdigest() != wanted:
        raise UsageError(f"{path}: the proposal that the request names is missing, or another one")
    return data


def check_sealed(folder: Path, what: Pointer) -> Path:
    """Return the sealed content once it is found to be what the sender wrote; raise `UsageError` otherwise."""
    path = folder / CONTENT
    if not what.sealed:
        raise UsageError(
            f"{folder}: the content is not here yet; the sender wants an approved proposal first: "
            f"`synthtrail access request {folder} ...`"
        )
    if not path.is_file() or digest.file(path).sha256 != what.sealed:
        raise UsageError(
            f"{path}: not the content that the sender sealed (lost or changed on the way); ask for it again"
        )
    return path


def unpack(source: BinaryIO, folder: Path) -> None:
    """Write the files of a tar stream below `folder`, which is empty; raise `ArtifactError` for all but plain files."""
    seen: set[str] = set()
    try:
        with tarfile.open(fileobj=source, mode="r|") as tar:
            for member in tar:
                _check_member(member, seen)
                with _create(folder / member.name) as out:
                    _copy(tar.extractfile(member), out)
    except tarfile.TarError as error:
        raise ArtifactError(f"the content is not a tar stream: {error}") from None


def _check_member(member: tarfile.TarInfo, seen: set[str]) -> None:
    digest.check_path(member.name)
    if not member.isreg() or member.name in seen:
        raise ArtifactError(f"the content holds something else than distinct plain files: {member.name!a}")
    seen.add(member.name)


def _create(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("xb")


def _copy(source: "IO[bytes] | None", out: BinaryIO) -> None:
    if source is None:
        raise ArtifactError("the content holds a member without bytes")
    while block := source.read(_CHUNK):
        out.write(block)


def _read(path: Path) -> bytes:
    if path.stat().st_size > _MAX:
        raise FormatError(f"larger than {_MAX} bytes", code="size")
    return path.read_bytes()


def _write_if_new(path: Path, data: bytes) -> None:
    if not path.is_file() or path.read_bytes() != data:
        write_bytes(path, data)
