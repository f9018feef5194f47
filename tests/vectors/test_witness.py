"""`add-checkpoint` as transparency-dev/witness and litewitness test it."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from synthtrail.custody import witness
from synthtrail.custody.ed25519 import Signer, Verifier, parse_skey, parse_vkey
from synthtrail.custody.errors import SignatureError
from synthtrail.custody.witness import RefusedError, Request, Response

AT = 1_700_000_000
SIGSUM = "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562"


class Exchange(NamedTuple):
    """One exchange of a Hurl file: the body sent, the status, and what is asserted of the answer's body."""

    body: bytes
    status: int
    exactly: str | None


@pytest.fixture(scope="module")
def cases(transcribed: Callable[[str], Any]) -> Any:
    return transcribed("witness")


def exchanges(hurl: str) -> list[Exchange]:
    pattern = re.compile(r"```\n(.*?)```\nHTTP (\d+)\n\[Asserts\]\nbody (?:== \"(.*?)\"|contains)", re.DOTALL)
    return [
        Exchange(body.encode(), int(status), exactly.replace("\\n", "\n") if exactly else None)
        for body, status, exactly in pattern.findall(hurl)
    ]


class Memory:
    """A witness of one log, with its state in memory."""

    def __init__(self, origin: str, key: Verifier, signer: Signer) -> None:
        self.origin, self.key, self.signer = origin, key, signer
        self.state = witness.first_state(origin, signer, at=AT)

    def answer(self, body: bytes) -> Response:
        try:
            return witness.answer(self._cosign(witness.parse_request(body)))
        except RefusedError as refusal:
            return witness.answer(refusal)

    def _cosign(self, request: Request) -> witness.Cosigned:
        if request.checkpoint.origin != self.origin:
            raise witness.refuse_unknown(request.checkpoint.origin)
        seen = witness.read_state(self.state, self.origin, self.signer.verifier)
        done = witness.cosign(request, [self.key], seen, self.signer, at=AT)
        self.state = done.state
        return done


def test_the_litewitness_session_is_answered_status_by_status(cases: Any) -> None:
    """Since that file was written the specification has come to say 404, not 403, of an unknown log."""
    key = Verifier(SIGSUM, bytes.fromhex(cases["litewitness_log_pubkey_hex"]))
    memory = Memory(SIGSUM, key, Signer("example.com/witness", bytes(32)))
    session = exchanges(cases["add_checkpoint_litewitness_hurl"])
    assert len(session) == 9
    for number, exchange in enumerate(session):
        answer = memory.answer(exchange.body)
        unknown = SIGSUM.encode() not in exchange.body
        assert answer.status == (404 if unknown else exchange.status), f"exchange {number}: {answer.body!r}"
        if exchange.exactly is not None:
            assert (answer.body.decode(), answer.content_type) == (exchange.exactly, "text/x.tlog.size")
        if answer.status == 200:
            signed = exchange.body.partition(b"\n\n")[2]
            assert witness.read_lines(answer.body, signed, [memory.signer.verifier])


def test_the_checkpoints_of_transparency_dev_are_cosigned_in_order(cases: Any) -> None:
    """From 5 to 8 with their proof, which is refused with any of its bits changed."""
    log, signer = parse_vkey(cases["log_vkey"]), parse_skey(cases["witness_skey_test_only"])
    assert signer.verifier == parse_vkey(cases["witness_vkey"])
    memory = Memory("monkeys", log, signer)
    five, eight = cases["cp5"].encode(), cases["cp8"].encode()
    proof = tuple(bytes.fromhex(item) for item in cases["consistency_5_8_hex"])
    assert memory.answer(witness.encode_request(Request(0, (), five))).status == 200
    for at, item in enumerate(proof):
        bad = (*proof[:at], bytes([item[0] ^ 1]) + item[1:], *proof[at + 1 :])
        assert memory.answer(witness.encode_request(Request(5, bad, eight))).status == 422
    answer = memory.answer(witness.encode_request(Request(5, proof, eight)))
    assert answer.status == 200
    assert [line.name for line in witness.read_lines(answer.body, eight, [signer.verifier])] == ["witness"]
    with pytest.raises(SignatureError):
        witness.read_lines(answer.body, five, [signer.verifier])
    assert memory.answer(witness.encode_request(Request(5, (), five))).body == b"8\n"
