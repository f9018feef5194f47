"""The files of a checkout against the ledger: every kind of difference has its status and its finding."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.unit.custody.ledger_factory import (
    ADA,
    FOLDERS,
    OPERATOR,
    STAGES,
    World,
    make_record,
)

from synthtrail.custody import acts, artifacts, canonical, digest
from synthtrail.custody.artifacts import Presence
from synthtrail.custody.canonical import Value
from synthtrail.custody.record import Item


class Checkout:
    """Files that the world's ledger speaks of."""

    def __init__(self, world: World, root: Path) -> None:
        self.world = world
        self.root = root

    def write(self, stage: str, text: str, *, sign: bool = True, views: Sequence[str] = ()) -> None:
        """Make a stage's folder and record anew."""
        folder = self.root / "data/own" / FOLDERS[stage]
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "a.txt").write_text(text)
        (folder / "b.txt").write_text("constant")
        record = self.record(stage, views)
        path = self.root / f"data/records/own/{stage}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(canonical.encode(record))
        if sign:
            at = self.world.tick()
            with self.world.ledger.transaction(at) as tx:
                tx.append([acts.made(tx.state, record, OPERATOR, at=at)])
            self.world.ledger.keep_manifest(digest.manifest(folder))

    def record(self, stage: str, views: Sequence[str] = ()) -> dict[str, Value]:
        """The record that fits the files as they are."""
        record = make_record("own", stage)
        inputs = [] if stage == "ingest" else [self.subject(STAGES[STAGES.index(stage) - 1])]
        beside: list[Value] = [self.view(path) for path in views]
        return record | {"subjects": [self.subject(stage)], "views": beside, "inputs": inputs}

    def view(self, path: str) -> Value:
        """A file beside the artifacts, as a record names it."""
        found = digest.file(self.root / path)
        return {"kind": "file", "path": path, "sha256": found.sha256, "size": found.size}

    def subject(self, stage: str) -> Value:
        """A stage's folder, as a record names it."""
        path = f"data/own/{FOLDERS[stage]}"
        found = digest.folder(self.root / path)
        return {"kind": "folder", "path": path, "sha256": found.sha256, "size": found.size, "files": found.files}

    def check(self, *, manifests: bool = True) -> list[Presence]:
        """All that is not ok, of this experiment."""
        ledger = self.world.ledger
        found = artifacts.check(
            ledger.state,
            ledger.log,
            self.root,
            slots={f"own/{stage}" for stage in STAGES},
            manifests=ledger.manifest if manifests else None,
        )
        return [item for item in found if item.status != "ok"]


@pytest.fixture
def checkout(world: World, tmp_path: Path) -> Checkout:
    """A checkout whose first two stages are signed."""
    made = Checkout(world, tmp_path / "checkout")
    made.write("ingest", "raw")
    made.write("preprocess", "split")
    assert made.check() == []
    return made


def dispose(checkout: Checkout) -> None:
    """Log the disposal of the split, from request to certificate."""
    world = checkout.world
    found = Item("data/own/split", world.ledger.state.slots["own/preprocess"].subject, 0, 0)
    request = world.act("disposal-requested", OPERATOR, on=[found], fields={"reason": "retention"})
    approved = world.act(
        "disposal-approved", ADA, on=[found], meaning="approval", fields={"request": request, "reason": "agreed"}
    )
    fields: dict[str, Value] = {"request": approved, "certificate": "0" * 64, "details": []}
    world.act("disposal-executed", OPERATOR, on=[found], fields=fields)


def only(found: list[Presence]) -> Presence:
    """The one difference there is."""
    assert len(found) == 1, found
    return found[0]


def test_a_clean_checkout_is_ok(checkout: Checkout) -> None:
    """Metrics, plots and what DVC leaves behind are no artifacts."""
    (checkout.root / "data/own/.gitignore").write_text("x")
    assert checkout.check() == []


def test_20_21_changed_folder_says_which_files(checkout: Checkout) -> None:
    """The manifest that was kept under the artifact's own digest tells added, removed and changed apart."""
    folder = checkout.root / "data/own/raw"
    (folder / "a.txt").write_text("RAW")
    (folder / "b.txt").rename(folder / "c.txt")
    found = only(checkout.check())
    assert (found.status, found.slot, found.text) == (
        "changed",
        "own/ingest",
        "added: c.txt; removed: b.txt; changed: a.txt",
    )
    assert found.finding is not None
    assert (found.finding.code, found.finding.attack, found.finding.severity) == ("folder-changed", 21, "error")


def test_21_changed_folder_without_a_kept_manifest(checkout: Checkout) -> None:
    """Then only the folder can be named, unless it lists its own files."""
    (checkout.root / "data/own/raw/a.txt").write_text("RAW")
    assert only(checkout.check(manifests=False)).text == "some file in it is not what was signed"


def test_21_changed_folder_that_lists_its_files(checkout: Checkout) -> None:
    folder = checkout.root / "data/own/raw"
    (folder / "manifest.txt").write_bytes(digest.manifest(folder))
    (folder / "a.txt").write_text("RAW")
    assert only(checkout.check(manifests=False)).text == "by its own list of files, changed: a.txt"


def test_20_file_artifact_swapped(checkout: Checkout) -> None:
    """A single file as artifact, exchanged for another of the same size and time."""
    path = checkout.root / "data/own/raw"
    shutil.rmtree(path)
    path.write_bytes(b"one")
    record = make_record("own", "ingest") | {
        "subjects": [{"kind": "file", "path": "data/own/raw", "sha256": digest.file(path).sha256, "size": 3}]
    }
    (checkout.root / "data/records/own/ingest.json").write_bytes(canonical.encode(record))
    checkout.world.append(acts.made(checkout.world.ledger.state, record, OPERATOR, at=checkout.world.now))
    assert checkout.check() == []
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(b"two")
    os.utime(path, ns=times)
    found = only(checkout.check())
    assert found.finding is not None
    assert (found.finding.code, found.finding.attack) == ("artifact-changed", 20)


def test_missing_artifact(checkout: Checkout) -> None:
    """With its record there it should be there too; without, an auditor need not hold the data."""
    shutil.rmtree(checkout.root / "data/own/raw")
    found = only(checkout.check())
    assert (found.status, found.path) == ("missing", "data/own/raw")
    assert found.finding is not None
    assert found.finding.severity == "error"
    (checkout.root / "data/records/own/ingest.json").unlink()
    found = only(checkout.check())
    assert found.finding is not None
    assert (found.status, found.finding.severity) == ("absent", "warning")


def test_views_are_hashed_too(checkout: Checkout) -> None:
    """What was written beside an artifact is covered by the same signature."""
    view = checkout.root / "data/own/scores.json"
    view.write_text("1")
    checkout.write("ingest", "more", views=["data/own/scores.json"])
    assert checkout.check() == []
    view.write_text("2")
    found = only(checkout.check())
    assert (found.code, found.path) == ("artifact-changed", "data/own/scores.json")


def test_views_go_with_a_subject_that_was_disposed_of(checkout: Checkout) -> None:
    """What was written beside it has no disposal of its own: gone with it is no finding."""
    view = checkout.root / "data/own/scores.json"
    view.write_text("1")
    checkout.write("preprocess", "more", views=["data/own/scores.json"])
    view.unlink()
    assert only(checkout.check()).status == "missing"
    dispose(checkout)
    shutil.rmtree(checkout.root / "data/own/split")
    assert checkout.check() == []
    (checkout.root / "data/records/own/preprocess.json").unlink()
    assert checkout.check() == []


def test_missing_record_is_taken_from_the_ledger(checkout: Checkout) -> None:
    """Deleting the record file hides nothing."""
    (checkout.root / "data/records/own/ingest.json").unlink()
    assert checkout.check() == []
    (checkout.root / "data/own/raw/a.txt").write_text("RAW")
    assert only(checkout.check()).status == "changed"


def test_pending_and_superseded(checkout: Checkout) -> None:
    """A new record waits for its signature; an older one that came back is told apart from a changed file."""
    checkout.write("preprocess", "split 2", sign=False)
    assert (only(checkout.check()).status, only(checkout.check()).slot) == ("pending", "own/preprocess")
    checkout.write("preprocess", "split 2")
    assert checkout.check() == []
    checkout.write("preprocess", "split", sign=False)
    found = only(checkout.check())
    assert (found.status, found.text) == ("superseded", "its record is an older one")


def test_33_artifact_that_was_never_logged(checkout: Checkout) -> None:
    stray = checkout.root / "data/own/synthetic"
    shutil.copytree(checkout.root / "data/own/raw", stray)
    assert checkout.check() == []  # a copy of a logged artifact is that artifact
    (stray / "a.txt").write_text("unheard of")
    found = only(checkout.check())
    assert found.finding is not None
    assert (found.status, found.finding.code, found.finding.attack) == ("unlogged", "artifact-never-logged", 33)


def test_26_disposed_artifact_reappears(checkout: Checkout) -> None:
    """After its disposal an artifact must be gone; a backup that brings it back is found."""
    dispose(checkout)
    here = only(checkout.check())
    assert here.finding is not None
    assert (here.status, here.finding.code, here.finding.attack) == ("disposed", "disposed-reappears", 26)
    shutil.rmtree(checkout.root / "data/own/split")
    assert checkout.check() == []


@pytest.mark.parametrize("kind", ["link to a folder", "link to a file", "pipe"])
def test_23_link_or_device_in_place_of_data(checkout: Checkout, kind: str) -> None:
    folder = checkout.root / "data/own/raw"
    if kind == "link to a folder":
        folder.rename(checkout.root / "elsewhere")
        folder.symlink_to(checkout.root / "elsewhere")
    else:
        (folder / "a.txt").unlink()
        if kind == "pipe":
            os.mkfifo(folder / "a.txt")
        else:
            (folder / "a.txt").symlink_to("b.txt")
    found = only(checkout.check())
    assert found.finding is not None
    assert (found.finding.code, found.finding.attack) == ("file-not-plain", 23)


def test_23_link_on_the_way(checkout: Checkout) -> None:
    """A whole experiment moved away behind a link is no longer where the records say."""
    (checkout.root / "data/own").rename(checkout.root / "elsewhere")
    (checkout.root / "data/own").symlink_to(checkout.root / "elsewhere")
    codes = {found.finding.code for found in checkout.check() if found.finding}
    assert codes == {"file-not-plain"}


@pytest.mark.parametrize("name", ["A.txt", "line\nfeed", "-rf"])
def test_22_unsafe_names(checkout: Checkout, name: str) -> None:
    """Names that a file system or a shell reads in two ways: also a clash of case."""
    (checkout.root / "data/own/raw" / name).write_text("x")
    found = only(checkout.check())
    assert found.finding is not None
    assert (found.finding.code, found.finding.attack) == ("path-unsafe", 22)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/etc/passwd", "path-unsafe"),
        ("../outside", "path-unsafe"),
        ("data/own/../../x", "path-unsafe"),
        ("data/own/\x00", "path-unsafe"),
        ("", "path-unsafe"),
    ],
)
def test_22_record_with_an_unsafe_path(checkout: Checkout, path: str, code: str) -> None:
    """A record that points out of the checkout is not followed."""
    subject: Value = {"kind": "folder", "path": path, "sha256": "0" * 64, "size": 1, "files": 1}
    record = make_record("own", "train") | {"subjects": [subject]}
    (checkout.root / "data/records/own/train.json").write_bytes(canonical.encode(record))
    found = only(checkout.check())
    assert found.finding is not None
    assert (found.finding.code, found.path) == (code, "data/records/own/train.json")


def test_22_two_records_whose_paths_differ_only_in_case(checkout: Checkout) -> None:
    subject = checkout.subject("ingest")
    assert isinstance(subject, dict)
    record = make_record("own", "train") | {"subjects": [subject | {"path": "data/own/RAW"}]}
    (checkout.root / "data/records/own/train.json").write_bytes(canonical.encode(record))
    codes = {found.finding.code for found in checkout.check() if found.finding}
    assert "path-unsafe" in codes


def test_record_in_the_wrong_place_or_shape(checkout: Checkout) -> None:
    """A record file speaks for its own slot only, in its one form."""
    records = checkout.root / "data/records/own"
    (records / "train.json").write_bytes((records / "ingest.json").read_bytes())
    assert only(checkout.check()).code == "path-unsafe"
    (records / "train.json").write_bytes(b'{"v": 1}')
    assert only(checkout.check()).code == "json-not-canonical"
    (records / "train.json").unlink()
    (records / "train.json").symlink_to("ingest.json")
    assert only(checkout.check()).code == "file-not-plain"


def test_24_file_that_changes_while_it_is_hashed(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """A digest of a moving file would be of no file that ever existed."""
    victim = checkout.root / "data/own/raw/a.txt"
    real = digest._hash

    def slow(descriptor: int, expected: int) -> tuple[str, int]:
        found = real(descriptor, expected)
        victim.write_text("moved on")
        return found

    monkeypatch.setattr(digest, "_hash", slow)
    codes = {found.finding.code for found in checkout.check() if found.finding}
    assert "file-changing" in codes
