"""Proof files, witness cosignatures and add-checkpoint requests of transparency-dev and litewitness."""

import re
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest

from synthtrail.custody import cosignature, dsse, merkle, note, tlogproof
from synthtrail.custody.canonical import b64decode as strict_b64decode
from synthtrail.custody.ed25519 import Verifier, parse_skey, parse_vkey
from synthtrail.custody.errors import DataError, FormatError, ProofError, SignatureError

Load = Callable[[str], Any]
HURL = re.compile(r"```\nold (\d+)\n((?:\S+\n)*)\n(.*?)```\nHTTP (\d+)\n\[Asserts\]\nbody (.*?)\n", re.DOTALL)


def test_good_proof_files_round_trip(transcribed: Load) -> None:
    for text in transcribed("tlog-proof")["ok"]:
        assert tlogproof.encode(tlogproof.parse(text.encode())).decode() == text


def test_bad_proof_files_are_refused(transcribed: Load) -> None:
    for description, text in transcribed("tlog-proof")["bad"]:
        try:
            tlogproof.parse(text.encode())
        except FormatError:
            continue
        pytest.fail(description)


def test_cosigner_keys(transcribed: Load) -> None:
    """Type 0x04 is a witness's Ed25519 key; 0x01 is a log's; 0x06 (ML-DSA) is a type that we do not know."""
    log, witness, post_quantum = transcribed("cosignature")["vkeys_ok"]
    assert cosignature.parse_vkey(witness).vkey() == witness
    assert parse_vkey(log).vkey() == log
    for text, parse in ((log, cosignature.parse_vkey), (witness, parse_vkey), (post_quantum, cosignature.parse_vkey)):
        with pytest.raises(FormatError) as caught:
            parse(text)
        assert caught.value.code == "algorithm"


def test_the_time_in_a_cosignature(transcribed: Load) -> None:
    """The first four bytes are the key id; a line without room for a time is refused, so is bad base64."""
    for case in transcribed("cosignature")["timestamps"]:
        if case.get("err"):
            with pytest.raises(DataError):
                cosignature.timestamp(strict_b64decode(case["sig_b64"])[4:])
        else:
            assert cosignature.timestamp(strict_b64decode(case["sig_b64"])[4:]) == case["unix"]


def test_checkpoints_of_the_witness_project(transcribed: Load) -> None:
    """Both open with the log's key, the published proof connects them, and each of its hashes matters."""
    case = transcribed("witness")
    log = parse_vkey(case["log_vkey"])
    assert parse_skey(case["log_skey_test_only"]).verifier == log
    old, new = (note.open_checkpoint(case[name].encode(), log.name, [log]).checkpoint for name in ("cp5", "cp8"))
    proof = [bytes.fromhex(item) for item in case["consistency_5_8_hex"]]
    merkle.check_consistency(old.size, new.size, old.root, new.root, proof)
    for at in range(len(proof)):
        broken = [*proof[:at], bytes(32), *proof[at + 1 :]]
        with pytest.raises(ProofError):
            merkle.check_consistency(old.size, new.size, old.root, new.root, broken)


def test_add_checkpoint_requests_of_litewitness(transcribed: Load) -> None:
    """What litewitness answers with 200 we accept, 403 is a signature, 422 a proof, 409 another size than ours."""
    case = transcribed("witness")
    key = bytes.fromhex(case["litewitness_log_pubkey_hex"])
    requests = HURL.findall(case["add_checkpoint_litewitness_hurl"])
    assert [status for *_, status, _ in requests] == ["200", "403", "403", "422", "422", "200", "409", "200", "409"]
    origin = requests[0][2].split("\n")[0]
    head = note.Checkpoint(origin, 0, merkle.EMPTY_ROOT)
    for old, proof, data, status, _ in requests:
        found = judge(head, Verifier(origin, key), int(old), proof.split(), data.encode())
        assert found[0] == status
        head = found[1]


def judge(head: note.Checkpoint, log: Verifier, old: int, proof: list[str], data: bytes) -> tuple[str, note.Checkpoint]:
    try:
        new = note.open_checkpoint(data, log.name, [log]).checkpoint
        if old != head.size:
            return "409", head
        merkle.check_consistency(head.size, new.size, head.root, new.root, [b64decode(item) for item in proof])
    except (SignatureError, FormatError):  # one bad signature there is good bytes in a second spelling of base64
        return "403", head
    except ProofError:
        return "422", head
    return "200", new


def test_the_pre_authentication_encoding(transcribed: Load) -> None:
    for case in transcribed("dsse")["pae"]:
        assert dsse.pae(case["payloadType"], case["body"].encode()).decode() == case["pae"]


def test_an_envelope_without_key_id_is_refused(transcribed: Load) -> None:
    """The protocol lets readers accept it; an entry of our log has to name its key."""
    with pytest.raises(FormatError):
        dsse.parse(transcribed("dsse")["envelope"])
