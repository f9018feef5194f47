"""What a witness signs, what it refuses and with which status: the core, over bytes."""

import pytest

from synthtrail.custody import cosignature, merkle, note, witness
from synthtrail.custody.cosignature import Cosigner
from synthtrail.custody.errors import FormatError, SignatureError, StorageError, UsageError
from synthtrail.custody.witness import Cosigned, RefusedError, Request, Seen
from tests.unit.witness_logs import LOG, ORIGIN, STRANGER, WITNESS, History

GOOD, FORK = History(), History("'")
FRESH = Seen(note.Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT), 0)


def seen(history: History, size: int, time: int = 100) -> Seen:
    return Seen(note.Checkpoint(ORIGIN, size, history.tree.root(size)), time)


def cosign(request: Request, last: Seen, *, at: int = 1000) -> Cosigned:
    return witness.cosign(request, [LOG.verifier], last, WITNESS, at=at)


def refused(request: Request, last: Seen, *, at: int = 1000) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        cosign(request, last, at=at)
    return caught.value


@pytest.mark.parametrize("old", [0, 1, 4, 5, 7, 8, 255, 256, 257, 299, 300])
def test_a_continuation_is_cosigned_and_becomes_the_state(old: int) -> None:
    """From every size, the same size included, to a larger one of the same history."""
    last = seen(GOOD, old) if old else FRESH
    done = cosign(witness.parse_request(GOOD.body(old, 300)), last)
    (line,) = witness.read_lines(done.line, GOOD.signed(300), [WITNESS.verifier])
    assert cosignature.timestamp(line.signature) == 1000
    after = witness.read_state(done.state, ORIGIN, WITNESS.verifier)
    assert after == seen(GOOD, 300, time=1000)


def test_a_fork_is_refused_at_every_size() -> None:
    """Whatever part of the history it shares, and whatever proof it brings."""
    for old, size in [(6, 6), (6, 7), (8, 16), (8, 300), (256, 300), (300, 300)]:
        for proof in (FORK.request(old, size).proof, GOOD.request(old, size).proof):
            refusal = refused(Request(old, proof, FORK.signed(size)), seen(GOOD, old))
            assert refusal.status == (409 if old == size else 422)


def test_every_corrupted_proof_is_refused() -> None:
    """One bit in each hash, each hash left out, one hash too many."""
    good = GOOD.request(5, 300)
    for at, item in enumerate(good.proof):
        flipped = bytes([item[0] ^ 1]) + item[1:]
        for proof in (
            (*good.proof[:at], flipped, *good.proof[at + 1 :]),
            (*good.proof[:at], *good.proof[at + 1 :]),
            (*good.proof[:at], item, *good.proof[at:]),
        ):
            assert refused(Request(5, proof, good.signed), seen(GOOD, 5)).status == 422


def test_a_proof_where_none_belongs_is_refused() -> None:
    """From the empty tree, and between equal sizes, the proof is empty."""
    assert refused(Request(0, (bytes(32),), GOOD.signed(5)), FRESH).status == 422
    assert refused(Request(5, (bytes(32),), GOOD.signed(5)), seen(GOOD, 5)).status == 422


def test_another_old_size_is_a_conflict_that_names_the_right_one() -> None:
    """Also for a rollback to a checkpoint that the witness did sign once."""
    for request in (GOOD.request(5, 300), GOOD.request(0, 7), GOOD.request(0, 0)):
        refusal = refused(request, seen(GOOD, 8))
        response = witness.answer(refusal)
        assert (response.status, response.body, response.content_type) == (409, b"8\n", "text/x.tlog.size")


def test_an_old_size_beyond_the_checkpoint_is_a_bad_request() -> None:
    """Before the state is looked at."""
    assert refused(Request(9, (), GOOD.signed(8)), seen(GOOD, 9)).status == 400


def test_only_a_trusted_key_can_ask_for_a_log() -> None:
    """A key of the same name, a signature over other bytes, another log's checkpoint."""
    foreign = History(signer=STRANGER).request(0, 5)
    torn = Request(0, (), GOOD.signed(5).replace(b"\n5\n", b"\n6\n"))
    for request in (foreign, torn):
        assert refused(request, FRESH).status == 403
    with pytest.raises(RefusedError, match="invalid signature"):
        witness.cosign(GOOD.request(0, 5), [], FRESH, WITNESS, at=1)


def test_signature_comes_before_sizes_and_sizes_before_proofs() -> None:
    """Who has no valid signature learns nothing of the state."""
    foreign = History(signer=STRANGER).signed(5)
    assert refused(Request(9, (), foreign), seen(GOOD, 8)).status == 403
    assert refused(Request(3, (bytes(32),), GOOD.signed(8)), seen(GOOD, 5)).status == 409


def test_unknown_signatures_are_not_kept_in_the_state() -> None:
    """Else whoever asks could fill the state with lines until it can hold no more."""
    signed = note.attach(GOOD.signed(5), [note.NoteSignature(f"x{n}", bytes(4), bytes(64)) for n in range(99)])
    done = cosign(Request(0, (), signed), FRESH)
    _, lines = note.parse(done.state)
    assert [line.name for line in lines] == [LOG.name, WITNESS.name]


def test_the_stated_time_never_goes_back() -> None:
    """A clock a little behind states the earlier time again; one far behind stops the witness."""
    done = cosign(GOOD.request(5, 8), seen(GOOD, 5, time=1200), at=1000)
    assert witness.read_state(done.state, ORIGIN, WITNESS.verifier).time == 1200
    assert refused(GOOD.request(5, 8), seen(GOOD, 5, time=1301), at=1000).status == 503


BODY = GOOD.body(3, 8)
BAD_BODIES = {
    "empty": b"",
    "no old line": BODY.split(b"\n", 1)[1],
    "a leading zero": BODY.replace(b"old 3", b"old 03"),
    "a sign": BODY.replace(b"old 3", b"old +3"),
    "a negative size": BODY.replace(b"old 3", b"old -3"),
    "two spaces": BODY.replace(b"old 3", b"old  3"),
    "other digits": BODY.replace(b"old 3", "old ٣".encode()),
    "a size of 20 digits": BODY.replace(b"old 3", b"old " + b"9" * 20),
    "carriage returns": BODY.replace(b"\n", b"\r\n"),
    "a short hash": BODY.replace(b"old 3\n", b"old 3\nAAAA\n"),
    "base64 that does not re-encode": BODY.replace(b"old 3\n", b"old 3\n" + b"A" * 42 + b"B=\n"),
    "no base64": BODY.replace(b"old 3\n", b"old 3\n!\n"),
    "64 hashes": BODY.replace(b"old 3\n", b"old 3\n" + (b"A" * 43 + b"=\n") * 64),
    "no checkpoint": BODY.partition(b"\n\n")[0] + b"\n\n",
    "no signature": BODY[: BODY.rindex(b"\n\n")] + b"\n",
    "a checkpoint with a fourth line": BODY.replace(b"\n8\n", b"\n8\nx\n"),
    "a cut end": BODY[:-1],
    "too long": BODY + b"\n" * witness.MAX_REQUEST,
    "not UTF-8": BODY + b"\xff\n",
}


@pytest.mark.parametrize("fault", BAD_BODIES)
def test_what_is_not_a_request_is_a_bad_request(fault: str) -> None:
    """Each body has one fault."""
    with pytest.raises(RefusedError) as caught:
        witness.parse_request(BAD_BODIES[fault])
    assert caught.value.status == 400


def test_the_length_of_a_request_is_bounded_first() -> None:
    """Before anything of it is read; so are the length of a note and the number of its lines, by its own rules."""
    body = BODY + b"\n" * (witness.MAX_REQUEST - len(BODY))
    for data, reason in [(body, "note"), (body + b"\n", "a request of more than")]:
        with pytest.raises(RefusedError, match=reason):
            witness.parse_request(data)


def test_a_signature_in_bad_base64_is_an_invalid_signature() -> None:
    """A second spelling of the base64 included, which lenient decoders take."""
    last = BODY[-7:-2]
    for bad in (BODY[:-3] + b"!=\n", BODY.replace(last + b"=\n", last[:-1] + bytes([last[-1] + 1]) + b"=\n")):
        with pytest.raises(RefusedError) as caught:
            witness.parse_request(bad)
        assert caught.value.status == 403


def test_a_request_reads_back_as_it_was_written() -> None:
    """One encoding, one value."""
    assert witness.parse_request(BODY) == GOOD.request(3, 8)
    assert witness.encode_request(witness.parse_request(BODY)) == BODY


def test_a_log_that_was_rolled_back_cannot_even_ask() -> None:
    """There is no proof from a larger tree to a smaller one."""
    with pytest.raises(UsageError):
        GOOD.request(9, 8)


def test_a_damaged_or_foreign_state_is_not_read() -> None:
    """Every byte counts; nor is another log's, another witness's or an unsigned state accepted."""
    state = cosign(GOOD.request(0, 8), FRESH).state
    head = state.index(b"\n\n")
    for at in range(head):
        with pytest.raises(StorageError):
            witness.read_state(state[:at] + bytes([state[at] ^ 1]) + state[at + 1 :], ORIGIN, WITNESS.verifier)
    with pytest.raises(StorageError):
        witness.read_state(state, "example.com/log/2", WITNESS.verifier)
    with pytest.raises(StorageError):
        witness.read_state(state, ORIGIN, STRANGER.verifier)
    with pytest.raises(StorageError):
        witness.read_state(GOOD.signed(8), ORIGIN, WITNESS.verifier)


def test_only_lines_by_pinned_witnesses_are_taken_from_an_answer() -> None:
    """Unknown lines are dropped; a forged one, or none at all, is an error; so is what is no line."""
    signed = GOOD.signed(8)
    line = cosign(GOOD.request(0, 8), FRESH).line
    other = cosignature.sign(note.parse(signed)[0], STRANGER, at=5).line().encode()
    assert [item.name for item in witness.read_lines(other + line, signed, [WITNESS.verifier])] == [WITNESS.name]
    with pytest.raises(SignatureError):
        witness.read_lines(other, signed, [WITNESS.verifier])
    with pytest.raises(SignatureError):
        witness.read_lines(line, GOOD.signed(9), [WITNESS.verifier])
    longer = cosignature.CosigningSigner(WITNESS, 5)
    extended = note.signature(note.parse(signed)[0] + "\n" + other.decode(), longer).line().encode()
    for body in (b"", b"\n", b"cosigned\n", line[:-1], b"\n" + line, other + b"\n" + extended):
        with pytest.raises(FormatError):
            witness.read_lines(body, signed, [WITNESS.verifier])


def test_a_newer_cosignature_takes_the_place_of_the_older() -> None:
    """A checkpoint that is cosigned daily does not grow, and keeps the log's own signature."""
    signed = GOOD.signed(8)
    for at in range(150):
        line = cosignature.sign(note.parse(signed)[0], WITNESS, at=at)
        signed = witness.merge(signed, [line])
    opened = note.open(signed, [LOG.verifier, Cosigner(WITNESS.verifier)])
    assert [cosignature.timestamp(item.signature) for item in opened.verified[1:]] == [149]
