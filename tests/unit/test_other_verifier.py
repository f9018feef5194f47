"""The one-file verifier against ours: on every ledger of one corpus they agree on each code that it declares.

The corpus is what the attack tests make, each of them run here once more with every audit done twice; then a ledger in
which everything that can happen happens, each of its prefixes, bundles, and several hundred random spoilings.
"""

import importlib.util
import inspect
import io
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from synthtrail.custody import acts, archive, canonical, dsse
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.canonical import Value
from synthtrail.custody.ed25519 import Signer
from synthtrail.custody.events import EVENTS
from synthtrail.custody.findings import CODES
from synthtrail.custody.identifying import PATTERNS
from synthtrail.custody.policy import Policy
from synthtrail.custody.policy import parse as parse_policy
from synthtrail.custody.report import Report
from synthtrail.custody.transitions import TRANSITIONS
from synthtrail.custody.verify import verify
from tests.unit.custody import test_attacks_on_events, test_attacks_on_log
from tests.unit.custody.conftest import pristine, world
from tests.unit.custody.forgery import entries_of, force, force_payload, write_log
from tests.unit.custody.ledger_factory import (
    ADA,
    ADA_AT_WORK,
    AUDITOR,
    BOB,
    OPERATOR,
    RECIPIENT,
    ROOTS,
    SEQUENCER,
    WITNESSES,
    World,
    good_world,
    item,
    make_policy,
    make_record,
)
from tests.unit.custody.test_identifying import FOUND, PASSED

FILE = Path(__file__).parents[2] / "verifiers" / "synthtrail_verify.py"

__all__ = ["pristine", "world"]  # fixtures


def load() -> ModuleType:
    """The verifier as a module; its folder is no package and is on no path."""
    spec = importlib.util.spec_from_file_location("synthtrail_verify", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


other = load()
seen: set[str] = set()
"""Declared codes on which both agreed somewhere in the corpus."""


def by_other(place: Path, policy: Policy, now: datetime, since: bytes | None = None) -> Any:
    """The other verifier's audit."""
    at = int(now.timestamp()) * 1_000_000
    found = other.Audit(other.open_ledger(place), other.parse_policy(policy.encode()), at)
    found.run(since)
    return found


def compare(ours: Report, theirs: Any) -> None:
    """Both found the same at the same entries, as far as the other one judges, and reached the same levels."""
    expected = {(one.code, one.entry) for one in ours.findings if one.code in other.JUDGES}
    found = {(code, entry) for code, entry, _ in theirs.findings}
    assert found == expected
    if all(one.code in other.JUDGES for one in ours.findings):
        assert theirs.levels == [level for level in ours.claims if level != "D"]
    seen.update(code for code, _ in found)


def both(world: World, since: bytes | None = None) -> Report:
    """In place of `forgery.audit`: our report, once the other verifier agreed with it."""
    ours = verify(FolderReader(world.path), world.policy, now=world.now, since=since)
    compare(ours, by_other(world.path, world.policy, world.now, since))
    return ours


def cases(module: ModuleType) -> Iterator[Any]:
    """Every test of an attack module that audits, with each combination of its parameters."""
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if not name.startswith("test_") or "world" not in inspect.signature(function).parameters:
            continue
        for number, values in enumerate(product(*map(_values, getattr(function, "pytestmark", [])))):
            arguments = {key: value for part in values for key, value in part.items()}
            yield pytest.param(module, function, arguments, id=f"{name}-{number}")


def _values(mark: pytest.Mark) -> list[dict[str, object]]:
    names, rows = mark.args[0], mark.args[1]
    split = [names] if isinstance(names, str) and "," not in names else list(names)
    return [dict(zip(split, row if len(split) > 1 else [row], strict=True)) for row in rows]


@pytest.mark.parametrize(
    ("module", "function", "arguments"), [*cases(test_attacks_on_events), *cases(test_attacks_on_log)]
)
def test_on_every_attack(
    module: ModuleType,
    function: Callable[..., None],
    arguments: dict[str, object],
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "audit", both)
    function(world=world, **arguments)


def live(world: World) -> None:
    """Let everything happen that can, from storing to disposal, and close the ledger."""
    happen(world)
    world.act("ledger-closed", *ROOTS, fields={"reason": "done"})


def happen(world: World) -> None:
    """Everything but the closing."""
    later = canonical.format_time(world.now + timedelta(days=3))
    data, model = item("iris", "generate"), item("iris", "train")
    world.act("stored", OPERATOR, on=[data, model], fields={"place": "s3", "method": "age", "details": []})
    world.act("reproduced", AUDITOR, on=[model], fields={"outcome": "identical", "rebuilt": "a" * 64, "details": []})
    world.act("reviewed", BOB, on=[model], meaning="review", fields={"outcome": "comment", "notes": "grün"})
    asked = world.act("access-requested", RECIPIENT, on=[data], fields={"purpose": "p", "proposal": "q"})
    grant: dict[str, Value] = {"request": asked, "expires": later, "terms": "t"}
    granted = world.act("access-granted", ADA, on=[data], meaning="approval", fields=grant)
    world.act("accessed", RECIPIENT, on=[data], fields={"request": granted, "use": "u"})
    asked = world.act("access-requested", RECIPIENT, on=[data], fields={"purpose": "p", "proposal": "q"})
    world.act("access-refused", ADA, on=[data], meaning="approval", fields={"request": asked, "reason": "no"})
    offer: dict[str, Value] = {"receiver": RECIPIENT.name, "purpose": "p", "terms": "t", "expires": later}
    for answer, more in (("transfer-accepted", {}), ("transfer-rejected", {"reason": "r"})):
        request = world.act("transfer-offered", OPERATOR, on=[data], fields=offer)
        world.act(answer, RECIPIENT, on=[data], fields={"request": request, **more})
    request = world.act("transfer-offered", OPERATOR, on=[data], fields=offer)
    world.now += timedelta(days=4)
    world.act("transfer-expired", OPERATOR, on=[data], fields={"request": request})
    sum_up(world)
    world.act("released", ADA, on=[data], meaning="responsibility", fields={"terms": "CC0", "place": "web"})
    end(world, [item("wine", "train"), item("wine", "preprocess")])
    world.run("wine", 2, "refuse")
    world.run("iris", 1)
    incident = world.act("incident", SEQUENCER, fields={"what": "disk", "details": [{"name": "n", "value": "v"}]})
    world.act("recovered", ADA, fields={"what": "disk", "request": incident})
    size = world.ledger.head.size
    sum_up(world)
    anchored: dict[str, Value] = {"size": size, "root": "0" * 64, "authority": "tsa", "token": "0" * 64}
    world.act("anchored", OPERATOR, fields=anchored)
    world.act("key-revoked", *ROOTS, fields={"name": BOB.name, "reason": "left", "compromisedSince": size + 2})


def sum_up(world: World) -> None:
    """State what became of every artifact."""
    at = world.tick()
    with world.ledger.transaction(at) as tx:
        envelope = acts.status(tx.state, OPERATOR, at=at)
        tx.append([envelope])
    world.envelopes.append(envelope)


def end(world: World, found: list[Any]) -> None:
    """Keep, hold, release, and dispose of artifacts."""
    until = canonical.format_time(world.now + timedelta(days=1))
    world.act("retention-set", OPERATOR, on=found, fields={"until": until, "basis": "law"})
    hold = world.act("hold-placed", OPERATOR, on=found, fields={"reason": "trial"})
    sum_up(world)
    world.act("hold-lifted", ADA, on=found, meaning="approval", fields={"request": hold, "reason": "over"})
    request = world.act("disposal-requested", OPERATOR, on=found, fields={"reason": "old"})
    yes: dict[str, Value] = {"request": request, "reason": "agreed"}
    approved = world.act("disposal-approved", ADA, on=found, meaning="approval", fields=yes)
    done: dict[str, Value] = {"request": approved, "certificate": "0" * 64, "details": []}
    executed = world.act("disposal-executed", OPERATOR, on=found, fields=done)
    swept: dict[str, Value] = {"request": executed, "outcome": "clean", "details": []}
    world.act("disposal-verified", AUDITOR, on=found, fields=swept)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A ledger of a whole life, with a quorum of witnesses."""
    made = good_world(tmp_path_factory.mktemp("full"))
    live(made)
    made.cosign(*WITNESSES[:2])
    return made


def test_on_a_whole_life(full: World) -> None:
    """All events but a few stand in it, nothing is wrong with it, and the levels are the same."""
    assert both(full).claims == ("A", "C")
    assert both(full, full.ledger.checkpoint).claims == ("A", "B", "C")
    used = {canonical.decode_object(canonical.b64decode(_payload(one)))["predicateType"] for one in full.envelopes}
    assert {spec.predicate_type for spec in EVENTS.values()} - used <= {
        EVENTS[name].predicate_type for name in ("rejected", "key-rotated", "policy-changed")
    }


def _payload(envelope: Value) -> str:
    assert isinstance(envelope, dict)
    return str(envelope["payload"])


def test_on_witnesses_and_clocks(full: World, tmp_path: Path) -> None:
    """Stale, future, missing and dependent witnesses; retention and disposal that are overdue."""
    copy = copied(full, tmp_path)
    for days in (-3, 0, 6, 8, 400):
        moved = World(copy.folder, policy=copy.policy, now=full.now + timedelta(days=days))
        both(moved)
    own = World(tmp_path / "own", policy=make_policy())
    own.policy = _with_witness(own.policy)
    own.create()
    assert "witness-not-independent" in both(own).codes


def _with_witness(policy: Policy) -> Policy:
    value = canonical.decode_object(policy.encode())
    witnesses = value["witnesses"]
    assert isinstance(witnesses, list)
    first = witnesses[0]
    assert isinstance(first, dict)
    first["organisation"] = " EXAMPLE.com "
    return parse_policy(canonical.encode(value))


def test_on_overdue_duties(world: World) -> None:
    found = [item("iris", "train")]
    until = canonical.format_time(world.now + timedelta(days=1))
    world.act("retention-set", OPERATOR, on=found, fields={"until": until, "basis": "law"})
    request = world.act("disposal-requested", OPERATOR, on=found, fields={"reason": "old"})
    yes: dict[str, Value] = {"request": request, "reason": "agreed"}
    world.act("disposal-approved", ADA, on=found, meaning="approval", fields=yes)
    assert both(world).ok
    world.now += timedelta(days=30)
    assert both(world).codes == {"retention-overrun", "disposal-dropped"}


@pytest.mark.parametrize(
    ("days", "answer", "signer"), [(2, "transfer-accepted", RECIPIENT), (0, "transfer-expired", ADA)]
)
def test_on_answers_too_late_and_too_early(world: World, days: int, answer: str, signer: Signer) -> None:
    expires = canonical.format_time(world.now + timedelta(days=1))
    offer: dict[str, Value] = {"receiver": RECIPIENT.name, "purpose": "p", "terms": "t", "expires": expires}
    found = [item("iris", "generate")]
    request = world.act("transfer-offered", OPERATOR, on=found, fields=offer)
    world.now += timedelta(days=days)
    envelope = acts.event(world.ledger.state, answer, signer, at=world.now, subjects=found, fields={"request": request})
    force(world, envelope)
    assert {"acceptance-forged", "answer-wrong"} & both(world).codes


def test_on_roles_and_on_what_was_disposed_of(world: World) -> None:
    """An operator who approves; a record of what was disposed of, made again; and one that was made out of it."""
    state = world.ledger.state
    found = item("wine", "generate")
    force(world, acts.event(state, "approved", ADA_AT_WORK, at=world.now, subjects=[found], meaning="approval",
                            fields={"reason": "x"}))  # fmt: skip
    assert "role-wrong" in both(world).codes
    end(world, [item("iris", "train")])
    for stage, version in (("train", 1), ("generate", 1)):
        made = acts.made(world.ledger.state, make_record("iris", stage, version), OPERATOR, at=world.now)
        force(world, made)
        assert "disposed-reappears" in both(world).codes


def written(world: World) -> int:
    """Log every text that may be logged, then force every one that identifies somebody; how many these are."""
    subjects = [item("iris", "generate")]
    for text in PASSED:
        world.act("hold-placed", OPERATOR, on=subjects, fields={"reason": text})
    texts, state = [text for found in FOUND.values() for text in found], world.ledger.state
    for text in texts:
        fields: dict[str, Value] = {"reason": "X" * len(text)}
        good = acts.event(state, "hold-placed", OPERATOR, at=world.now, subjects=subjects, fields=fields)
        force_payload(world, dsse.parse(good).payload.replace(b"X" * len(text), text.encode()), OPERATOR)
    return len(texts)


def test_on_what_people_write(world: World) -> None:
    """All texts that may be logged are, and each that identifies somebody is found."""
    number = written(world)
    assert [one.code for one in both(world).findings] == ["identifying-text"] * number


def test_on_status_roots(world: World) -> None:
    """A root that the entries do not give, after one that they do, and then another that they do."""
    sum_up(world)
    fields: dict[str, Value] = {"size": world.ledger.head.size, "root": "0" * 64}
    world.run("wine", 2)
    sum_up(world)
    assert both(world).ok
    force(world, acts.event(world.ledger.state, "status", OPERATOR, at=world.now, fields=fields))
    assert both(world).codes == {"status-wrong"}


def test_on_time_stamps(world: World) -> None:
    """Neither has a token; an anchor of entries to come, and a policy that asks for a token, are found by both."""
    fields: dict[str, Value] = {"size": 99, "root": "0" * 64, "authority": "tsa", "token": "0" * 64}
    force(world, acts.event(world.ledger.state, "anchored", OPERATOR, at=world.now, fields=fields))
    world.policy = replace(world.policy, timestamp=True)
    assert {"timestamp-bad", "check-unavailable"} <= both(world).codes


def test_on_every_prefix(full: World, tmp_path: Path) -> None:
    """A ledger is good at every size, whatever comes later."""
    copy = copied(full, tmp_path)
    entries = entries_of(full)
    for size in range(1, len(entries), 9):
        write_log(copy, entries[:size], signer=SEQUENCER)
        both(copy)


def test_on_entries_left_out_doubled_or_exchanged(full: World, tmp_path: Path) -> None:
    """Signed anew each time, so that chain and rules must tell."""
    copy = copied(full, tmp_path)
    entries = entries_of(full)
    for at in range(0, len(entries) - 2, 6):
        for changed in (
            [*entries[:at], *entries[at + 1 :]],
            [*entries[: at + 1], entries[at], *entries[at + 1 :]],
            [*entries[:at], entries[at + 1], entries[at], *entries[at + 2 :]],
        ):
            write_log(copy, changed, signer=SEQUENCER)
            both(copy, full.ledger.checkpoint)


@pytest.mark.parametrize("seed", range(3))
def test_on_random_damage(full: World, tmp_path: Path, seed: int) -> None:
    """Any byte of any file, flipped, dropped or doubled: neither raises, and both say the same."""
    copy = copied(full, tmp_path)
    files = sorted(path for path in copy.path.rglob("*") if path.is_file() and path.suffix != ".jsonl")
    draw = random.Random(seed)  # noqa: S311  (a corpus, no secret)
    for _ in range(25):
        path = draw.choice([one for one in files if one.stat().st_size])
        good = path.read_bytes()
        path.write_bytes(spoiled(good, draw))
        both(copy)
        path.write_bytes(good)


@pytest.mark.parametrize("seed", range(3))
def test_on_random_damage_within_entries(full: World, tmp_path: Path, seed: int) -> None:
    """The same in an entry whose tree was signed anew: only the entry's own form is left to tell."""
    copy = copied(full, tmp_path)
    entries = entries_of(full)
    draw = random.Random(seed)  # noqa: S311
    for _ in range(14):
        at = draw.randrange(len(entries))
        write_log(copy, [*entries[:at], spoiled(entries[at], draw), *entries[at + 1 :]], signer=SEQUENCER)
        both(copy)


def spoiled(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data))
    kind = draw.randrange(4)
    if kind == 0:
        return data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]
    if kind == 1:
        return data[:at] + data[at + 1 :]
    if kind == 2:
        return data[:at] + data[at : at + 1] + data[at:]
    return data[:at]


def copied(world: World, folder: Path) -> World:
    shutil.copytree(world.path, folder / "ledger")
    copy = World(folder, policy=world.policy, now=world.now)
    copy.ledger = world.ledger
    return copy


def test_on_a_bundle(full: World, tmp_path: Path) -> None:
    """The other verifier reads bundles, and refuses other ZIPs."""
    path = tmp_path / "ledger.zip"
    with path.open("wb") as file:
        archive.write(file, archive.ledger_members(FolderReader(full.path).read))
    with path.open("rb") as file:
        ours = verify(archive.Archive(file), full.policy, now=full.now)
    compare(ours, by_other(path, full.policy, full.now))
    assert ours.level == "C"
    path.write_bytes(path.read_bytes()[:-30])
    policy = tmp_path / "policy.json"
    policy.write_bytes(full.policy.encode())
    assert other.main([str(path), "--policy", str(policy)]) == 2


def test_every_code_is_declared_or_not_and_judged_somewhere(request: pytest.FixtureRequest) -> None:
    """The table has no code that ours lacks, and none on which agreement was never put to the test."""
    run = {one.name for one in request.session.items if one.path == Path(__file__)}
    if not {one.id for one in (*cases(test_attacks_on_events), *cases(test_attacks_on_log))} <= {
        name.partition("[")[2][:-1] for name in run
    } or not {name for name in globals() if name.startswith("test_on_")} <= {name.partition("[")[0] for name in run}:
        pytest.skip("only some tests of this module are run")
    assert set(other.JUDGES) <= set(CODES)
    assert seen == set(other.JUDGES)
    assert set(CODES) - set(other.JUDGES) == {
        "artifact-absent",
        "artifact-changed",
        "artifact-missing",
        "artifact-never-logged",
        "certificate-wrong",
        "erasure-fake",
        "file-changing",
        "file-not-plain",
        "folder-changed",
        "record-pending",
        "record-superseded",
    }


def test_its_tables_are_ours() -> None:
    """Copied from the specification by hand, so compared with the data."""
    assert list(other.SPECS) == list(EVENTS)
    for name, spec in EVENTS.items():
        theirs = other.SPECS[name]
        flags = {"person": spec.person, "four-eyes": spec.four_eyes, "opens": spec.opens, "closes": spec.closes}
        fields = {field.name: "/".join(field.choices) or field.kind for field in spec.fields}
        assert (theirs.about, tuple(theirs.roles), tuple(theirs.answers)) == (spec.about, spec.roles, spec.answers)
        assert theirs.fields == fields
        assert theirs.flags == [flag for flag, held in flags.items() if held]
    rows = {
        (row.event, row.part, row.outcome, state): row.leads or state for row in TRANSITIONS for state in row.follows
    }
    assert rows == other.NEXT
    assert [(item.expression, bool(item.flags)) for item in PATTERNS] == other.IDENTIFYING


def test_as_a_command(full: World, tmp_path: Path) -> None:
    """One file, run by itself with nothing of ours on the path: text, JSON, exit codes, and what it did not check."""
    policy = tmp_path / "policy.json"
    policy.write_bytes(full.policy.encode())
    alone = tmp_path / "alone.py"
    shutil.copy(FILE, alone)
    since = tmp_path / "kept"
    since.write_bytes(full.ledger.checkpoint)
    command = [sys.executable, "-I", str(alone), str(full.path), "--policy", str(policy)]
    now = ["--now", canonical.format_time(full.now)]
    done = subprocess.run(
        [*command, *now, "--since", str(since), "--json"], capture_output=True, text=True, check=False
    )
    said = json.loads(done.stdout)
    assert (done.returncode, said["level"], said["claims"], said["findings"]) == (0, "C", ["A", "B", "C"], [])
    assert "time-stamp tokens" in said["notChecked"]
    assert "level D" in said["notChecked"]
    assert "synthtrail." not in FILE.read_text().replace("synthtrail.dev", "")
    assert subprocess.run([*command, "--now", "yesterday"], capture_output=True, check=False).returncode == 2
    late = subprocess.run([*command, "--now", "2036-01-01T00:00:00Z"], capture_output=True, text=True, check=False)
    assert late.returncode == 1
    assert "FAILED" in late.stdout
    assert "not checked:" in late.stdout


@pytest.mark.parametrize(
    "argument",
    [["nowhere"], ["."], []],
    ids=["no such folder", "no ledger", "no arguments"],
)
def test_nothing_to_judge_is_no_pass(
    full: World,
    tmp_path: Path,
    argument: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("policy.json").write_bytes(full.policy.encode())
    Path("broken.json").write_bytes(b"{}")
    if not argument:
        with pytest.raises(SystemExit) as caught:
            other.main([])
        assert caught.value.code == 2
        return
    output = io.StringIO()
    with redirect_stdout(output):
        assert other.main([*argument, "--policy", "policy.json"]) == 1
    assert "nothing-to-check" in output.getvalue()
    assert other.main([*argument, "--policy", "broken.json"]) == 2
    assert other.main([*argument, "--policy", "missing.json"]) == 2
    assert "cannot be judged" in capsys.readouterr().err
