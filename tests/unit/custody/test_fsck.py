"""`synthtrail fsck`: faults planted in every kind of file, what is said of them, and that repair invents nothing."""

import json
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from tests.unit.custody.ledger_factory import ORIGIN, World, good_world

from synthtrail.cli.main import main
from synthtrail.custody import carried, proofcheck, tiles
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.guard import Guard
from synthtrail.custody.verify import verify
from synthtrail.storage.home import home

ENTRIES = 300  # more than a tile of 256, so that there is a level above the lowest


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A ledger of two levels of tiles, with proofs, a manifest, a run and a cosigned checkpoint."""
    world = good_world(tmp_path_factory.mktemp("fsck"))
    version = 2
    while world.ledger.head.size < ENTRIES:
        world.run("iris", version)
        version += 1
    report = verify(FolderReader(world.path), world.policy, now=world.now)
    assert report.state is not None
    for slot in report.state.slots.values():
        proof = carried.prove(FolderReader(world.path).read, world.ledger.checkpoint, slot.entry, report.state)
        put(world.path / f"proofs/{slot.subject.hex()}.tlog-proof", proof)
    world.ledger.keep_manifest(b"0" * 64 + b"  a.txt\n")
    put(world.path / f"runs/{sha256(b'run').hexdigest()}.json", b"run")
    put(world.path / f"cosigned/{world.ledger.head.size}", world.ledger.checkpoint)
    put(world.path / "cosigned/.lock", b"")
    return world


@pytest.fixture
def ledger(original: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, with policy and guard pinned for this user."""
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    put(home().policy(ORIGIN), original.policy.encode())
    shutil.copytree(original.guard, home().guard(ORIGIN))
    return Path(shutil.copytree(original.path, tmp_path / "ledger"))


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def spoil(path: Path) -> None:
    """Flip a bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def old(path: Path) -> None:
    """Let a file look as if it had been there for long."""
    os.utime(path, (1_000_000_000, 1_000_000_000))


def found(ledger: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, str]]:
    """The exit code, and the remedy for each path."""
    capsys.readouterr()
    code = main(["fsck", str(ledger), "--json", *words])
    said = json.loads(capsys.readouterr().out)
    return code, {item["path"]: item["remedy"] for item in said["problems"]}


def content(ledger: Path) -> dict[str, bytes]:
    return {path.relative_to(ledger).as_posix(): path.read_bytes() for path in ledger.rglob("*") if path.is_file()}


def test_a_good_ledger_has_no_problem(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert found(ledger, capsys) == (0, {})
    assert main(["fsck", str(ledger)]) == 0
    assert "every file is as it should be" in capsys.readouterr().out


def partial(ledger: Path, level: str) -> str:
    """The path of the widest partial tile of a level."""
    folder = max((ledger / "tile" / level).glob("*.p"))
    return max(folder.iterdir(), key=lambda path: int(path.name)).relative_to(ledger).as_posix()


DERIVED: dict[str, Callable[[Path], str]] = {
    "the lowest tile": lambda ledger: "tile/0/000",
    "a partial tile": lambda ledger: partial(ledger, "0"),
    "an upper tile": lambda ledger: partial(ledger, "1"),
    "the lines": lambda ledger: "entries.jsonl",
    "a proof": lambda ledger: max((ledger / "proofs").iterdir()).relative_to(ledger).as_posix(),
}


@pytest.mark.parametrize("how", [spoil, Path.unlink], ids=["spoilt", "missing"])
@pytest.mark.parametrize("name", DERIVED)
def test_what_is_derived_is_rebuilt_byte_for_byte(
    ledger: Path, name: str, how: Callable[[Path], None], capsys: pytest.CaptureFixture[str], original: World
) -> None:
    """Nothing else changes, and a second run finds nothing."""
    before, path = content(ledger), DERIVED[name](ledger)
    how(ledger / path)
    assert found(ledger, capsys) == (1, {path: "rebuild"})
    assert found(ledger, capsys, "--repair") == (0, {})
    after = content(ledger)
    assert {name for name in after if after[name] != before.get(name)} <= {"lock"}
    assert before.keys() <= after.keys()


def test_a_rebuilt_proof_proves(ledger: Path, original: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where it was of another artifact under this name."""
    one, other = sorted((ledger / "proofs").iterdir())[:2]
    shutil.copy(one, other)
    assert found(ledger, capsys) == (1, {other.relative_to(ledger).as_posix(): "rebuild"})
    assert main(["fsck", str(ledger), "--repair"]) == 0
    report = proofcheck.check(other.read_bytes(), original.policy, now=original.now)
    assert report.said is not None
    assert other.name.startswith(report.said.subjects[0].digest.hex())


TRUTH: dict[str, Callable[[Path], str]] = {
    "a bundle": lambda ledger: "tile/entries/000",
    "a manifest": lambda ledger: next((ledger / "manifests").iterdir()).relative_to(ledger).as_posix(),
    "a run": lambda ledger: next((ledger / "runs").iterdir()).relative_to(ledger).as_posix(),
    "a cosigned checkpoint": lambda ledger: max((ledger / "cosigned").glob("[0-9]*")).relative_to(ledger).as_posix(),
}


@pytest.mark.parametrize("name", TRUTH)
def test_what_was_signed_is_never_touched(ledger: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = TRUTH[name](ledger)
    spoil(ledger / path)
    before = content(ledger)
    code, said = found(ledger, capsys, "--repair")
    assert (code, said) == (3, {path: "restore"})
    assert content(ledger) == before


def test_a_tile_is_not_rebuilt_from_a_bad_bundle(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both sides spoilt: neither gives the root, so nothing is derived, and nothing is written."""
    spoil(ledger / "tile/entries/000")
    spoil(ledger / "tile/0/000")
    before = content(ledger)
    code, said = found(ledger, capsys, "--repair")
    assert code == 3
    assert set(said.values()) == {"restore"}
    assert {"checkpoint", "tile/entries/000", "tile/0/000"} <= said.keys()
    assert content(ledger) == before


def test_a_missing_bundle_leaves_the_tiles_usable(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The lowest tiles still give the root, so upper ones can be rebuilt while the bundle is to be restored."""
    (ledger / "tile/entries/000").unlink()
    upper = partial(ledger, "1")
    spoil(ledger / upper)
    assert found(ledger, capsys) == (3, {"tile/entries/000": "restore", upper: "rebuild"})
    assert found(ledger, capsys, "--repair") == (3, {"tile/entries/000": "restore"})


def test_leftovers_are_removed(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unfinished writes and unsigned tiles beyond the head; what is no file of a ledger stays and is named."""
    before = content(ledger)
    size = int((ledger / "checkpoint").read_text().split("\n")[1])
    left = ["tile/0/001.p/9.tmp", "proofs/.x.tlog-proof.abc", tiles.Tile(0, 1, size - 256 + 3).path, "tile/0/002.p/7"]
    for path in left:
        put(ledger / path, b"torn")
        old(ledger / path)
    put(ledger / "notes.txt", b"mine")
    put(ledger / "tile/0/000.p/999", b"?")
    strangers = {"notes.txt": "look", "tile/0/000.p/999": "look"}
    assert found(ledger, capsys) == (3, dict.fromkeys(left, "remove") | strangers)
    assert found(ledger, capsys, "--repair") == (3, strangers)
    assert content(ledger).keys() == before.keys() | strangers.keys()


def test_beyond_the_head_nothing_is_removed_where_the_guard_does_not_agree(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a guard here, what lies beyond might be signed elsewhere."""
    shutil.rmtree(home().guard(ORIGIN))
    put(ledger / "tile/0/002.p/7", b"torn")
    assert found(ledger, capsys, "--repair") == (3, {"tile/0/002.p/7": "look"})


def test_an_older_partial_tile_that_is_spoilt_is_rebuilt(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = max((ledger / "tile/entries").glob("*.p"))
    older = min(folder.iterdir(), key=lambda path: int(path.name))
    before = older.read_bytes()
    spoil(older)
    path = older.relative_to(ledger).as_posix()
    assert found(ledger, capsys) == (1, {path: "rebuild"})
    assert found(ledger, capsys, "--repair") == (0, {})
    assert older.read_bytes() == before


def test_a_guard_that_disagrees_is_told(ledger: Path, original: World, capsys: pytest.CaptureFixture[str]) -> None:
    """An older folder beside the guard of a newer one; a checkpoint of another key cannot be checked at all."""
    copy = World(ledger.parent / "newer", policy=original.policy, now=original.now)
    shutil.copytree(original.path, copy.path)
    shutil.copytree(original.guard, copy.guard)
    copy.reopen()
    copy.run("iris", 999)
    Guard(home().guard(ORIGIN), ORIGIN).store(copy.ledger.checkpoint)
    code, said = found(ledger, capsys)
    assert (code, said) == (3, {"checkpoint": "look"})
    assert f"the guard {copy.ledger.head.size}" in (main(["fsck", str(ledger)]), capsys.readouterr().out)[1]
    spoil(ledger / "checkpoint")
    assert main(["fsck", str(ledger)]) == 2
