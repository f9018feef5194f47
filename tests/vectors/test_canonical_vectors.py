"""RFC 8785's own examples: within our profile we agree to the byte, outside it we refuse and say why."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthtrail.custody import canonical
from synthtrail.custody.errors import FormatError, UsageError


@pytest.fixture(scope="module")
def testdata(vectors: Path) -> Path:
    return vectors / "json-canonicalization/testdata"


def output(testdata: Path, name: str) -> bytes:
    data = (testdata / f"output/{name}.json").read_bytes()
    assert data == bytes.fromhex((testdata / f"outhex/{name}.txt").read_text())
    return data


def test_within_the_profile_the_encoding_is_theirs(testdata: Path) -> None:
    """`arrays` uses nothing that we refuse."""
    value = json.loads((testdata / "input/arrays.json").read_bytes())
    assert canonical.encode(value) == output(testdata, "arrays")
    assert canonical.decode(output(testdata, "arrays")) == value


def test_an_output_within_the_profile_is_read(testdata: Path) -> None:
    """The input of `structures` spells an integer as a float, its canonical output does not."""
    value = json.loads((testdata / "input/structures.json").read_bytes())
    with pytest.raises(UsageError, match="float"):
        canonical.encode(value)
    data = output(testdata, "structures")
    assert canonical.encode(canonical.decode(data)) == data


@pytest.mark.parametrize(
    ("name", "code"),
    [("french", "unicode"), ("unicode", "unicode"), ("values", "number"), ("weird", "unicode")],
)
def test_outside_the_profile_the_output_is_refused(testdata: Path, name: str, code: str) -> None:
    with pytest.raises(FormatError) as caught:
        canonical.decode(output(testdata, name))
    assert caught.value.code == code


@pytest.mark.parametrize(("name", "refused"), [("french", set()), ("values", {"numbers"}), ("weird", set())])
def test_strings_are_escaped_as_theirs(testdata: Path, name: str, refused: set[str]) -> None:
    """Each member's value stands in their output in the spelling that we give it."""
    whole = output(testdata, name)
    members = json.loads((testdata / f"input/{name}.json").read_bytes())
    for key, value in members.items():
        if key not in refused:
            assert b":" + canonical.encode(value) in whole


@pytest.mark.parametrize("name", ["arrays", "french", "structures", "unicode", "values", "weird"])
def test_no_input_file_is_canonical_as_it_stands(testdata: Path, name: str) -> None:
    with pytest.raises(FormatError):
        canonical.decode((testdata / f"input/{name}.json").read_bytes())


def test_of_the_numbers_only_safe_integers_are_read(transcribed: Callable[[str], Any]) -> None:
    """RFC 8785 Appendix B: whatever is not an integer within ±(2^53−1) is refused, 2^53 included."""
    for pattern, text in transcribed("rfc8785-numbers")["cases"]:
        number = struct.unpack(">d", bytes.fromhex(pattern))[0]
        with pytest.raises(UsageError):
            canonical.encode(number)
        if text is None:
            continue
        if text == "0":
            assert canonical.decode(b"0") == 0
        else:
            with pytest.raises(FormatError) as caught:
                canonical.decode(text.encode())
            assert caught.value.code == "number"
