"""Who cosigned, and whether k organisations of n did, none of them the operator."""

from dataclasses import replace

import pytest

from synthtrail.custody import cosignature, note, quorum
from synthtrail.custody.cosignature import Cosigner
from synthtrail.custody.ed25519 import Signer
from synthtrail.custody.errors import FormatError
from synthtrail.custody.policy import Policy, Witness

NOW = 1_800_000_000
LOG = Signer("clinic.example/log", bytes(31) + b"l")
ROOT = Signer("clinic.example/root", bytes(31) + b"r")
KEYS = {name: Signer(f"{name}.example/w", bytes(31) + name[:1].encode()) for name in ("aarhus", "bern", "cork")}
TEXT = note.Checkpoint("clinic.example/log", 7, bytes(range(32))).text()
SIGNED = note.sign(TEXT, [LOG])


def make_policy(quorum: int = 2, **organisations: str) -> Policy:
    """Three witnesses, each of an organisation of its own unless told otherwise."""
    named = {name: name.title() for name in KEYS} | organisations
    witnesses = tuple(Witness(named[name], Cosigner(signer.verifier).vkey()) for name, signer in KEYS.items())
    return Policy(
        "clinic.example/log",
        "St. Mary's  Clinic",
        (ROOT.verifier.vkey(),),
        LOG.verifier.vkey(),
        witnesses=witnesses,
        quorum=quorum,
        max_age=1000,
        skew=60,
    )


def cosigned(*names: str, at: int = NOW) -> bytes:
    return note.attach(SIGNED, [cosignature.sign(TEXT, KEYS[name], at=at) for name in names])


def codes(signed: bytes, policy: Policy) -> list[str]:
    return [finding.code for finding in quorum.judge(signed, policy, now=NOW).findings]


def test_k_of_n_is_enough_and_fewer_are_not() -> None:
    """With none, one, two and three of three, where two are wanted."""
    for names, reached in [((), False), (("bern",), False), (("aarhus", "cork"), True), (tuple(KEYS), True)]:
        judged = quorum.judge(cosigned(*names), make_policy(), now=NOW)
        assert judged.reached is reached
        assert {item.name.split(".")[0] for item in judged.statements} == set(names)
        assert [finding.code for finding in judged.findings] == ([] if reached else ["quorum-missing"])


def test_no_quorum_asked_for_is_none_reached() -> None:
    """Nothing is wrong then, but nothing is proved either."""
    judged = quorum.judge(cosigned(*KEYS), make_policy(0), now=NOW)
    assert (judged.findings, judged.reached, len(judged.statements)) == ((), False, 3)


def test_two_witnesses_of_one_organisation_count_once() -> None:
    """However its name is written."""
    policy = make_policy(bern="Cork  university", cork="CORK University ")
    assert codes(cosigned("bern", "cork"), policy) == ["quorum-missing"]
    assert codes(cosigned("bern", "aarhus"), policy) == []


def test_the_operators_own_witness_does_not_count_and_is_named() -> None:
    """By organisation, however written; even while enough others cosign."""
    policy = make_policy(cork="st. mary's clinic")
    assert codes(cosigned("bern", "cork"), policy) == ["witness-not-independent", "quorum-missing"]
    assert codes(cosigned(*KEYS), policy) == ["witness-not-independent"]


@pytest.mark.parametrize("own", [LOG, ROOT])
def test_a_witness_with_one_of_the_operators_keys_does_not_count(own: Signer) -> None:
    """Under whatever name and organisation."""
    posing = Signer("zug.example/w", own.seed)
    policy = make_policy(3)
    policy = replace(policy, witnesses=(*policy.witnesses[:2], Witness("Zug", Cosigner(posing.verifier).vkey())))
    signed = cosignature.cosign(cosigned("aarhus", "bern"), posing, at=NOW)
    assert codes(signed, policy) == ["witness-not-independent", "quorum-missing"]


@pytest.mark.parametrize(("at", "counts"), [(-1001, False), (-1000, True), (60, True), (61, False)])
def test_age_has_limits_on_both_sides(at: int, *, counts: bool) -> None:
    """An old cosignature says nothing of what happened since; one from the future nothing at all."""
    judged = quorum.judge(cosigned("bern", "cork", at=NOW + at), make_policy(), now=NOW)
    assert judged.reached is counts
    assert all(item.counts is counts for item in judged.statements)


def test_the_latest_statement_of_a_witness_counts() -> None:
    signed = note.attach(cosigned("bern", "cork", at=NOW - 5000), note.parse(cosigned("bern", "cork"))[1][1:])
    assert codes(signed, make_policy()) == []


def test_a_line_with_a_witness_name_that_is_not_its_own_is_a_finding() -> None:
    """Over another checkpoint, and with another time; the others still count."""
    other = cosignature.sign(TEXT.replace("\n7\n", "\n8\n"), KEYS["bern"], at=NOW)
    line = cosignature.sign(TEXT, KEYS["bern"], at=NOW)
    later = note.NoteSignature(line.name, line.key_id, (NOW + 1).to_bytes(8, "big") + line.signature[8:])
    for bad in (other, later):
        signed = note.attach(cosigned("aarhus", "cork"), [bad])
        assert codes(signed, make_policy()) == ["signature-invalid"]
        assert codes(note.attach(cosigned("cork"), [bad]), make_policy()) == ["signature-invalid", "quorum-missing"]


def test_keys_that_the_policy_does_not_pin_are_nobody() -> None:
    """A stranger's cosignature, and a pinned witness's plain signature, which states no time."""
    stranger = Signer("dover.example/w", bytes(31) + b"d")
    signed = note.attach(cosignature.cosign(SIGNED, stranger, at=NOW), [note.signature(TEXT, KEYS["bern"])])
    judged = quorum.judge(signed, make_policy(1), now=NOW)
    assert (judged.statements, judged.reached) == ((), False)


def test_what_is_no_note_is_refused() -> None:
    with pytest.raises(FormatError):
        quorum.judge(TEXT.encode(), make_policy(), now=NOW)
