"""JSON with exactly one encoding per value: RFC 8785 (JCS), restricted.

A value is null, a boolean, an integer, a string, a list, or an object. Its encoding is UTF-8 without white space,
object keys in ascending order, strings escaped as RFC 8785 section 3.2.2.2 says. Beyond the RFC, these are refused:

==================  ==========================================================  =================
refused             why                                                         code
==================  ==========================================================  =================
not UTF-8, not JSON nothing to read                                             json
a duplicate key     two readers may take different ones (``"\\u0061"`` is ``"a"``)  duplicate-key
a float, NaN        no two languages print them alike; write a decimal string   number
|integer| > 2^53−1  a JavaScript reader would round it                          number
a lone surrogate    it has no UTF-8 encoding                                    unicode
a key not ASCII     with ASCII, code-unit order and byte order agree            unicode
a string not NFC    two spellings that look the same                            unicode
depth > 32          readers overflow their stack                                depth
too many bytes      64 KiB unless the caller says otherwise                     size
any other spelling  white space, key order, needless escapes, ``-0``            not-canonical
==================  ==========================================================  =================

`decode` keeps that promise by re-encoding what it parsed and comparing bytes, so that whatever it returns has no
other accepted spelling. Base64 (RFC 4648 section 4) and times inside strings are held to the same rule by the pairs
below.

    >>> encode({"b": 1, "a": ["é", None]})
    b'{"a":["\\xc3\\xa9",null],"b":1}'
    >>> decode(b'{"a":1,"a":2}')
    Traceback (most recent call last):
    synthtrail.custody.errors.FormatError: the key 'a' stands twice in one object
"""

import binascii
import json
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NoReturn, TypeAlias

from synthtrail.custody.errors import FormatError, UsageError

Value: TypeAlias = bool | int | str | list["Value"] | dict[str, "Value"] | None
"""What `decode` returns."""

Encodable: TypeAlias = bool | int | str | Sequence["Encodable"] | Mapping[str, "Encodable"] | None
"""What `encode` takes: at run time lists, tuples and dicts."""

MAX_BYTES = 65_536
MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1
_MAX_DIGITS = len(str(-MAX_INTEGER))


def encode(value: Encodable, *, limit: int = MAX_BYTES) -> bytes:
    """Return the only encoding of `value`, of at most `limit` bytes; raise `UsageError` if it has none."""
    try:
        _check(value, MAX_DEPTH)
    except FormatError as error:
        raise UsageError(f"this value has no canonical encoding: {error}") from error
    data = _dump(value)
    if len(data) > limit:
        raise UsageError(f"the encoding takes {len(data)} bytes, more than {limit}")
    return data


def decode(data: bytes, *, limit: int = MAX_BYTES) -> Value:
    """Return the value that `data` is the canonical encoding of; raise `FormatError` for anything else.

    1. Refuse more than `limit` bytes before looking at any.
    2. Parse, refusing floats and large integers as they appear.
    3. Check depth, key alphabet and normalisation where the bytes leave any doubt.
    4. Encode the parsed value and require the same bytes. Duplicate keys and every second spelling end here.
    """
    if len(data) > limit:
        raise FormatError(f"{len(data)} bytes, more than {limit}", code="size")
    value = _parse(data, _DECODER)
    if not data.isascii():
        _check(value, MAX_DEPTH)
    elif data.count(b"{") + data.count(b"[") > MAX_DEPTH:
        _check_nesting(value)
    try:
        same = _dump(value) == data
    except UnicodeEncodeError:
        raise FormatError("a lone surrogate", code="unicode") from None
    if not same:
        _explain(data)
    return value


def decode_object(data: bytes, *, limit: int = MAX_BYTES) -> dict[str, Value]:
    """Like `decode`, for data that must be an object."""
    value = decode(data, limit=limit)
    if not isinstance(value, dict):
        raise FormatError(f"expected an object, found {type(value).__name__}", code="shape")
    return value


def b64encode(data: bytes) -> str:
    """Return `data` in standard base64 with padding (RFC 4648 section 4)."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def b64decode(text: str | bytes) -> bytes:
    """Return the bytes whose one encoding is `text`; raise `FormatError` (code base64) for any other spelling."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise FormatError("not base64", code="base64") from None
    # Strict decoding settles all but the unused bits of the last four letters.
    last = text[-4:] if isinstance(text, bytes) else text[-4:].encode()
    if binascii.b2a_base64(data[(len(data) - 1) // 3 * 3 :], newline=False) != last:
        raise FormatError("base64 that does not re-encode to itself", code="base64")
    return data


def format_time(moment: datetime) -> str:
    """Return `YYYY-MM-DDTHH:MM:SSZ` in UTC, with six decimals only if the microsecond is not zero."""
    if moment.tzinfo is None:
        raise UsageError("a time without a zone says nothing")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def parse_time(text: str) -> datetime:
    """Return the moment whose `format_time` is `text`; raise `FormatError` (code time) if there is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise FormatError(f"not a time: {text[:40]!r}", code="time") from None
    if moment.tzinfo is not UTC or format_time(moment) != text:
        raise FormatError(f"not in the one form for times: {text[:40]!r}", code="time")
    return moment


def _check(value: object, depth: int) -> None:
    """Raise `FormatError` unless `value` lies within the profile, with at most `depth` containers nested."""
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        _check_depth(depth)
        for key, item in value.items():
            _check_key(key)
            _check(item, depth - 1)
    elif isinstance(value, list | tuple):
        _check_depth(depth)
        for item in value:
            _check(item, depth - 1)
    elif isinstance(value, int):
        _check_integer(value)
    elif value is not None:
        raise FormatError(f"a {type(value).__name__} has no place here", code="number")


def _check_nesting(value: Value) -> None:
    """Raise `FormatError` if containers are nested too deep; faster than `_check`, which sees to more."""
    level: list[Value] = [value]
    for _ in range(MAX_DEPTH + 1):
        containers = [item for item in level if isinstance(item, list | dict)]
        if not containers:
            return
        level = [inner for item in containers for inner in (item.values() if isinstance(item, dict) else item)]
    _check_depth(0)


def _check_depth(left: int) -> None:
    if left == 0:
        raise FormatError(f"more than {MAX_DEPTH} levels deep", code="depth")


def _check_key(key: object) -> None:
    if not isinstance(key, str) or not key.isascii():
        raise FormatError(f"a key that is not ASCII: {str(key)[:40]!a}", code="unicode")


def _check_text(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise FormatError("a lone surrogate", code="unicode") from None
    if not unicodedata.is_normalized("NFC", text):
        raise FormatError(f"a string that is not NFC: {text[:40]!a}", code="unicode")


def _check_integer(value: int) -> None:
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise FormatError("an integer beyond ±(2^53−1)", code="number")


def _parse(data: bytes, decoder: json.JSONDecoder) -> Value:
    try:
        value: Value = decoder.decode(data.decode())
    except UnicodeDecodeError:
        raise FormatError("not UTF-8", code="json") from None
    except ValueError as error:
        raise FormatError(f"not JSON: {error}", code="json") from None
    except RecursionError:
        raise FormatError(f"more than {MAX_DEPTH} levels deep", code="depth") from None
    return value


def _explain(data: bytes) -> NoReturn:
    """Say why `data`, which parses, is not canonical: a duplicate key, or else its spelling."""
    _parse(data, _KEY_CHECKING_DECODER)
    raise FormatError("JSON, but not in its canonical spelling", code="not-canonical")


def _integer(digits: str) -> int:
    # The length first: Python itself refuses to convert very long digit strings, in words of its own.
    if len(digits) > _MAX_DIGITS:
        raise FormatError("an integer beyond ±(2^53−1)", code="number")
    value = int(digits)
    _check_integer(value)
    return value


def _refuse_number(text: str) -> NoReturn:
    raise FormatError(f"{text[:40]} is not an integer", code="number")


def _unique(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    seen: dict[str, Value] = {}
    for key, item in pairs:
        if key in seen:
            raise FormatError(f"the key {key[:40]!a} stands twice in one object", code="duplicate-key")
        seen[key] = item
    return seen


# Only step 4's failure needs to know about pairs: a hook on every object would cost a third of the speed.
_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_refuse_number, parse_constant=_refuse_number)
_KEY_CHECKING_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
# A value that contains itself is too deep, which is found before it gets here.
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, sort_keys=True, separators=(",", ":")
)


def _dump(value: Encodable) -> bytes:
    return _ENCODER.encode(value).encode()
