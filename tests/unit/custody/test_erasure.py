"""Disposals and their certificates: what they claim is checked against what is left."""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256

import pytest
from tests.unit.custody.forgery import audit
from tests.unit.custody.ledger_factory import ADA, BOB, OPERATOR, ORIGIN, World, item

from synthtrail.custody import canonical, certificate, erasure, shapes
from synthtrail.custody.canonical import Value
from synthtrail.custody.certificate import Certificate, Copy, Decision, DestroyedKey, Hand, Subject, Sweep
from synthtrail.custody.erasure import Survivors
from synthtrail.custody.errors import FormatError
from synthtrail.custody.findings import Finding

DATA, CHILD = item("iris", "generate"), item("iris", "validate")
KEY = "age1qqpzyxjg3mrc9p5ugz2uwr5pp4rw3mh0lrnx3w0h8a3nqv7m5sgqz7ev0y"
NOW = "2026-01-01T12:30:00Z"
HAND = Hand(OPERATOR.name, "", "operator", "Ward 4", NOW)


def certified(approval: str = "a" * 64, **changes: object) -> Certificate:
    """A certificate of the disposal of `DATA`: a plain copy in the workspace, a sealed one in a store."""
    made = Certificate(
        ledger=ORIGIN,
        approval=approval,
        reason="retention is over",
        artifacts=(Subject(DATA.digest.hex(), "folder", DATA.path, "confidential"),),
        copies=(
            Copy(DATA.digest.hex(), "workspace", DATA.path, "plaintext", certificate.DELETED, media="SSD"),
            Copy(DATA.digest.hex(), "store", "s3://ward/iris.age", "ciphertext", certificate.KEY_DESTROYED, KEY),
            Copy(DATA.digest.hex(), "tape", "box 7", "ciphertext", certificate.NOT_REACHED),
        ),
        keys=(DestroyedKey(KEY, "age", "key store", "deleted"),),
        sweeps=(Sweep("workspace", "clean", 12, 3456), Sweep("tape", certificate.NOT_REACHED, 0, 0)),
        descendants=(Decision(CHILD.digest.hex(), "kept", "a report without rows"),),
        tool=("synthtrail", "0.1.0"),
        performed=HAND,
        verified=replace(HAND, actor=BOB.name, person="p-bob"),
        verification="sweep by digest",
        destination="media stay in use",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def dispose(world: World, made: Certificate | None = None, **fields: Value) -> Certificate:
    """Dispose of `DATA`, with its certificate kept."""
    asked = world.act("disposal-requested", BOB, on=[DATA], fields={"reason": "over"})
    agreed: dict[str, Value] = {"request": asked, "reason": "agreed"}
    approval = world.act("disposal-approved", ADA, on=[DATA], meaning="approval", fields=agreed)
    made = replace(made, approval=approval) if made else certified(approval)
    stated = world.ledger.keep_certificate(made.encode())
    details: list[Value] = [dict(pair) for pair in shapes.from_pairs(tuple(made.details()))]
    said: dict[str, Value] = {"request": approval, "certificate": stated, "details": details}
    world.executed = world.act("disposal-executed", OPERATOR, on=[DATA], fields=said | fields)  # type: ignore[attr-defined]
    return made


def look(key: str | None = None, copies: Iterable[str] = ()) -> Survivors:
    """Somebody who finds that key in the key store, and these copies."""
    places = list(copies)
    return Survivors(lambda name: "key store" if name == key else None, lambda _: places)


def found(world: World, survivors: Survivors | None = None) -> list[Finding]:
    """What the check says of a ledger that itself holds."""
    report = audit(world)
    assert report.level == "A"
    assert report.state is not None
    return erasure.check(report.state, world.ledger.log, certificates=world.ledger.certificate, survivors=survivors)


def test_a_disposal_that_was_one(world: World) -> None:
    """Nothing survives: no finding; and a ledger without disposals has nothing to look for."""
    assert found(world, look(KEY, ["cache"])) == []
    dispose(world)
    assert found(world, look()) == []
    assert found(world) == []


def test_27_fake_crypto_erase_a_key_or_a_copy_survives(world: World) -> None:
    """Found by who can look, at any level, whoever owns the keys: the ledger names what was destroyed."""
    dispose(world)
    entry = world.ledger.head.size - 1
    for survivors, where in ((look(KEY), "key store"), (look(copies=["dvc cache 00/11"]), "dvc cache 00/11")):
        (one,) = found(world, survivors)
        assert (one.code, one.attack, one.entry, one.path) == ("erasure-fake", 27, entry, where)
    assert len(found(world, look(KEY, ["a", "b"]))) == 3


def test_26_a_copy_comes_back_after_a_clean_sweep(world: World) -> None:
    """Once a sweep found everything clean, a copy that is there came back; before, it survived."""
    dispose(world)
    for outcome, code in (("found", "erasure-fake"), ("clean", "disposed-reappears"), ("found", "erasure-fake")):
        fields: dict[str, Value] = {"request": world.executed, "outcome": outcome, "details": []}  # type: ignore[attr-defined]
        world.act("disposal-verified", OPERATOR, on=[DATA], fields=fields)
        assert [one.code for one in found(world, look(copies=["cache"]))] == [code]


@pytest.mark.parametrize(
    "changes",
    [
        {"ledger": "example.com/ledger/other"},
        {"approval": "b" * 64},
        {"artifacts": (Subject(CHILD.digest.hex(), "folder", CHILD.path, "public"),), "copies": ()},
        {"keys": (DestroyedKey("age1other", "age", "key store", "deleted"),), "copies": ()},
        {"copies": ()},
    ],
)
def test_27_certificate_of_something_else(world: World, changes: dict[str, object]) -> None:
    """Its digest is the one that was stated, and it speaks of another disposal."""
    good = certified()
    stated: list[Value] = [dict(pair) for pair in shapes.from_pairs(tuple(good.details()))]
    bad = replace(good, **changes)  # type: ignore[arg-type]
    if "approval" in changes:
        kept = world.ledger.keep_certificate(bad.encode())
        dispose(world, good, certificate=kept)
    else:
        dispose(world, bad, details=stated)
    assert {(one.code, one.attack, one.severity) for one in found(world)} == {("certificate-wrong", 27, "error")}


@pytest.mark.parametrize("fault", ["missing", "changed", "no certificate"])
def test_27_certificate_that_is_not_there_or_not_itself(world: World, fault: str) -> None:
    """Missing is a warning, since whoever got the ledger alone has none; anything else is an error."""
    made = dispose(world) if fault != "no certificate" else dispose(world, certificate=sha256(b"x").hexdigest())
    path = world.path / "certificates" / f"{made.digest.hex()}.json"
    if fault == "missing":
        path.unlink()
    elif fault == "changed":
        path.write_bytes(made.encode().replace(b"Ward 4", b"Ward 5"))
    else:
        path.with_name(f"{sha256(b'x').hexdigest()}.json").write_bytes(b"x")
    (one,) = found(world)
    assert (one.code, one.severity) == ("certificate-wrong", "warning" if fault == "missing" else "error")


def test_round_trip() -> None:
    """One byte form, and every member counts."""
    made = certified()
    assert certificate.parse(made.encode()) == made
    assert made.details() == [("copies", "3"), ("key", KEY)]
    value = canonical.decode_object(made.encode(), limit=certificate.LIMIT)
    for name in value:
        for other in ({key: value[key] for key in value if key != name}, value | {name: {"un": "heard"}}):
            with pytest.raises(FormatError):
                certificate.parse(canonical.encode(other, limit=certificate.LIMIT))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"method": certificate.KEY_DESTROYED, "key": KEY}, "cannot be disposed of by key destroyed"),
        ({"form": "ciphertext"}, "cannot be disposed of by deleted"),
        ({"key": KEY}, "deleted, not purged with age1"),
        ({"form": "ciphertext", "method": certificate.KEY_DESTROYED}, "with no key"),
        ({"form": "ciphertext", "method": certificate.KEY_DESTROYED, "key": "age1x"}, "none of the destroyed keys"),
        ({"artifact": CHILD.digest.hex()}, "none of its artifacts"),
        ({"form": "paper"}, "cannot be disposed of"),
    ],
)
def test_it_claims_no_more_than_was_done(change: dict[str, str], why: str) -> None:
    made = certified()
    with pytest.raises(FormatError, match=why):
        replace(made, copies=(replace(made.copies[0], **change),)).encode()


def test_it_is_about_distinct_things() -> None:
    for made in (certified(copies=(), artifacts=()), certified(copies=(), keys=certified().keys * 2)):
        with pytest.raises(FormatError, match="distinct"):
            made.encode()


def test_only_certificates_are_kept(world: World) -> None:
    with pytest.raises(FormatError):
        world.ledger.keep_certificate(b"{}")
    assert world.ledger.certificate(bytes(32)) is None
