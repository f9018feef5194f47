"""A proof that one entry is in a log, in one file: https://c2sp.org/tlog-proof.

    c2sp.org/tlog-proof@v1
    extra ZXh0cmE=                                      (optional, not authenticated)
    index 5
    rzFuy5Go7nrpkhBwKy1HWPMM3eO/YePY54fXRoH5Cm4=        (the audit path, leaf's sibling first)
    …

    example.com/log                                     (the signed checkpoint, verbatim)
    …

`parse` gives the parts and believes none of them; `check` does the believing.

    >>> from synthtrail.custody import merkle, note
    >>> from synthtrail.custody.ed25519 import Signer
    >>> signer, leaf = Signer("example.com/log", bytes(32)), merkle.leaf_hash(b"entry")
    >>> data = note.sign(note.Checkpoint("example.com/log", 1, merkle.root([leaf])).text(), [signer])
    >>> proof = parse(encode(TlogProof(0, (), data)))
    >>> check(proof, b"entry", "example.com/log", [signer.verifier]).checkpoint.size
    1
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from synthtrail.custody import merkle, note
from synthtrail.custody.canonical import b64decode, b64encode
from synthtrail.custody.errors import FormatError, UsageError

HEADER = "c2sp.org/tlog-proof@v1"
MAX_HASHES = 63  # the depth of the largest tree, 2^63 − 1 leaves
_MAX_BYTES = note.MAX_BYTES + 65_536
_INDEX = re.compile("index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True)
class TlogProof:
    """An entry's `index`, its audit path, the signed checkpoint as bytes, and `extra`, which nothing vouches for."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None


def encode(proof: TlogProof) -> bytes:
    """Return the proof as the bytes of a `.tlog-proof` file."""
    sizes = {len(item) for item in proof.hashes}
    if not 0 <= proof.index <= merkle.MAX_SIZE or sizes - {merkle.HASH_BYTES}:
        raise UsageError("a proof needs an index and hashes of 32 bytes")
    lines = [HEADER]
    if proof.extra is not None:
        lines.append(f"extra {b64encode(proof.extra)}")
    lines.append(f"index {proof.index}")
    lines += map(b64encode, proof.hashes)
    return "\n".join(lines).encode() + b"\n\n" + proof.checkpoint


def parse(data: bytes) -> TlogProof:
    """Return the parts of a proof; raise `FormatError` (code tlog-proof) unless its form is exact."""
    if len(data) > _MAX_BYTES:
        raise FormatError(f"a proof of more than {_MAX_BYTES} bytes", code="size")
    head, gap, checkpoint = data.partition(b"\n\n")
    if not gap or not checkpoint.endswith(b"\n"):
        raise FormatError("a proof without a checkpoint", code="tlog-proof")
    if not head.isascii():
        raise FormatError("a proof begins in ASCII", code="tlog-proof")
    lines = head.decode("ascii").split("\n")
    if lines.pop(0) != HEADER:
        raise FormatError(f"a proof begins with {HEADER}", code="tlog-proof")
    extra = _take_extra(lines)
    index = _take_index(lines)
    if len(lines) > MAX_HASHES:
        raise FormatError("a proof longer than any tree is deep", code="tlog-proof")
    return TlogProof(index, tuple(map(_hash, lines)), checkpoint, extra)


def check(proof: TlogProof, entry: bytes, origin: str, verifiers: Iterable[note.NoteVerifier]) -> note.SignedCheckpoint:
    """Return the checkpoint under which `entry` is shown to be number `proof.index` of the log `origin`.

    1. The checkpoint is signed by a pinned key, and of this log.
    2. The audit path leads from the entry to its root.
    Raises `FormatError`, `SignatureError` or `ProofError`. How many witnesses are enough is the policy's question.
    """
    signed = note.open_checkpoint(proof.checkpoint, origin, verifiers)
    head = signed.checkpoint
    merkle.check_inclusion(merkle.leaf_hash(entry), proof.index, head.size, proof.hashes, head.root)
    return signed


def _take_extra(lines: list[str]) -> bytes | None:
    if not lines or not lines[0].startswith("extra "):
        return None
    return b64decode(lines.pop(0).removeprefix("extra "))


def _take_index(lines: list[str]) -> int:
    found = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if not found or int(found[1]) > merkle.MAX_SIZE:
        raise FormatError("a proof states an index", code="tlog-proof")
    return int(found[1])


def _hash(line: str) -> bytes:
    found = b64decode(line)
    if len(found) != merkle.HASH_BYTES:
        raise FormatError("a hash that is not 32 bytes", code="tlog-proof")
    return found
