"""Strict Ed25519: one key, one signature, no point that belongs to nobody."""

import copy

import pytest

from synthtrail.custody.ed25519 import (
    L,
    P,
    Signer,
    Verifier,
    check_key_name,
    check_point,
    key_id,
    parse_skey,
    parse_vkey,
    split_vkey,
)
from synthtrail.custody.errors import FormatError, SignatureError, UsageError

SIGNER = Signer("example.com/log", bytes(range(32)))
D = -121665 * pow(121666, -1, P) % P

# RFC 8032 section 7.1: seed, public key, message, signature.
RFC8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
]


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC8032)
def test_the_examples_of_the_rfc(seed: str, public: str, message: str, signature: str) -> None:
    signer = Signer("rfc", bytes.fromhex(seed))
    assert signer.verifier.public.hex() == public
    assert signer.sign(bytes.fromhex(message)).hex() == signature
    signer.verifier.verify(bytes.fromhex(message), bytes.fromhex(signature))


def low_order_encodings() -> list[bytes]:
    """Every 32-byte string that some reader takes for a point of order 1, 2, 4 or 8, found by arithmetic.

    x is 0 or y is 0, or both doubled coordinates of the point are those of order 4, where y = 0 and x² = −1/d′.
    """
    ys = {0, 1, P - 1}
    # 2(x, y) has y' = (y² + x²)/(2 + x² − y²) on −x² + y² = 1 + dx²y²: y' = 0 iff x² = −y², so 2y² = 1 − dy⁴.
    root = pow(1 + D, (P + 3) // 8, P)
    root = root if root * root % P == (1 + D) % P else root * pow(2, (P - 1) // 4, P) % P
    for square in ((-1 + root) * pow(D, -1, P) % P, (-1 - root) * pow(D, -1, P) % P):
        if pow(square, (P - 1) // 2, P) == 1:
            y = pow(square, (P + 3) // 8, P)
            y = y if y * y % P == square else y * pow(2, (P - 1) // 4, P) % P
            ys |= {y, P - y}
    assert len(ys) == 5
    spellings = {y + extra for y in ys for extra in (0, P) if y + extra < 2**255}
    return [(y | sign << 255).to_bytes(32, "little") for y in spellings for sign in (0, 1)]


def test_every_point_of_low_order_is_refused() -> None:
    """Five y coordinates, two of them with a second spelling above p, each with both signs: 14 encodings."""
    encodings = low_order_encodings()
    assert len(encodings) == 14
    for point in encodings:
        with pytest.raises(FormatError, match="low order") as caught:
            Verifier("weak", point)
        assert caught.value.code == "weak-point"
        with pytest.raises(SignatureError) as refused:
            SIGNER.verifier.verify(b"", point + bytes(32))
        assert refused.value.code == "weak-point"


@pytest.mark.parametrize("y", range(P, 2**255))
@pytest.mark.parametrize("sign", [0, 1])
def test_no_y_from_p_on_is_a_point(y: int, sign: int) -> None:
    with pytest.raises(FormatError):
        check_point((y | sign << 255).to_bytes(32, "little"))


def test_the_largest_y_below_p_is_left_to_the_curve() -> None:
    check_point((P - 2).to_bytes(32, "little"))


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_key_has_32_bytes(size: int) -> None:
    with pytest.raises(FormatError):
        Verifier("short", bytes(size))
    with pytest.raises(UsageError):
        Signer("short", bytes(size))


def test_a_second_s_is_refused() -> None:
    """S + L satisfies the equation too; a reader that took it would let anyone make a second signature."""
    signature = SIGNER.sign(b"message")
    s = int.from_bytes(signature[32:], "little")
    for multiple in (1, 2, 10):
        mauled = signature[:32] + (s + multiple * L).to_bytes(32, "little")
        with pytest.raises(SignatureError) as caught:
            SIGNER.verifier.verify(b"message", mauled)
        assert caught.value.code == "malleable-signature"
    with pytest.raises(SignatureError):
        SIGNER.verifier.verify(b"message", signature[:32] + L.to_bytes(32, "little"))


def test_every_bit_of_message_key_and_signature_counts() -> None:
    message, signature = b"message", SIGNER.sign(b"message")
    for at in range(512):
        mauled = bytearray(signature)
        mauled[at // 8] ^= 1 << at % 8
        with pytest.raises(SignatureError):
            SIGNER.verifier.verify(message, bytes(mauled))
    for at in range(8 * len(message)):
        changed = bytearray(message)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(SignatureError):
            SIGNER.verifier.verify(bytes(changed), signature)


@pytest.mark.parametrize("size", [0, 63, 65, 128])
def test_a_signature_has_64_bytes(size: int) -> None:
    with pytest.raises(SignatureError):
        SIGNER.verifier.verify(b"", bytes([9]) * size)


def test_a_key_off_the_curve_verifies_nothing() -> None:
    verifier = Verifier("off", (2).to_bytes(32, "little"))
    with pytest.raises(SignatureError):
        verifier.verify(b"message", SIGNER.sign(b"message"))


def test_keys_travel_as_text() -> None:
    assert parse_vkey(SIGNER.verifier.vkey()) == SIGNER.verifier
    assert parse_skey(SIGNER.skey()) == SIGNER
    assert SIGNER.verifier.vkey().startswith(SIGNER.verifier.keyid + "+")


def test_a_key_of_another_type_or_id_is_refused() -> None:
    vkey = SIGNER.verifier.vkey()
    with pytest.raises(FormatError) as caught:
        split_vkey(vkey, 4)
    assert caught.value.code == "algorithm"
    for text in ("", "a", "a+b", "a+00000000+", "+00000000+AQ==", vkey.upper(), vkey + "A", "b" + vkey, vkey + "\n"):
        with pytest.raises(FormatError):
            parse_vkey(text)
    for text in ("", vkey, SIGNER.skey()[:-4], SIGNER.skey().replace("log", "lag")):
        with pytest.raises(FormatError):
            parse_skey(text)


def test_the_key_id_covers_name_type_and_key() -> None:
    ids = {key_id(name, kind, key) for name in "ab" for kind in (1, 4) for key in (bytes(32), b"\x01" * 32)}
    assert len(ids) == 8


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n", "a\u00a0b", "a\u2028", "a\u200bb", "\ud800"])
def test_names_without_space_plus_or_control(name: str) -> None:
    with pytest.raises(FormatError):
        check_key_name(name)


def test_a_private_key_does_not_print() -> None:
    assert SIGNER.seed.hex() not in repr(SIGNER)
    assert str(SIGNER.seed) not in repr(SIGNER)


def test_new_keys_differ() -> None:
    assert Signer.generate("a").seed != Signer.generate("a").seed


def test_a_verifier_goes_to_another_process_after_use() -> None:
    SIGNER.verifier.verify(b"x", SIGNER.sign(b"x"))
    moved = copy.deepcopy(SIGNER.verifier)  # by the protocol that sends objects to other processes
    assert moved == SIGNER.verifier
    assert "_key" not in vars(moved)
