"""`synthtrail verify --since` on the command line: what is kept, when it is used, and what it is worth."""

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from synthtrail.cli.main import main
from synthtrail.custody import carried, cosignature, note, proofcheck
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.verify import verify
from synthtrail.handover import kept, proofs, witness_client
from synthtrail.storage.home import home
from tests.unit.custody.ledger_factory import WITNESSES, World, item, make_policy


@pytest.fixture
def xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's folders of their own."""
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A ledger of more than one bundle, its clock an hour ago."""
    folder = tmp_path_factory.mktemp("since")
    made = World(folder, policy=make_policy(quorum=0), now=datetime.now(UTC) - timedelta(hours=1))
    made.create()
    for version in range(1, 53):
        made.run("iris", version)
    return made


@pytest.fixture
def world(original: World, tmp_path: Path, xdg: None) -> World:
    """A copy of it, and its policy and checkpoint in files."""
    made = World(Path(shutil.copytree(original.folder, tmp_path / "w")), policy=original.policy, now=original.now)
    made.reopen()
    (tmp_path / "policy.json").write_bytes(made.policy.encode())
    (tmp_path / "kept").write_bytes(made.ledger.checkpoint)
    return made


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The bundles of entries that a command opens."""
    opened: list[str] = []
    read = FolderReader.read

    def counting(self: FolderReader, path: str) -> bytes:
        if path.startswith("tile/entries"):
            opened.append(path)
        return read(self, path)

    monkeypatch.setattr(FolderReader, "read", counting)
    return opened


def run(world: World, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    """What `synthtrail verify --json` says."""
    place = world.folder.parent
    capsys.readouterr()
    main(["verify", str(world.path), "--policy", str(place / "policy.json"), "--no-artifacts", "--json", *words])
    said: dict[str, object] = json.loads(capsys.readouterr().out)
    return said


def snapshots(world: World) -> list[Path]:
    return sorted(home().verified(world.policy.origin).rglob("*.snapshot"))


def test_the_second_run_opens_only_new_bundles(
    world: World, seen: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """And says what it relied on; the first one read everything and said so."""
    since = ("--since", str(world.folder.parent / "kept"))
    first = run(world, capsys, *since)
    assert (first["level"], first["start"]) == ("B", 0)
    assert first["notes"] == ["no verification that ended at this checkpoint was kept here: every entry was read"]
    assert any(path.startswith("tile/entries/000") for path in seen)
    (path,) = snapshots(world)
    assert path.stat().st_mode & 0o777 == 0o600
    size = world.ledger.head.size
    world.run("wine")
    seen.clear()
    second = run(world, capsys, *since)
    assert (second["level"], second["start"], second["notes"]) == ("B", size, [])
    assert seen
    assert all(path.startswith("tile/entries/001.p/") for path in seen)
    assert f"entries 0 to {size - 1}: not read, taken from the snapshot" in str(second["notChecked"])
    assert second["root"] == run(world, capsys)["root"]


def test_a_snapshot_that_cannot_be_trusted_is_passed_over(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Damaged, open to others, a link: everything is read, a note says why, and the level is the same."""
    since = ("--since", str(world.folder.parent / "kept"))
    run(world, capsys)
    (path,) = snapshots(world)
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    spoilt = run(world, capsys, *since)
    assert (spoilt["level"], spoilt["start"]) == ("B", 0)
    assert "is damaged or of another version and was not used" in str(spoilt["notes"])
    assert path.read_bytes() == good  # made anew
    path.chmod(0o644)
    assert "could have been written by others" in str(run(world, capsys, *since)["notes"])
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))
    assert "every entry was read" in str(run(world, capsys, *since)["notes"])


def test_nothing_is_kept_of_what_does_not_hold(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    tile = next((world.path / "tile/entries").glob("000"))
    tile.write_bytes(tile.read_bytes().replace(b'"seq":5,', b'"seq":6,'))
    assert run(world, capsys)["level"] is None
    assert snapshots(world) == []


def test_only_the_newest_snapshots_stay(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for version in range(1, 6):
        world.run("wine", version)
        run(world, capsys)
        for path in snapshots(world):
            os.utime(path, (version, version + path.stat().st_mtime_ns % 7))
    assert len(snapshots(world)) == kept.LIMIT
    assert any(path.name.startswith(f"{world.ledger.head.size}-") for path in snapshots(world))


def test_a_tampered_past_is_found_as_soon_as_everything_is_read(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is relied on is not checked: this is what the words in the report mean."""
    since = ("--since", str(world.folder.parent / "kept"))
    run(world, capsys)
    tile = world.path / "tile/entries/000"
    tile.write_bytes(tile.read_bytes().replace(b'"seq":5,', b'"seq":6,'))
    world.run("wine")
    assert run(world, capsys, *since)["level"] == "B"
    shutil.rmtree(home().verified(world.policy.origin))
    assert run(world, capsys, *since)["level"] is None


def test_level_c_holds_up_to_the_last_cosigned_size(
    tmp_path: Path, xdg: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest entries are not cosigned yet: the report says up to where C reaches, and from where not."""
    world = World(tmp_path / "w", now=datetime.now(UTC) - timedelta(hours=1))
    world.create()
    world.run("iris")
    signed, size = world.cosign(*WITNESSES[:2]), world.ledger.head.size
    witness_client.keep(world.path, signed, [], lambda _: None)
    (tmp_path / "policy.json").write_bytes(world.policy.encode())
    assert run(world, capsys)["reach"] == {}
    world.run("wine")
    said = run(world, capsys)
    assert (said["level"], said["reach"], said["findings"]) == ("C", {"C": size}, [])
    assert f"of entries {size} to {world.ledger.head.size - 1}" in str(said["notChecked"])
    (world.path / f"cosigned/{size}").unlink()
    assert run(world, capsys)["level"] is None


def test_a_cosigned_checkpoint_of_more_or_of_others_accuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Kept beside the log, a longer one shows a rollback, another history a fork; a stranger's counts for nothing."""
    world, other = World(tmp_path / "w"), World(tmp_path / "other")
    for made, version in ((world, 1), (other, 2)):
        made.create()
        made.run("iris", version)
        made.run("wine", version)
    later = other.ledger.checkpoint
    policy = world.policy
    reader = FolderReader(world.path)
    found = verify(reader, policy, now=world.now, vouched=[later])
    assert "log-forked" not in found.codes  # of the same size: judged as the head, not as an earlier one
    world.run("digits")
    assert "log-forked" in verify(reader, policy, now=world.now, vouched=[later]).codes
    other.run("digits", 2)
    other.run("breast", 2)
    assert "log-rolled-back" in verify(reader, policy, now=world.now, vouched=[other.ledger.checkpoint]).codes
    assert "log-forked" not in verify(reader, policy, now=world.now, vouched=[b"rubbish"]).codes


def test_a_proof_reaches_level_c_once_it_is_renewed(tmp_path: Path) -> None:
    """The one file suffices offline; a proof of a later entry and one that is damaged are left alone and named."""
    world = World(tmp_path / "w")
    world.create()
    world.run("iris")
    state = world.ledger.state
    folder = world.path / "proofs"
    folder.mkdir()
    path = folder / f"{item('iris', 'generate').digest.hex()}.tlog-proof"
    index = state.slots["iris/generate"].entry
    path.write_bytes(carried.prove(FolderReader(world.path).read, world.ledger.checkpoint, index, state))
    assert proofcheck.check(path.read_bytes(), world.policy, now=world.now).level is None  # no quorum
    world.run("wine")
    signed = world.cosign(*WITNESSES[:2])
    (folder / "torn.tlog-proof").write_bytes(b"c2sp")
    world.run("digits")
    late = folder / f"{item('digits', 'ingest').digest.hex()}.tlog-proof"
    state = world.ledger.state
    made = carried.prove(
        FolderReader(world.path).read, world.ledger.checkpoint, state.slots["digits/ingest"].entry, state
    )
    late.write_bytes(made)
    renewed, left = proofs.renew(world.path, signed)
    assert renewed == 1
    assert sorted(line.split(":")[0] for line in left) == sorted(["torn.tlog-proof", late.name])
    assert late.read_bytes() == made
    found = proofcheck.check(path.read_bytes(), world.policy, now=world.now)
    assert (found.level, found.claims) == ("C", ("A", "C"))
    assert proofs.renew(world.path, signed)[0] == 0


def test_cosignatures_that_come_at_once_are_all_kept(tmp_path: Path) -> None:
    """Several processes add a line each to one copy: none is lost."""
    world = World(tmp_path / "w")
    world.create()
    signed = world.ledger.checkpoint
    text = note.parse(signed)[0]
    lines = [cosignature.sign(text, witness, at=5) for witness in WITNESSES]
    children = []
    for line in lines:
        child = os.fork()
        if not child:
            witness_client.keep(world.path, signed, [line], lambda _: None)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(lines)
    copy = (world.path / f"cosigned/{world.ledger.head.size}").read_bytes()
    assert {item.name for item in note.parse(copy)[1]} >= {witness.name for witness in WITNESSES}
