"""Statements are built in one form and read back strictly; a record has exactly the members agreed on."""

import pytest
from tests.unit.custody.ledger_factory import OPERATOR, ORIGIN, STAGES, START, item, make_record

from synthtrail.custody import canonical, record, statement
from synthtrail.custody.canonical import Value
from synthtrail.custody.errors import FormatError, UsageError
from synthtrail.custody.events import EVENTS, STAGE_EVENT, EventSpec, Field

SAMPLE: dict[str, Value] = {
    "text": "a text",
    "prose": "a reason",
    "digest": "0" * 64,
    "time": "2026-01-01T12:00:00Z",
    "count": 7,
    "pairs": [{"name": "a", "value": "b"}],
    "vkey": OPERATOR.verifier.vkey(),
    "vkeys": [OPERATOR.verifier.vkey()],
}
WRONG: dict[str, Value] = {
    "text": 1, "prose": "ada@example.org", "digest": "A" * 64, "time": "2026-01-01", "count": -1,
    "pairs": [{"name": "a"}], "vkey": "x", "vkeys": ["x"], "choice": "neither",
}  # fmt: skip


def value_for(field: Field) -> Value:
    """A good value for a field."""
    return field.choices[0] if field.kind == "choice" else SAMPLE[field.kind]


def build(spec: EventSpec, fields: dict[str, Value]) -> bytes:
    """The payload of an event with these fields of its own."""
    made = record.parse(make_record("iris", "train")) if spec.about == "stage" else None
    if spec.about == "stage" and spec.name != "reused":
        stage = next(stage for stage in STAGES if STAGE_EVENT[stage] == spec.name)
        made = record.parse(make_record("iris", stage))
    return statement.build(
        spec.name,
        actor=OPERATOR.name,
        at=START,
        ledger=ORIGIN,
        subjects=[item("iris", "train")] if spec.about == "artifact" else [],
        made=made,
        meaning="approval" if spec.person else "",
        context=[("git.commit", "abc")],
        fields=fields,
    )


@pytest.mark.parametrize("spec", EVENTS.values(), ids=lambda spec: str(spec.name))
def test_every_event_round_trips(spec: EventSpec) -> None:
    """What is built is read back, in full and in brief, and is an in-toto statement."""
    fields = {field.name: value_for(field) for field in spec.fields}
    payload = build(spec, fields)
    read = statement.read(payload)
    assert read.act == statement.parse(payload)
    assert (read.act.event, read.act.actor, read.act.fields) == (spec.name, OPERATOR.name, fields)
    assert read.context == (("git.commit", "abc"),)
    top = canonical.decode_object(payload)
    assert top["_type"] == "https://in-toto.io/Statement/v1"
    assert top["predicateType"] == f"https://synthtrail.dev/custody/{spec.name}/v1"


@pytest.mark.parametrize("spec", [spec for spec in EVENTS.values() if spec.fields], ids=lambda spec: str(spec.name))
def test_every_field_is_required_and_of_its_kind(spec: EventSpec) -> None:
    """Nothing malformed is ever signed."""
    good = {field.name: value_for(field) for field in spec.fields}
    for field in spec.fields:
        with pytest.raises(UsageError):
            build(spec, {name: value for name, value in good.items() if name != field.name})
        with pytest.raises(UsageError):
            build(spec, good | {field.name: WRONG[field.kind]})
    with pytest.raises(UsageError):
        build(spec, good | {"unheard": "of"})


def test_validated_concerns_report_and_synthetic_data() -> None:
    """The report is made, the first input is judged."""
    act = statement.parse(build(EVENTS["validated"], {}))
    assert act.subjects == (item("iris", "validate").digest, item("iris", "generate").digest)
    assert act.outcome == "pass"


def test_a_folder_is_named_by_its_dirhash() -> None:
    """in-toto's own name for the digest of a manifest; a file has sha256."""
    subject = canonical.decode_object(build(EVENTS["trained"], {}))["subject"]
    assert subject == [{"digest": {"dirHash1": item("iris", "train").digest.hex()}, "name": "data/iris/model"}]


def test_the_record_is_cut_out_of_the_payload_exactly() -> None:
    """Also when its texts look like the members around it."""
    value = make_record("iris", "train")
    value["facts"] = [{"name": '"record":', "value": '{},"signatureKind":"person","slot":"x'}]
    made = record.parse(value)
    payload = statement.build(
        "trained", actor='a"record":{}', at=START, ledger=ORIGIN, made=made,
        context=[('"record":', ',"signatureKind":')],
    )  # fmt: skip
    assert statement.parse(payload).record == made.digest


@pytest.mark.parametrize("stage", STAGES)
def test_records_have_exactly_their_members(stage: str) -> None:
    good = make_record("iris", stage)
    assert record.parse(good).slot == f"iris/{stage}"
    for name in good:
        with pytest.raises(FormatError):
            record.parse({key: value for key, value in good.items() if key != name})
        with pytest.raises(FormatError):
            record.parse(good | {name: {"un": "heard"}})
    with pytest.raises(FormatError):
        record.parse(good | {"extra": 1})


@pytest.mark.parametrize(
    "change",
    [
        {"event": "derived"},
        {"stage": "guess"},
        {"experiment": "a/b"},
        {"experiment": ""},
        {"subjects": []},
        {"seed": -1},
        {"seed": True},
        {"class": "secret"},
        {"code": {"sha256": "0" * 63, "files": 1}},
        {"tools": [{"name": "torch"}]},
        {"params": [{"name": "a", "value": 1}]},
        {"inputs": [{"kind": "socket", "path": "a", "sha256": "0" * 64, "size": 1}]},
        {"inputs": [{"kind": "file", "path": "a", "sha256": "0" * 64, "size": 1, "files": 1}]},
        {"inputs": [{"kind": "folder", "path": "a", "sha256": "0" * 64, "size": 1}]},
    ],
)
def test_records_with_one_fault_are_refused(change: dict[str, Value]) -> None:
    with pytest.raises(FormatError):
        record.parse(make_record("iris", "train") | change)


def test_a_slot_or_event_that_is_not_the_records_is_refused() -> None:
    payload = build(EVENTS["trained"], {})
    for old, new in ((b'"slot":"iris/train"', b'"slot":"wine/train"'), (b"custody/trained/", b"custody/derived/")):
        with pytest.raises(FormatError):
            statement.parse(payload.replace(old, new))


def test_subjects_must_be_those_of_the_record() -> None:
    payload = build(EVENTS["trained"], {})
    other = payload.replace(b'"dirHash1":"' + item("iris", "train").digest.hex().encode(), b'"dirHash1":"' + b"0" * 64)
    assert other != payload
    with pytest.raises(FormatError, match="subject"):
        statement.parse(other)
