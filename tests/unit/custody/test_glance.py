"""The quick recognisers never disagree with the strict parsers: what they accept is accepted there, with that value."""

import random
from collections.abc import Iterator

import pytest
from tests.unit.custody.forgery import entries_of
from tests.unit.custody.ledger_factory import (
    OPERATOR,
    ORIGIN,
    STAGES,
    START,
    World,
    digest,
    make_record,
)

from synthtrail.custody import dsse, entry, glance, record, statement
from synthtrail.custody.act import Act
from synthtrail.custody.canonical import Value
from synthtrail.custody.dsse import IN_TOTO
from synthtrail.custody.errors import DataError
from synthtrail.custody.glance import Leaf

LETTERS = b'"\\{}[]:,0123456789-. aZ/+=\x00\x7f\xc3\xa9e'
SWAPS = [
    (b'"kind":"folder"', b'"kind":"file"'),
    (b'"files":2,', b""),
    (b'"v":1', b'"v":true'),
    (b'"seed":0', b'"seed":00'),
    (b'"seed":0', b'"seed":-0'),
    (b'"seed":0', b'"seed":9007199254740993'),
    (b'"seed":0', b'"seed":999999999999999'),
    (b'"seed":0', b'"seed":0.0'),
    (b'"class":"public"', b'"class":"secret"'),
    (b'"class":"public"', b'"class":"confidential"'),
    (b"data/iris", b"data/../iris"),
    (b"data/iris", b"/data/iris"),
    (b"data/iris", b"data//iris"),
    (b'"experiment":"iris"', b'"experiment":" "'),
    (b'"experiment":"iris"', b'"experiment":"ir/is"'),
    (b"iris", b"wine"),
    (b'"verdict":"pass"', b'"verdict":"fail"'),
    (b'"verdict":"pass",', b""),
    (b"2026-01-01T", b"2026-02-30T"),
    (b"2026-01-01T12:00:00Z", b"2026-01-01T12:00:00.000000Z"),
    (b'"facts":[', b'"facts":[{"name":"a","value":"b"},'),
    (b'"value":"150"', b'"value":"' + b"x" * 4097 + b'"'),
    (b'"value":"150"', b'"value":"\\n"'),
    (b'"value":"150"', '"value":"é"'.encode()),
    (b'"actor":"example.com/operator"', b'"actor":""'),
    (b"custody/trained/v1", b"custody/reused/v1"),
    (b"custody/trained/v1", b"custody/derived/v1"),
    (b'"signatureKind":"machine"', b'"meaning":"approval","signatureKind":"person"'),
    (b'"prevEvent":[]', b'"prevEvent":[{"artifact":"' + b"0" * 64 + b'","event":"' + b"0" * 64 + b'"}]'),
    (b'"inputs":[', b'"inputs":[{"kind":"file","path":"a","sha256":"' + b"0" * 64 + b'","size":1},'),
    (b'"subjects":[', b'"subjects":[{"kind":"file","path":"a","sha256":"' + b"0" * 64 + b'","size":1},'),
    (b"},{", b"}, {"),
    (b",", b",,"),
]


def payload(stage: str, event: str = "") -> bytes:
    """The statement of a stage event, with a predecessor of each subject and some context."""
    value: dict[str, Value] = make_record("iris", stage)
    made = record.parse(value)
    return statement.build(
        event or made.event,
        actor=OPERATOR.name,
        at=START,
        ledger=ORIGIN,
        previous=[(item.digest, digest("before", item.path)) for item in made.concerned],
        made=made,
        context=[("git.commit", "abc"), ("dvc.md5", "")],
    )


PAYLOADS = [*(payload(stage) for stage in STAGES), payload("train", "reused"), payload("validate", "reused")]


def mutations(data: bytes, count: int) -> Iterator[bytes]:
    """Every exchange in the list, and `count` random changes of a byte or a stretch."""
    for old, new in SWAPS:
        yield data.replace(old, new)
        yield data.replace(old, new, 1)
    chance = random.Random(len(data))  # noqa: S311
    for _ in range(count):
        at, to = sorted((chance.randrange(len(data)), chance.randrange(len(data))))
        letter = bytes([chance.choice(LETTERS)])
        yield data[:at] + letter + data[at + 1 :]
        yield data[:at] + letter + data[at:]
        yield data[:at] + data[at + 1 :]
        yield data[:at] + data[to:]
        yield data[:to] + data[at:]


def strict_act(data: bytes) -> Act | None:
    """What the general parser says."""
    try:
        return statement.parse(data)
    except DataError:
        return None


def strict_leaf(data: bytes) -> Leaf | None:
    """What the general parsers say."""
    try:
        found = entry.parse(data)
        envelope = dsse.parse(found.envelope)
    except DataError:
        return None
    if len(envelope.signatures) != 1 or envelope.payload_type != IN_TOTO:
        return None
    signature = envelope.signatures[0]
    return Leaf(found.prev, found.seq, found.received, envelope.payload, signature.keyid, signature.sig)


@pytest.mark.parametrize("data", PAYLOADS, ids=lambda data: statement.parse(data).slot)
def test_stage_events_are_recognised(data: bytes) -> None:
    """Otherwise the recogniser would be right, and useless."""
    assert glance.stage(data) == statement.parse(data)


@pytest.mark.parametrize("data", PAYLOADS, ids=lambda data: statement.parse(data).slot)
def test_no_mutation_is_recognised_that_the_parser_refuses(data: bytes) -> None:
    accepted = 0
    for changed in mutations(data, 400):
        found = glance.stage(changed)
        if found is not None:
            accepted += 1
            assert found == strict_act(changed), changed
    assert accepted > 100  # letters within texts may change: the test has something to compare


def test_other_events_are_left_to_the_parser() -> None:
    data = statement.build(
        "incident", actor=OPERATOR.name, at=START, ledger=ORIGIN, fields={"what": "x", "details": []}
    )
    assert glance.stage(data) is None


def test_leaves_are_recognised_and_no_mutation_is(world: World) -> None:
    """The same for the entry around the statement: also base64 with a second spelling."""
    entries = entries_of(world)
    assert glance.leaf(entries[0]) is None  # two signatures
    for data in entries[8:12]:
        assert glance.leaf(data) == strict_leaf(data)
        for changed in mutations(data, 200):
            found = glance.leaf(changed)
            assert found is None or found == strict_leaf(changed), changed
