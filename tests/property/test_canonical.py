"""Laws of the canonical encoding, for values and bytes that nobody chose."""

import json
import unicodedata
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from synthtrail.custody.canonical import (
    MAX_INTEGER,
    Value,
    b64decode,
    b64encode,
    decode,
    encode,
    format_time,
    parse_time,
)
from synthtrail.custody.errors import FormatError

texts = st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: unicodedata.normalize("NFC", text))
keys = st.text(st.characters(max_codepoint=127), max_size=8)
leaves = st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | texts
values: st.SearchStrategy[Value] = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5), max_leaves=20
)


def identical(left: Value, right: Value) -> bool:
    """Equal, and of equal types: for Python `True == 1`."""
    return left == right and repr(left) == repr(right)


@given(values)
def test_decoding_undoes_encoding(value: Value) -> None:
    assert decode(encode(value)) == value


@given(values, values)
def test_different_values_have_different_encodings(left: Value, right: Value) -> None:
    same = json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
    assert (encode(left) == encode(right)) == same


@given(values, st.data())
def test_a_changed_byte_is_refused_or_another_value(value: Value, data: st.DataObject) -> None:
    """No two accepted byte strings mean the same."""
    original = encode(value)
    at = data.draw(st.integers(0, len(original) - 1))
    changed = original[:at] + bytes([original[at] ^ data.draw(st.integers(1, 255))]) + original[at + 1 :]
    try:
        found = decode(changed)
    except FormatError:
        return
    assert not identical(found, value)
    assert encode(found) == changed


@given(
    values,
    st.booleans(),
    st.sampled_from([(",", ":"), (", ", ":"), (",", ": "), (",\n", ": ")]),
    st.sampled_from(["", " ", "\n", "\t"]),
)
def test_a_second_spelling_is_refused(value: Value, ascii_only: bool, separators: tuple[str, str], tail: str) -> None:
    """What the standard library writes with other settings is accepted only where it is the same bytes."""
    spelled = json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode() + tail.encode()
    try:
        decode(spelled)
    except FormatError:
        assert spelled != encode(value)
    else:
        assert spelled == encode(value)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_whatever_is_accepted_encodes_to_itself(data: bytes) -> None:
    try:
        value = decode(data)
    except FormatError:
        return
    assert encode(value) == data


@given(st.text('[]{}",:0123456789.eE+-truefalsn\\u ', max_size=40))
def test_json_like_noise_is_accepted_only_in_canonical_form(text: str) -> None:
    try:
        value = decode(text.encode())
    except FormatError:
        return
    assert encode(value) == text.encode()


@given(st.text("ABQRZaz019+/=-_ \n", max_size=12))
def test_base64_is_accepted_in_one_spelling(text: str) -> None:
    try:
        data = b64decode(text)
    except FormatError:
        return
    assert b64encode(data) == text


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_round_trip(moment: datetime) -> None:
    assert parse_time(format_time(moment)) == moment


@given(st.text("0123456789-:TZ.+ ", max_size=30))
def test_times_are_accepted_in_one_spelling(text: str) -> None:
    try:
        moment = parse_time(text)
    except FormatError:
        return
    assert format_time(moment) == text
