"""What people write must not identify anybody: what is found, what is passed over, where it is refused."""

import random
import re
import time

import pytest
from tests.unit.custody.forgery import audit, force_payload, found_at
from tests.unit.custody.ledger_factory import ADA, OPERATOR, ORIGIN, SEQUENCER, START, World, item

from synthtrail.custody import acts, canonical, dsse, identifying
from synthtrail.custody.canonical import Value
from synthtrail.custody.errors import FormatError, UsageError
from synthtrail.custody.events import EVENTS
from synthtrail.custody.identifying import PATTERNS, looks_like
from synthtrail.custody.shapes import MAX_TEXT
from synthtrail.custody.statement import parse

DATA = item("iris", "generate")

FOUND = {
    "an e-mail address": ["write to j.doe+x@mail.example.org.", "a@b.at"],
    "a telephone or fax number": [
        "+1 415 555 2671",
        "+43158801",
        "(415) 555-2671",
        "call 415-555-2671 today",
        "Fax: 58801 12",
        "phone number 0664 1234567",
    ],
    "a social security number": ["SSN 078-05-1120."],
    "a record, account or serial number": [
        "MRN 0012345",
        "mrn:A123",
        "patient no. 4711",
        "Patient ID: AB-12345",
        "medical record number 998877",
        "account number is 12345678",
        "device id 55512",
    ],
    "a bank account number": ["AT61 1904 3002 3457 3201", "GB29NWBK60161331926819"],
    "a payment card number": ["4111 1111 1111 1111", "4111-1111-1111-1111"],
    "a vehicle identification number": ["1HGBH41JXMN109186"],
    "a device's network address": ["00:1B:44:11:3a:b7", "00-1b-44-11-3a-b7"],
    "an IP address": ["from 192.168.0.17.", "fe80::1", "2001:0db8:0:0:0:8a2e:370:7334"],
    "a personal web address": [
        "https://example.org/~ada",
        "http://x.example/patients/17",
        "https://example.org/?id=17",
        "https://ada:pw@intranet/",
    ],
    "a date in somebody's life": [
        "born 1961-04-30",
        "DOB: 30/04/61",
        "date of birth was 30.4.1961",
        "admitted on 2026-01-02",
    ],
    "a postal code": ["94110-1234"],
}
PASSED = [
    "",
    "fit for teaching",
    "retention is over since 2026-01-31",
    "as of 2026-01-31T12:00:00.123456Z",
    "approved 1000000 rows, 150 of 3000, 12.5 %",
    "seed 1234567890, epsilon 0.5, k = 5",
    "synthtrail 0.1.0 on Python 3.11.4, torch 2.13.0",
    "example.org/ledger/1f2e3d4c, entry 1234-1250",
    "data/iris/synthetic and s3://bucket/iris.age",
    "see https://example.org/study and https://doi.org/10.1000/182",
    "licence CC0-1.0; CC BY 4.0",
    "entry 12:30:45 a certificate 3b01c25ebe4d",
    "protocol 2026-117, ethics vote EK 1234/2026",
    "patients older than 89 were left out; patient numbers are not in it",
    "device: cuda, account of the study, member states",
    "ISO/IEC 27037:2012, 21 CFR 11.10(f), 45 CFR 164.514(b)(2)(i)",
    "p-ada agreed; questions to the steward",
    "born digital, admitted by both reviewers",
    "phone recordings were not used; 3 phones",
    "x:y:z",
]


@pytest.mark.parametrize(("words", "text"), [(words, text) for words, texts in FOUND.items() for text in texts])
def test_found(words: str, text: str) -> None:
    """In words that do not repeat what was found."""
    assert looks_like(f"because {text}") == words


@pytest.mark.parametrize("text", PASSED)
def test_passed_over(text: str) -> None:
    assert looks_like(text) == ""


def test_what_ledgers_are_made_of_is_passed_over() -> None:
    """Digests, key names, vkeys, origins, times and base64, at random."""
    chance = random.Random(0)  # noqa: S311
    for _ in range(2000):
        digest = chance.randbytes(32)
        vkey = f"example.com/ada+{digest[:4].hex()}+{canonical.b64encode(digest)}"
        for text in (digest.hex(), vkey, f"{ORIGIN}/{digest[:8].hex()}", canonical.b64encode(digest), digest[:5].hex()):
            assert looks_like(f"see {text}.") == "", text


def test_every_pattern_is_needed_and_plain() -> None:
    """Each finds something that no other does, and is ASCII without what only Python's expressions have."""
    examples = [f"because {text}" for texts in FOUND.values() for text in texts]
    for number, pattern in enumerate(PATTERNS):
        others = [re.compile(item.expression, re.ASCII | (re.I if item.flags else 0)) for item in PATTERNS]
        own = others.pop(number)
        assert any(own.search(text) and not any(item.search(text) for item in others) for text in examples)
        assert pattern.expression.isascii()
        assert not re.search(r"\(\?[P#aiLmsux<]?[P#aiLmsux]|[*+?}]\+|\\[AZ]", pattern.expression.replace("(?<!", ""))
    assert set(FOUND) == {item.words for item in PATTERNS}


PROSE = [(spec.name, field.name) for spec in EVENTS.values() for field in spec.fields if field.kind == "prose"]


def test_what_is_prose() -> None:
    """Everything that people write, and nothing that programs do."""
    assert {name for _, name in PROSE} == {"reason", "notes", "purpose", "proposal", "terms", "use", "what", "basis"}
    plain = {field.name for spec in EVENTS.values() for field in spec.fields if field.kind == "text"}
    assert plain == {"replaces", "name", "person", "organisation", "authority", "place", "method", "receiver"}


def test_refused_before_it_is_signed_and_found_afterwards(world: World) -> None:
    """At append nothing is signed and nothing repeated; in a ledger it is a finding, and the event has no effect."""
    fields: dict[str, Value] = {"reason": "ask ada@example.org"}
    with pytest.raises(UsageError, match="an e-mail address") as caught:
        acts.event(world.ledger.state, "rejected", ADA, at=START, subjects=[DATA], meaning="approval", fields=fields)
    assert "ada@" not in str(caught.value)
    good = acts.event(
        world.ledger.state, "hold-placed", OPERATOR, at=world.now, subjects=[DATA], fields={"reason": "X" * 15}
    )
    payload = dsse.parse(good).payload.replace(b"X" * 15, b"ada@example.org")
    with pytest.raises(FormatError) as refused:
        parse(payload)
    assert refused.value.code == "identifying"
    with pytest.raises(FormatError), world.ledger.transaction(world.now) as tx:
        tx.add(dsse.sign(payload, OPERATOR))
    place = force_payload(world, payload, OPERATOR)
    report = audit(world)
    assert (report.level, found_at(report, "identifying-text")) == (None, [place])
    assert report.state is not None
    assert not report.state.held(DATA.digest)
    assert SEQUENCER


def test_every_prose_field_is_looked_through() -> None:
    """By the one function, whatever the event."""
    assert len(PROSE) > 15
    assert identifying.markdown().count("\n") == len(PATTERNS) + 2


@pytest.mark.parametrize(
    "text", ["a", "1", "+1 ", "http://", "tel 1", "AB12", "born ", "1.", "a:", "MRN ", "1 1-", "a.@"]
)
def test_no_text_keeps_a_verifier_busy(text: str) -> None:
    """The longest text there can be, made of what a pattern begins with, costs milliseconds."""
    before = time.process_time()
    looks_like(text * (MAX_TEXT // len(text)))
    assert time.process_time() - before < 0.25
