"""The pinned policy has one byte form; whatever contradicts itself is refused."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.unit.custody.ledger_factory import OPERATOR, ROOTS, SEQUENCER, make_policy

from synthtrail.custody import canonical, duration, policy
from synthtrail.custody.canonical import Value
from synthtrail.custody.errors import FormatError
from synthtrail.custody.policy import Witness


def as_value() -> dict[str, Value]:
    """The members of a good policy."""
    return canonical.decode_object(make_policy().encode())


def test_round_trip() -> None:
    """Parsing gives the same policy, and its bytes are canonical."""
    pinned = make_policy()
    assert policy.parse(pinned.encode()) == pinned
    assert policy.parse(pinned.encode()).digest == pinned.digest


@pytest.mark.parametrize("name", sorted(as_value()))
def test_every_member_is_required_and_counts(name: str) -> None:
    """Leaving one out is refused; changing it changes the digest or is refused."""
    value = as_value()
    rest = {key: item for key, item in value.items() if key != name}
    with pytest.raises(FormatError, match="lacks"):
        policy.parse(canonical.encode(rest))
    with pytest.raises(FormatError):
        policy.parse(canonical.encode(value | {name: {"un": "heard"}}))


def test_unknown_members_are_refused() -> None:
    with pytest.raises(FormatError, match="unknown extra"):
        policy.parse(canonical.encode(as_value() | {"extra": 1}))


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": 0},
        {"threshold": 3},
        {"quorum": 4},
        {"roots": []},
        {"v": 2},
        {"v": True},
        {"maxAge": -1},
        {"timestamp": 1},
        {"salt": "short"},
        {"origin": " "},
        {"people": [{"pseudonym": "p", "name": "A"}, {"pseudonym": "p", "name": "B"}]},
        {"sequencer": ROOTS[0].verifier.vkey()},
        {"sequencer": "not a key"},
        {"witnesses": [{"organisation": "other", "vkey": OPERATOR.verifier.vkey()}]},
    ],
)
def test_contradictions_are_refused(change: dict[str, Value]) -> None:
    with pytest.raises(FormatError):
        policy.parse(canonical.encode(as_value() | change))


def test_two_witnesses_with_one_key_are_refused() -> None:
    pinned = make_policy()
    twice = (*pinned.witnesses[:1], Witness("another name", pinned.witnesses[0].vkey))
    with pytest.raises(FormatError, match="witnesses"):
        replace(pinned, witnesses=twice, quorum=0)


def test_the_salt_hides_the_register() -> None:
    """Two policies that differ only in their salt have different digests."""
    assert make_policy().digest != replace(make_policy(), salt="6" * 64).digest
    assert len(replace(make_policy()).salt) == 64


def test_keys_by_role() -> None:
    former = replace(make_policy(), former_roots=(OPERATOR.verifier.vkey(),))
    assert former.root_keys == (ROOTS[0].verifier, ROOTS[1].verifier, OPERATOR.verifier)
    assert former.sequencer_key == SEQUENCER.verifier
    assert former.register["p-ada"] == "Ada L."


DER = bytes.fromhex("3003020101")
LATER: list[dict[str, Value]] = [
    {"timestampRoots": ["MAMCAQE"]},
    {"timestampRoots": ["MAMCAQF="]},
    {"timestampRoots": [""]},
    {"timestampRoots": ["AwIBAQ=="]},
    {"retention": [{"class": "secret", "period": "P1Y"}]},
    {"retention": [{"class": "public", "period": "1Y"}]},
    {"retention": [{"class": "public"}]},
    {"retention": [{"class": "public", "period": "P1Y"}, {"class": "public", "period": "P2Y"}]},
]


@pytest.mark.parametrize("change", LATER)
def test_roots_and_periods_have_one_form(change: dict[str, Value]) -> None:
    with pytest.raises(FormatError):
        policy.parse(canonical.encode(as_value() | change))


def test_roots_and_periods() -> None:
    """Certificates come back as PEM; periods go by the calendar; where nothing is said, nothing is kept."""
    pinned = replace(make_policy(), timestamp_roots=(DER,), retention=(("confidential", "P1Y1M"),))
    assert policy.parse(pinned.encode()) == pinned
    assert pinned.timestamp_pem == b"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n"
    assert make_policy().timestamp_pem is None
    made = datetime(2027, 1, 31, 12, tzinfo=UTC)
    assert pinned.keep_until("confidential", made) == datetime(2028, 2, 29, 12, tzinfo=UTC)
    assert pinned.keep_until("public", made) is None
    with pytest.raises(FormatError):
        replace(pinned, retention=(("public", "for ever"),))


@pytest.mark.parametrize(
    "text", ["", "P", "P0Y", "P01Y", "PT1H", "P1W", "P1D1Y", "P1000Y", "p1y", "P1Y ", "P-1Y", "P1.5Y"]
)
def test_other_spellings_of_a_duration_are_refused(text: str) -> None:
    with pytest.raises(FormatError):
        duration.parse(text)


@pytest.mark.parametrize(
    ("text", "later"),
    [("P10Y", (2036, 12, 31)), ("P2M", (2027, 2, 28)), ("P90D", (2027, 3, 31)), ("P1Y2M3D", (2028, 3, 3)),
     ("P999Y999M99999D", (3383, 1, 12))],
)  # fmt: skip
def test_a_duration_later(text: str, later: tuple[int, int, int]) -> None:
    assert duration.parse(text).after(datetime(2026, 12, 31, tzinfo=UTC)) == datetime(*later, tzinfo=UTC)
