"""Renewing the proofs in ``ledger/proofs`` once witnesses have cosigned a checkpoint.

A `.tlog-proof` holds the checkpoint under which it was made, which nobody had cosigned yet. With the cosigned one in
its place, and audit paths to that, the one file reaches level C offline. What the proof carries stays: the entry,
and the entries that listed its signer's key. Each is shown to be under the cosigned root before the file is replaced;
a proof of a later entry, or one that cannot be read, is left alone.
"""

from dataclasses import replace
from pathlib import Path

from synthtrail.custody import carried, merkle, note, tiles, tlogproof
from synthtrail.custody.errors import DataError, FormatError
from synthtrail.storage import files

FOLDER = "proofs"
SUFFIX = ".tlog-proof"


def renew(ledger: Path, signed: bytes) -> tuple[int, list[str]]:
    """Put the cosigned checkpoint `signed` into all proofs that it covers; how many, and what was left alone."""
    size = note.parse_checkpoint(note.parse(signed)[0]).size
    node = tiles.TileReader(lambda path: (ledger / path).read_bytes(), size).node
    renewed, left = 0, []
    for path in sorted((ledger / FOLDER).glob(f"*{SUFFIX}")):
        try:
            before = path.read_bytes()
            after = renewed_proof(before, signed, node)
        except (DataError, OSError) as error:
            left.append(f"{path.name}: {error}")
            continue
        if after != before:
            files.write_bytes(path, after)
            renewed += 1
    return renewed, left


def renewed_proof(data: bytes, signed: bytes, node: merkle.NodeReader) -> bytes:
    """Return the proof `data` under the checkpoint `signed`, whose tree has the nodes `node`.

    Raises `FormatError` if it is no proof of ours or of a later entry, `ProofError` if its entries are not under the
    root of `signed`.
    """
    head = note.parse_checkpoint(note.parse(signed)[0])
    proof = tlogproof.parse(data)
    if proof.extra is None:
        raise FormatError("it does not bring the entry that it proves", code="tlog-proof")
    if proof.index >= head.size:
        raise FormatError(f"entry {proof.index} came after the {head.size} that are cosigned", code="tlog-proof")
    held = carried.decode(proof.extra)

    def path_to(entry: bytes, index: int) -> tuple[bytes, ...]:
        path = tuple(merkle.prove_inclusion(node, index, head.size))
        merkle.check_inclusion(merkle.leaf_hash(entry), index, head.size, path, head.root)
        return path

    keys = tuple(replace(item, path=path_to(item.entry, item.index)) for item in held.keys)
    extra = carried.encode(replace(held, keys=keys))
    return tlogproof.encode(tlogproof.TlogProof(proof.index, path_to(held.entry, proof.index), signed, extra))
