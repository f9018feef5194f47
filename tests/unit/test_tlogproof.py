"""A proof in a file: parsed without belief, checked against a pinned key."""

from dataclasses import replace

import pytest

from synthtrail.custody import merkle, note, tlogproof
from synthtrail.custody.canonical import b64encode
from synthtrail.custody.ed25519 import Signer
from synthtrail.custody.errors import FormatError, ProofError, SignatureError, UsageError
from synthtrail.custody.tlogproof import TlogProof

LOG = Signer("example.com/log", bytes(31) + b"l")
ENTRIES = [bytes([n]) for n in range(7)]
TREE = merkle.Tree(merkle.leaf_hash(entry) for entry in ENTRIES)


def checkpoint(size: int) -> bytes:
    return note.sign(note.Checkpoint(LOG.name, size, TREE.root(size)).text(), [LOG])


def proof(index: int, size: int = 7) -> TlogProof:
    return TlogProof(index, merkle.prove_inclusion(TREE.node, index, size), checkpoint(size))


def test_every_entry_is_proved_from_its_file() -> None:
    for index, entry in enumerate(ENTRIES):
        data = tlogproof.encode(proof(index))
        found = tlogproof.check(tlogproof.parse(data), entry, LOG.name, [LOG.verifier])
        assert found.checkpoint.size == 7
        assert tlogproof.encode(tlogproof.parse(data)) == data


def test_another_entry_index_or_path_is_refused() -> None:
    good = proof(2)
    broken = [replace(good, index=3), replace(good, index=7), replace(good, hashes=good.hashes[:-1])]
    broken += [
        replace(good, hashes=()),
        replace(good, hashes=(*good.hashes, bytes(32))),
        replace(good, checkpoint=checkpoint(6)),
    ]
    for bad in broken:
        with pytest.raises(ProofError):
            tlogproof.check(bad, ENTRIES[2], LOG.name, [LOG.verifier])
    with pytest.raises(ProofError):
        tlogproof.check(good, ENTRIES[3], LOG.name, [LOG.verifier])


def test_another_key_or_log_is_refused() -> None:
    with pytest.raises(SignatureError):
        tlogproof.check(proof(2), ENTRIES[2], LOG.name, [Signer.generate(LOG.name).verifier])
    with pytest.raises(FormatError) as caught:
        tlogproof.check(proof(2), ENTRIES[2], "example.com/log2", [LOG.verifier])
    assert caught.value.code == "origin"


def test_nothing_is_in_an_empty_log() -> None:
    with pytest.raises(ProofError):
        tlogproof.check(TlogProof(0, (), checkpoint(0)), b"", LOG.name, [LOG.verifier])


def test_extra_data_travels_along() -> None:
    for extra in (b"", b"x", bytes(range(256))):
        assert tlogproof.parse(tlogproof.encode(replace(proof(1), extra=extra))).extra == extra


HASH = b64encode(bytes(32))
HEAD = "c2sp.org/tlog-proof@v1\n"
MALFORMED = {
    "empty": "",
    "no checkpoint": HEAD + "index 0\n",
    "empty checkpoint": HEAD + "index 0\n\n",
    "checkpoint without newline": HEAD + "index 0\n\ncheckpoint",
    "other version": "c2sp.org/tlog-proof@v2\nindex 0\n\nc\n",
    "header with a space": "c2sp.org/tlog-proof@v1 \nindex 0\n\nc\n",
    "carriage return": "c2sp.org/tlog-proof@v1\r\nindex 0\n\nc\n",
    "no index": HEAD + "\nc\n",
    "index with a leading zero": HEAD + "index 00\n\nc\n",
    "index with a sign": HEAD + "index +1\n\nc\n",
    "index in other digits": HEAD + "index \u0661\n\nc\n",
    "two spaces": HEAD + "index  1\n\nc\n",
    "index beyond 2^63 − 1": HEAD + f"index {2**63}\n\nc\n",
    "index twice": HEAD + "index 1\nindex 1\n\nc\n",
    "extra after index": HEAD + "index 1\nextra AAAA\n\nc\n",
    "extra twice": HEAD + "extra AAAA\nextra AAAA\nindex 1\n\nc\n",
    "extra with a second spelling": HEAD + "extra QR==\nindex 1\n\nc\n",
    "extra without space": HEAD + "extra\nindex 1\n\nc\n",
    "hash with a second spelling": HEAD + f"index 1\n{HASH[:-2]}B=\n\nc\n",
    "short hash": HEAD + "index 1\nAAAA\n\nc\n",
    "64 hashes": HEAD + "index 1\n" + (HASH + "\n") * 64 + "\nc\n",
    "too long": HEAD + "index 1\n\n" + "c" * 400_000 + "\n",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(FormatError):
        tlogproof.parse(text.encode())


def test_63_hashes_are_read() -> None:
    data = HEAD + "index 1\n" + (HASH + "\n") * 63 + "\nc\n"
    assert len(tlogproof.parse(data.encode()).hashes) == 63


def test_only_a_proof_is_written() -> None:
    for bad in (replace(proof(1), index=-1), replace(proof(1), index=2**63), replace(proof(1), hashes=(b"short",))):
        with pytest.raises(UsageError):
            tlogproof.encode(bad)
