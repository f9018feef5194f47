"""Encryption: age's own test vectors, identities in the key store, and what a changed ciphertext gives."""

import hashlib
import io
import os
import shutil
import subprocess
import threading
import zlib
from pathlib import Path

import pytest

from synthtrail.custody.errors import UsageError
from synthtrail.handover import sealing
from synthtrail.handover.sealing import Identity, SealError
from tests.imports import ROOT

SHARED = Path(os.environ.get("SYNTHTRAIL_SHARED", ROOT.parent / "shared"))
TESTKIT = SHARED / "vectors/age-testkit/age/tests/testdata/testkit"
LENIENT = ("stanza_missing_body", "stanza_missing_final_line")
"""Heads that the library reads although the specification forbids them; they are authenticated all the same."""

CASES = sorted(TESTKIT.iterdir()) if TESTKIT.is_dir() else []


def case(path: Path) -> tuple[dict[str, str], bytes]:
    """Return the head of a test vector and the age file below it."""
    head, _, body = path.read_bytes().partition(b"\n\n")
    lines = (line.split(": ", 1) for line in head.decode().splitlines())
    return {name: value for name, value in reversed(list(lines))}, body  # noqa: C416 - the first of a name counts


@pytest.mark.skipif(not CASES, reason="the outside vectors of age are not here")
def test_the_library_judges_age_files_as_its_test_kit_says() -> None:
    """Of the plain X25519 vectors, exactly those marked `success` open, and to the payload that they state."""
    judged = {True: 0, False: 0}
    for path in CASES:
        head, body = case(path)
        if "armored" in head or "passphrase" in head or "identity" not in head:
            continue
        body = zlib.decompress(body) if head.get("compressed") == "zlib" else body
        out = io.BytesIO()
        good = head["expect"] == "success" or path.name in LENIENT
        judged[good] += 1
        identity = sealing.parse_identity(head["identity"])
        if good:
            sealing.unseal(io.BytesIO(body), out, identity)
            assert path.name in LENIENT or hashlib.sha256(out.getvalue()).hexdigest() == head["payload"], path.name
        else:
            with pytest.raises(SealError):
                sealing.unseal(io.BytesIO(body), out, identity)
    assert judged == {True: 14 + len(LENIENT), False: 50}


def sealed(plain: bytes, *identities: Identity) -> bytes:
    """Return `plain` sealed to all of `identities`."""
    out = io.BytesIO()
    made = sealing.seal(
        [plain[n : n + 70_000] for n in range(0, len(plain), 70_000)], out, [i.recipient for i in identities]
    )
    assert (made.digest, made.size) == (hashlib.sha256(out.getvalue()).hexdigest(), len(out.getvalue()))
    return out.getvalue()


@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_000])
def test_what_was_sealed_opens(size: int) -> None:
    """For one receiver or several, of any size."""
    one, two = Identity.generate("1"), Identity.generate("2")
    plain = os.urandom(size)
    for identity in (one, two):
        out = io.BytesIO()
        sealing.unseal(io.BytesIO(sealed(plain, one, two)), out, identity)
        assert out.getvalue() == plain


def test_every_changed_byte_is_noticed() -> None:
    """Head, key, payload and end are authenticated; another's identity opens nothing."""
    identity = Identity.generate("1")
    data = sealed(b"x" * 100, identity)
    for place in range(0, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(SealError):
            sealing.unseal(io.BytesIO(bytes(changed)), io.BytesIO(), identity)
    for wrong in (data[:-1], data[:60], b""):
        with pytest.raises(SealError):
            sealing.unseal(io.BytesIO(wrong), io.BytesIO(), identity)
    with pytest.raises(SealError, match="not sealed for"):
        sealing.unseal(io.BytesIO(data), io.BytesIO(), Identity.generate("2"))


def test_what_goes_wrong_while_reading_or_writing_is_what_is_raised() -> None:
    """The library takes an exception for the end of its input; the caller must see it, and no thread may stay."""
    identity, threads = Identity.generate("1"), threading.active_count()

    class Full(io.BytesIO):
        def write(self, _data: object) -> int:
            raise OSError(28, "No space left on device")

    def broken() -> object:
        yield b"x" * 2_000_000
        raise RuntimeError("the disk burns")

    with pytest.raises(RuntimeError, match="burns"):
        sealing.seal(broken(), io.BytesIO(), [identity.recipient])  # type: ignore[arg-type]
    with pytest.raises(OSError, match="No space"):
        sealing.seal([b"x" * 5_000_000], Full(), [identity.recipient])
    assert threading.active_count() == threads


def test_an_identity_is_made_once_private_and_never_shown(tmp_path: Path) -> None:
    """Mode 0600 is made and enforced, the secret stands in no text, and `age` itself can use the file."""
    made = sealing.mint(tmp_path / "identities", "ab" * 32)
    path = sealing.identity_path(tmp_path / "identities", "ab" * 32)
    assert path.stat().st_mode & 0o777 == 0o600
    assert sealing.mint(tmp_path / "identities", "ab" * 32).recipient == made.recipient
    assert "AGE-SECRET" not in repr(made)
    path.chmod(0o644)
    with pytest.raises(UsageError, match="0644"):
        sealing.identity_of(tmp_path / "identities", "ab" * 32)
    path.chmod(0o600)
    path.write_text("AGE-SECRET-KEY-1NONSENSE\n")
    with pytest.raises(UsageError) as refused:
        sealing.identity_of(tmp_path / "identities", "ab" * 32)
    assert "NONSENSE" not in str(refused.value)


@pytest.mark.skipif(shutil.which("age") is None, reason="the program age is not installed")
def test_age_itself_opens_it(tmp_path: Path) -> None:
    """What this program seals, the field's own program opens."""
    identity = sealing.mint(tmp_path, "cd" * 32)
    (tmp_path / "x.age").write_bytes(sealed(b"hello", identity))
    command = ["age", "-d", "-i", str(sealing.identity_path(tmp_path, "cd" * 32)), str(tmp_path / "x.age")]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"hello"
