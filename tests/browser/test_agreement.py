"""The web page against ours: on every ledger of one corpus they agree on each code that the page declares.

The corpus is that of the one-file verifier: all attack tests, run once more with every audit done twice; a ledger in
which everything happens, its prefixes, and random damage. To it come bundles with artifacts, which only the page and
the command line open. Compared are code, entry and path of each finding, and the levels.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from synthtrail.custody import acts, archive, canonical, digest, entry, merkle
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.canonical import Value
from synthtrail.custody.report import Report
from synthtrail.custody.verify import verify
from tests.browser.verifier import JUDGED, Verifier, by_command_line, by_page, ledger_as_it_is, pack
from tests.unit.custody import test_attacks_on_events, test_attacks_on_log
from tests.unit.custody.conftest import pristine, world
from tests.unit.custody.forgery import entries_of, force, write_log
from tests.unit.custody.ledger_factory import (
    ADA,
    ADA_AT_WORK,
    OPERATOR,
    OTHER_RECIPIENT,
    RECIPIENT,
    SEQUENCER,
    WITNESSES,
    World,
    good_world,
    item,
    make_policy,
    make_record,
)
from tests.unit.test_other_verifier import cases, copied, live, spoiled, written

__all__ = ["pristine", "world"]  # fixtures


seen: set[str] = set()
"""Codes on which both agreed somewhere in the corpus."""


@pytest.fixture(scope="module", autouse=True)
def _unpainted(verifier: Verifier) -> Iterator[None]:
    verifier.paint(False)
    yield
    verifier.paint(True)


@pytest.fixture
def both(verifier: Verifier) -> Callable[..., Report]:
    """In place of `forgery.audit`: our report, once the page has agreed with it."""

    def compare(world: World, since: bytes | None = None) -> Report:
        ours = verify(FolderReader(world.path), world.policy, now=world.now, since=since)
        if (world.path / "checkpoint").exists():  # without one there is no bundle
            agree(verifier, world, pack(ledger_as_it_is(world.path)), since)
        return ours

    return compare


def agree(verifier: Verifier, world: World, bundle: bytes, since: bytes | None = None) -> dict[str, Any]:
    """The page's report on a bundle, which says the same as ours."""
    report = verifier.report(bundle, policy=world.policy.encode(), now=world.now, since=since)
    theirs = by_page(report)
    assert theirs == by_command_line(bundle, world.policy, world.now, since)
    seen.update(code for code, _, _ in theirs.findings)
    return report


@pytest.mark.parametrize(
    ("module", "function", "arguments"), [*cases(test_attacks_on_log), *cases(test_attacks_on_events)]
)
def test_on_every_attack(
    module: ModuleType,
    function: Callable[..., None],
    arguments: dict[str, object],
    world: World,
    both: Callable[..., Report],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "audit", both)
    function(world=world, **arguments)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A ledger of a whole life, with a quorum of witnesses."""
    made = good_world(tmp_path_factory.mktemp("full"))
    live(made)
    made.cosign(*WITNESSES[:2])
    return made


def test_on_a_whole_life(full: World, both: Callable[..., Report], verifier: Verifier) -> None:
    assert both(full).claims == ("A", "C")
    report = agree(verifier, full, pack(ledger_as_it_is(full.path)), full.ledger.checkpoint)
    assert report["claims"] == ["A", "B", "C"]


def test_on_witnesses_and_clocks(full: World, tmp_path: Path, both: Callable[..., Report]) -> None:
    """Cosignatures from the future, fresh and stale; then what is overdue after a year."""
    copy = copied(full, tmp_path)
    for days in (-3, 6, 8, 400):
        both(World(copy.folder, policy=copy.policy, now=full.now + timedelta(days=days)))


def test_on_prefixes(full: World, tmp_path: Path, both: Callable[..., Report]) -> None:
    copy = copied(full, tmp_path)
    entries = entries_of(full)
    for size in range(1, len(entries), 12):
        write_log(copy, entries[:size], signer=SEQUENCER)
        both(copy)


def test_on_entries_left_out_doubled_or_exchanged(full: World, tmp_path: Path, both: Callable[..., Report]) -> None:
    """Signed anew each time, so that chain and rules must tell."""
    copy = copied(full, tmp_path)
    entries = entries_of(full)
    for at in range(1, len(entries) - 2, 13):
        for changed in (
            [*entries[:at], *entries[at + 1 :]],
            [*entries[: at + 1], entries[at], *entries[at + 1 :]],
            [*entries[:at], entries[at + 1], entries[at], *entries[at + 2 :]],
        ):
            write_log(copy, changed, signer=SEQUENCER)
            both(copy, full.ledger.checkpoint)


def test_on_random_damage(full: World, tmp_path: Path, both: Callable[..., Report]) -> None:
    """Any byte of any file, or of an entry whose tree is signed anew, flipped, dropped or doubled."""
    copy = copied(full, tmp_path)
    entries = entries_of(full)
    draw = random.Random(8)  # noqa: S311  (a corpus, no secret)
    for _ in range(12):
        files = [
            copy.path / "checkpoint",
            *(path for path in sorted((copy.path / "tile").rglob("*")) if path.is_file()),
        ]
        path = draw.choice(files)
        good = path.read_bytes()
        path.write_bytes(spoiled(good, draw))
        both(copy)
        path.write_bytes(good)
    for _ in range(12):
        at = draw.randrange(len(entries))
        write_log(copy, [*entries[:at], spoiled(entries[at], draw), *entries[at + 1 :]], signer=SEQUENCER)
        both(copy)


def test_on_overdue_duties(world: World, both: Callable[..., Report]) -> None:
    found = [item("iris", "train")]
    until = canonical.format_time(world.now + timedelta(days=1))
    world.act("retention-set", OPERATOR, on=found, fields={"until": until, "basis": "law"})
    request = world.act("disposal-requested", OPERATOR, on=found, fields={"reason": "old"})
    yes: dict[str, Value] = {"request": request, "reason": "agreed"}
    world.act("disposal-approved", ADA, on=found, meaning="approval", fields=yes)
    world.now += timedelta(days=30)
    assert both(world).codes == {"retention-overrun", "disposal-dropped"}


def test_on_witnesses_and_tokens_that_the_policy_asks_for(tmp_path: Path, both: Callable[..., Report]) -> None:
    """A witness of the owner's own organisation, too few others, and a token that neither is given."""
    own = replace(make_policy().witnesses[0], organisation=" EXAMPLE.com ")
    policy = make_policy()
    made = World(tmp_path, policy=replace(policy, witnesses=(own, *policy.witnesses[1:]), timestamp=True))
    made.create()
    made.cosign(*WITNESSES[:2])
    assert both(made).codes == {"witness-not-independent", "quorum-missing", "check-unavailable"}


def test_on_acts_that_no_attack_test_forces(world: World, both: Callable[..., Report]) -> None:
    """Another role's act, an anchor over entries to come, and the use of what was disposed of."""
    data = item("wine", "generate")
    reason: dict[str, Value] = {"reason": "x"}
    said: dict[str, Value] = {"size": 10**6, "root": "0" * 64, "authority": "tsa", "token": "0" * 64}
    state = world.ledger.state
    wrong = acts.event(state, "approved", ADA_AT_WORK, at=world.now, subjects=[data], meaning="approval", fields=reason)
    force(world, wrong)
    assert "role-wrong" in both(world).codes
    force(world, acts.event(state, "anchored", OPERATOR, at=world.now, fields=said))
    assert "timestamp-bad" in both(world).codes


def test_on_what_people_write(world: World, both: Callable[..., Report]) -> None:
    """The same expressions find the same texts in JavaScript, and pass over the same."""
    written(world)
    assert both(world).codes == {"identifying-text"}


def test_on_answers_that_do_not_fit(world: World, both: Callable[..., Report]) -> None:
    """About other artifacts, by another than was offered, after the offer had ended, or its end before that."""
    data, other = item("iris", "generate"), item("iris", "train")
    end = canonical.format_time(world.now + timedelta(hours=1))
    offer: dict[str, Value] = {"receiver": RECIPIENT.name, "purpose": "p", "terms": "t", "expires": end}
    answer: dict[str, Value] = {"request": world.act("transfer-offered", OPERATOR, on=[data], fields=offer)}
    for name, signer, subject, hours in (
        ("transfer-accepted", RECIPIENT, other, 0),
        ("transfer-accepted", OTHER_RECIPIENT, data, 0),
        ("transfer-accepted", RECIPIENT, data, 2),
        ("transfer-expired", OPERATOR, data, 0),
        ("transfer-expired", OPERATOR, data, 2),
    ):
        good = entries_of(world)
        at = world.now + timedelta(hours=hours)
        force(world, acts.event(world.ledger.state, name, signer, at=at, subjects=[subject], fields=answer), at)
        assert both(world).ok == ((name, hours) == ("transfer-expired", 2))
        write_log(world, good, signer=SEQUENCER)


def test_on_use_after_disposal(full: World, tmp_path: Path, both: Callable[..., Report]) -> None:
    copy = copied(full, tmp_path)
    made = acts.made(full.ledger.state, make_record("wine", "generate", 1), OPERATOR, at=full.now)
    entries = entries_of(full)[:-1]
    leaf = entry.encode(
        made, prev=merkle.leaf_hash(entries[-1]), received=canonical.format_time(full.now), seq=len(entries)
    )
    write_log(copy, [*entries, leaf], signer=SEQUENCER)
    assert "disposed-reappears" in both(copy).codes


# -- artifacts -------------------------------------------------------------------------------------------------------


@pytest.fixture
def packed(world: World) -> World:
    """A ledger about files that exist: a folder at data/real/raw, which replaced an older one, and a view beside it."""
    for version in ("old", "new"):
        raw = world.folder / "data/real/raw"
        raw.mkdir(parents=True, exist_ok=True)
        (raw / "table.csv").write_text(f"a,b\n1,{version}\n")
        (raw / "schéma.json").write_text("{}")
        (world.folder / "data/real/plot.svg").write_text(f"<svg>{version}</svg>")
        _ingest(world)
    return world


def _ingest(world: World) -> None:
    made = make_record("real", "ingest")
    made["subjects"] = [_described(world, "data/real/raw")]
    made["views"] = [_described(world, "data/real/plot.svg")]
    at = world.tick()
    with world.ledger.transaction(at) as tx:
        tx.append([acts.made(tx.state, made, OPERATOR, at=at)])


def _described(world: World, path: str) -> Value:
    found = digest.artifact(world.folder / path)
    value: dict[str, Value] = {"kind": found.kind, "path": path, "sha256": found.sha256, "size": found.size}
    return value if found.files is None else value | {"files": found.files}


def _bundle(world: World) -> bytes:
    paths = ("data/real/raw", "data/real/plot.svg")
    files = [member for path in paths for member in archive.artifact_members(world.folder, path)]
    return pack([*ledger_as_it_is(world.path), *files])


def test_on_artifacts_as_signed(packed: World, verifier: Verifier) -> None:
    report = agree(verifier, packed, _bundle(packed))
    assert report["level"] == "A"
    assert report["artifacts"] == [
        {"path": "data/real/plot.svg", "status": "as signed"},
        {"path": "data/real/raw", "status": "as signed"},
    ]


def test_on_artifacts_that_are_not_as_signed(packed: World, verifier: Verifier) -> None:
    """One byte, one file more, one less, one renamed; a picture that was replaced; a folder of before."""
    raw, plot = packed.folder / "data/real/raw", packed.folder / "data/real/plot.svg"
    (raw / "table.csv").write_text("a,b\n1,nEw\n")
    plot.write_text("<svg/>")
    report = agree(verifier, packed, _bundle(packed))
    assert {item["code"] for item in report["findings"]} == {"folder-changed", "artifact-changed"}
    (raw / "table.csv").write_text("a,b\n1,old\n")
    codes = [item["code"] for item in agree(verifier, packed, _bundle(packed))["findings"]]
    assert codes == ["artifact-changed", "record-superseded"]
    (raw / "table.csv").write_text("a,b\n1,new\n")
    for spoil in ((raw / "more").touch, lambda: (raw / "more").rename(raw / "schéma.json")):
        spoil()
        assert "folder-changed" in {item["code"] for item in agree(verifier, packed, _bundle(packed))["findings"]}


def test_on_artifacts_damaged_in_the_bundle(packed: World, verifier: Verifier) -> None:
    """With the archive's check sum left alone: not even the copy that was packed."""
    good = _bundle(packed)
    at = good.index(b"1,new")
    report = agree(verifier, packed, good[:at] + b"2" + good[at + 1 :])
    assert [(item["code"], item["path"]) for item in report["findings"]] == [("artifact-changed", "data/real/raw")]


def test_on_artifacts_that_nobody_logged(packed: World, verifier: Verifier) -> None:
    members = [*ledger_as_it_is(packed.path), archive.member("artifacts/data/real/notes.txt", b"by hand")]
    report = agree(verifier, packed, pack(members))
    assert {item["code"] for item in report["findings"]} == {"artifact-never-logged"}


# -- the table -------------------------------------------------------------------------------------------------------


def test_every_judged_code_was_put_to_the_test() -> None:
    """The page claims to judge nothing on which agreement was not seen above."""
    assert JUDGED - seen == set()
