"""Signed notes as Go's sumdb/note and the C2SP specification have them."""

from collections.abc import Callable
from typing import Any

import pytest

from synthtrail.custody import note
from synthtrail.custody.ed25519 import parse_skey, parse_vkey
from synthtrail.custody.errors import CustodyError, FormatError


@pytest.fixture(scope="module")
def cases(transcribed: Callable[[str], Any]) -> Any:
    return transcribed("signed-note")


def test_good_keys_are_read_and_printed_back(cases: Any) -> None:
    for text in cases["vkeys_good"]:
        assert parse_vkey(text).vkey() == text


def test_bad_keys_are_refused(cases: Any) -> None:
    """The listed ones, every proper substring of a good one, and each with one byte incremented."""
    good = cases["vkeys_good"][0]
    size = len(good)
    pieces = [good[a:b] for a in range(size) for b in range(a, size + 1) if b - a < size]
    mutants = [good[:at] + chr(ord(good[at]) + 1) + good[at + 1 :] for at in range(size)]
    for text in [*cases["vkeys_bad"], *pieces, *mutants]:
        with pytest.raises(FormatError):
            parse_vkey(text)


def test_signing_gives_the_published_note(cases: Any) -> None:
    signer = parse_skey(cases["skey"])
    assert signer.skey() == cases["skey"]
    assert note.sign(cases["sign"]["text"], [signer]).decode() == cases["sign"]["want"]


def test_notes_open_or_not_as_published(cases: Any) -> None:
    for case in cases["open"]:
        data = bytes.fromhex(case["msg_hex"]) if "msg_hex" in case else case["msg"].encode()
        verifiers = [parse_vkey(text) for text in case["keys"]]
        if not case["ok"]:
            with pytest.raises(CustodyError):
                note.open(data, verifiers)
            continue
        opened = note.open(data, verifiers)
        found = len(opened.verified), len(opened.unverified)
        assert found == (case["verified"], case["unverified"]), case["desc"]
        assert data.decode().startswith(opened.text + "\n— ")


def test_the_key_of_tessera_is_read(transcribed: Callable[[str], Any]) -> None:
    text = transcribed("tessera-log-key")["vkey"]
    assert parse_vkey(text).name == "example.com/log/testdata"
    assert parse_vkey(text).vkey() == text
