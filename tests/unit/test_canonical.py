"""One encoding per value, and a name for every other spelling."""

import json
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest

from synthtrail.custody.canonical import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_INTEGER,
    b64decode,
    b64encode,
    decode,
    decode_object,
    encode,
    format_time,
    parse_time,
)
from synthtrail.custody.errors import FormatError, UsageError

REFUSED = {
    "empty": (b"", "json"),
    "truncated": (b'{"a":', "json"),
    "two values": (b"1 2", "json"),
    "not utf-8": (b'"\xff"', "json"),
    "overlong utf-8": (b'"\xc0\xaf"', "json"),
    "byte order mark": (b"\xef\xbb\xbf1", "json"),
    "utf-16": ('"a"'.encode("utf-16"), "json"),
    "raw newline in a string": (b'"\n"', "json"),
    "single quotes": (b"{'a':1}", "json"),
    "trailing comma": (b"[1,]", "json"),
    "duplicate key": (b'{"a":1,"a":1}', "duplicate-key"),
    "duplicate key, other value": (b'{"a":1,"b":2,"a":3}', "duplicate-key"),
    "duplicate key, escaped": (b'{"a":1,"\\u0061":2}', "duplicate-key"),
    "duplicate key, nested": (b'[{"x":{"a":1,"a":2}}]', "duplicate-key"),
    "float": (b"1.5", "number"),
    "float without fraction": (b"1.0", "number"),
    "exponent": (b"1e2", "number"),
    "2^53": (b"9007199254740992", "number"),
    "-2^53": (b"-9007199254740992", "number"),
    "many digits": (b"1" * 60_000, "number"),
    "NaN": (b"NaN", "number"),
    "Infinity": (b"[-Infinity]", "number"),
    "minus zero": (b"-0", "not-canonical"),
    "leading zero": (b"01", "json"),
    "plus sign": (b"+1", "json"),
    "space": (b'{"a": 1}', "not-canonical"),
    "newline at the end": (b"1\n", "not-canonical"),
    "unsorted keys": (b'{"b":1,"a":2}', "not-canonical"),
    "needless escape": (b'"\\u0041"', "not-canonical"),
    "escaped slash": (b'"\\/"', "not-canonical"),
    "upper-case escape": (b'"\\u001F"', "not-canonical"),
    "long form of a short escape": (b'"\\u000a"', "not-canonical"),
    "escaped pair of surrogates": (b'"\\ud83d\\ude02"', "not-canonical"),
    "lone surrogate": (b'"\\ud800"', "unicode"),
    "lone surrogate as key": (b'{"\\udc00":1}', "unicode"),
    "key not ASCII": ('{"é":1}'.encode(), "unicode"),
    "string not NFC": ('"e\u0301"'.encode(), "unicode"),
    "string not NFC, nested": ('{"a":["A\u030a"]}'.encode(), "unicode"),
    "too deep": (b"[" * 33 + b"]" * 33, "depth"),
    "too deep, objects": (b'{"a":' * 33 + b"1" + b"}" * 33, "depth"),
    "brackets without end": (b"[" * 65_000, "depth"),
    "objects without end": (b'{"a":' * 13_000, "depth"),
    "too long": (b'"' + b"a" * MAX_BYTES + b'"', "size"),
}


@pytest.mark.parametrize(("data", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_each_fault_is_refused_by_name(data: bytes, code: str) -> None:
    with pytest.raises(FormatError) as caught:
        decode(data)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "data",
    [
        b"null",
        b"0",
        str(MAX_INTEGER).encode(),
        str(-MAX_INTEGER).encode(),
        b'""',
        b"[]",
        b"{}",
        b'{"":[true,false,null],"a":{"b":"c"}}',
        b'"\\b\\t\\n\\f\\r\\"\\\\\\u0000\\u001f\x7f/"',
        '"é€😂"'.encode(),
        '"\\n\u0303"'.encode(),  # a line break, then a combining mark: normal, though the escape's letters are not
        b"[" * MAX_DEPTH + b"]" * MAX_DEPTH,
        b"[" + b"[[]]," * 40 + b"{}]",
    ],
)
def test_canonical_bytes_round_trip(data: bytes) -> None:
    assert encode(decode(data)) == data


def test_a_bomb_is_refused_even_when_the_limit_lets_it_in() -> None:
    """Neither recursion nor memory gives out, however long the row of brackets."""
    for bomb in (b"[" * 5_000_000, b'{"a":' * 1_000_000, b"[" * 500_000 + b"]" * 500_000):
        with pytest.raises(FormatError) as caught:
            decode(bomb, limit=10_000_000)
        assert caught.value.code == "depth"


def test_a_bomb_is_refused_from_deep_in_the_stack() -> None:
    """A caller close to its own recursion limit gets a refusal, not a crash of the interpreter."""

    def dive(left: int) -> None:
        if left:
            dive(left - 1)
        else:
            decode(b"[" * 30_000)

    with pytest.raises(FormatError):
        dive(sys.getrecursionlimit() // 2)


@pytest.mark.parametrize(
    "value",
    [1.5, float("nan"), MAX_INTEGER + 1, -MAX_INTEGER - 1, {"é": 1}, {"a": "e\u0301"}, "\ud800", b"a", {1, 2}, {1: 2}],
)
def test_a_value_without_encoding_is_the_callers_fault(value: object) -> None:
    with pytest.raises(UsageError):
        encode(value)  # type: ignore[arg-type]


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(UsageError):
        encode(loop)  # type: ignore[arg-type]


def test_the_limit_holds_for_both_directions() -> None:
    text = "a" * (MAX_BYTES - 2)
    assert decode(encode(text)) == text
    with pytest.raises(UsageError):
        encode(text + "a")
    with pytest.raises(FormatError):
        decode(b'"abc"', limit=4)


def test_tuples_are_lists_and_order_of_insertion_is_forgotten() -> None:
    assert encode({"b": (1, 2), "B": None, "a": True}) == b'{"B":null,"a":true,"b":[1,2]}'


def test_an_object_is_asked_for() -> None:
    assert decode_object(b'{"a":1}') == {"a": 1}
    with pytest.raises(FormatError) as caught:
        decode_object(b"[]")
    assert caught.value.code == "shape"


def test_it_agrees_with_the_standard_library_on_escapes() -> None:
    """Every character below U+0080, alone in a string, reads back as itself."""
    for code in range(128):
        assert json.loads(encode(chr(code))) == chr(code)


def test_base64_round_trips() -> None:
    for size in range(70):
        data = bytes(range(size))
        assert b64decode(b64encode(data)) == data


@pytest.mark.parametrize(
    "text",
    ["QR==", "QQ=", "QQ", "QQ===", "QQ==\n", " QQ==", "Q Q==", "QQ==QQ==", "_-8=", "Q", "=", "é", "QQ=Q", "\u0661QQ="],
)
def test_base64_has_one_spelling(text: str) -> None:
    with pytest.raises(FormatError) as caught:
        b64decode(text)
    assert caught.value.code == "base64"


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 60, tzinfo=UTC), "2026-01-02T03:04:05.000060Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_round_trip(moment: datetime, text: str) -> None:
    assert format_time(moment) == text
    assert parse_time(text) == moment


def test_times_are_given_in_utc() -> None:
    moment = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert format_time(moment) == "2025-12-31T23:00:00Z"
    with pytest.raises(UsageError):
        format_time(datetime(2026, 1, 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00z",
        "2026-01-01t00:00:00Z",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01T00:00:00+01:00",
        "2026-01-01T00:00:00.000000Z",
        "2026-01-01T00:00:00.1Z",
        "2026-01-01T00:00:00.123Z",
        "2026-01-01T00:00:00.1234567Z",
        "2026-01-01T00:00:00,123456Z",
        "2026-01-01T00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:60Z",
        "2026-02-30T00:00:00Z",
        "2026-W01-1T00:00:00Z",
        "20260101T000000Z",
        "0000-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z\n",
        " 2026-01-01T00:00:00Z",
        "\u0662026-01-01T00:00:00Z",
    ],
)
def test_a_time_has_one_spelling(text: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_time(text)
    assert caught.value.code == "time"
