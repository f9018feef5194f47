"""Storing in a folder and fetching back: what is logged, what is refused, and what is left when it fails."""

import errno
import json
import os
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from synthtrail.custody.errors import ArtifactError, ChangedError, FormatError, UsageError
from synthtrail.handover import fetching, storing
from synthtrail.handover.objects import StoreError
from synthtrail.handover.packs import Member, plan
from synthtrail.handover.sealing import SealError
from synthtrail.storage.home import home
from tests.unit.handover.lab import Lab, noise


def put(lab: Lab, url: Path | str, limit: int = 1500) -> storing.Stored:
    """Store what was generated."""
    item, path = storing.where(lab.custodian, "data/iris/synthetic")
    return storing.store(lab.custodian, lab.operator, item, path, str(url), limit=limit)


def test_what_is_stored_comes_back_as_it_was(lab: Lab, tmp_path: Path) -> None:
    """The store holds ciphertext only; the ledger says where, and the artifact comes back byte for byte."""
    made = put(lab, tmp_path / "store")
    assert made.count == 4  # three files that do not fit together, and the index
    assert lab.events()[-1] == "stored"
    for path in (tmp_path / "store").rglob("*.age"):
        assert noise("iris generate 0", 1000)[:32] not in path.read_bytes()
        assert b"part-000" not in path.read_bytes()
    shutil.rmtree(lab.root / "data/iris/synthetic")
    lab.run("fetch", "data/iris/synthetic")
    assert (lab.root / "data/iris/synthetic/part-001.bin").read_bytes() == noise("iris generate 1", 1000)
    assert not list(home().work(lab.custodian.policy.origin).rglob("*"))
    lab.run("verify")


def test_storing_again_changes_nothing(lab: Lab, tmp_path: Path) -> None:
    """Objects that are there, counted and as the ledger says are not made anew, and no second entry is made."""
    first = put(lab, tmp_path / "store")
    entries = len(lab.events())
    assert put(lab, tmp_path / "store").index == first.index
    assert len(lab.events()) == entries
    next((tmp_path / "store").rglob("00001.age")).unlink()
    assert put(lab, tmp_path / "store").entry is not None  # something was missing: stored anew, and logged


def test_a_changed_file_is_not_stored(lab: Lab, tmp_path: Path) -> None:
    """What is sealed is hashed on the way, and must be what the ledger says."""
    (lab.root / "data/iris/synthetic/part-001.bin").write_bytes(noise("other", 1000))
    with pytest.raises(ChangedError, match=r"part-001\.bin is not what the ledger says"):
        put(lab, tmp_path / "store")
    assert lab.events()[-1] == "validated"


def test_only_what_was_logged_can_be_stored(lab: Lab, tmp_path: Path) -> None:
    """A stranger's file is refused, and so is an artifact that is not here."""
    (lab.root / "stray.csv").write_text("a,b\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no event mentions"):
        storing.where(lab.custodian, "stray.csv")
    shutil.rmtree(lab.root / "data/iris/report")
    with pytest.raises(UsageError, match="is not here"):
        storing.where(lab.custodian, "data/iris/report")
    with pytest.raises(UsageError, match="no store for"):
        put(lab, "gs://bucket/x")
    with pytest.raises(UsageError, match="credentials"):
        put(lab, "s3://key:secret@bucket/x")


def test_what_was_changed_in_the_store_is_not_fetched(lab: Lab, tmp_path: Path) -> None:
    """A flipped byte, a swapped pack and another's index are refused, and no target appears."""
    put(lab, tmp_path / "store")
    item, target = lab.made["iris/generate"], tmp_path / "again"
    folder = tmp_path / "store" / item.digest.hex()
    whole = (folder / "00001.age").read_bytes()
    for wrong in (whole[:-1], bytes([*whole[:-1], whole[-1] ^ 1]), (folder / "00000.age").read_bytes()):
        (folder / "00001.age").write_bytes(wrong)
        with pytest.raises(FormatError, match=r"00001\.age is not what was stored"):
            fetching.fetch(lab.custodian, item, target)
        assert not target.exists()
    (folder / "00001.age").write_bytes(whole)
    shutil.copy(folder / "00000.age", folder / "index.age")
    with pytest.raises((FormatError, SealError, StoreError)):
        fetching.fetch(lab.custodian, item, target)
    assert not list(tmp_path.glob(".again*"))


def test_what_the_first_version_stored_is_fetched(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its index had SHA-256 of each pack where there is BLAKE3 now."""
    with monkeypatch.context() as before:
        before.setattr("synthtrail.handover.sealing.blake3", sha256)
        put(lab, tmp_path / "store")
    parse = json.loads

    def older(data: bytes) -> object:
        value = parse(data)
        for pack in value.get("packs", []):
            pack["sha256"] = pack.pop("blake3")
        return value

    monkeypatch.setattr("synthtrail.handover.fetching.json.loads", older)
    fetching.fetch(lab.custodian, lab.made["iris/generate"], tmp_path / "again")
    assert (tmp_path / "again/part-001.bin").read_bytes() == noise("iris generate 1", 1000)


def test_a_link_in_the_place_of_an_object_leads_nowhere(lab: Lab, tmp_path: Path) -> None:
    """Who may write to a shared store cannot have another file overwritten."""
    folder = tmp_path / "store" / lab.made["iris/generate"].digest.hex()
    folder.mkdir(parents=True)
    (tmp_path / "precious").write_text("mine", encoding="utf-8")
    (folder / "00000.age.part").symlink_to(tmp_path / "precious")
    (folder / "00001.age").symlink_to(tmp_path / "precious")
    put(lab, tmp_path / "store")
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "mine"
    fetching.fetch(lab.custodian, lab.made["iris/generate"], tmp_path / "again")


def test_one_file_is_fetched_and_proved_singly(lab: Lab, tmp_path: Path) -> None:
    """Only its pack is read: another pack may even be gone; what proves it lies beside it."""
    put(lab, tmp_path / "store")
    item = lab.made["iris/generate"]
    (tmp_path / "store" / item.digest.hex() / "00000.age").unlink()
    made = fetching.fetch_item(lab.custodian, item, "part-002.bin", tmp_path / "one")
    assert (tmp_path / "one/part-002.bin").read_bytes() == noise("iris generate 2", 1000)
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "entry.tlog-proof",
        "folder.manifest",
        "part-002.bin",
    ]
    assert item.digest.hex() in made.steps[-2]
    lab.run("verify", str(tmp_path / "one/entry.tlog-proof"))
    with pytest.raises(UsageError, match="neither a file nope"):
        fetching.fetch_item(lab.custodian, item, "nope", tmp_path / "two")
    assert not (tmp_path / "two").exists()


def test_a_full_disk_is_one_line_and_loses_nothing(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is logged; with room again, the same command completes it."""
    write = os.write

    def full(descriptor: int, data: bytes | memoryview) -> int:
        if len(data) > 1200:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    with monkeypatch.context() as patched:
        patched.setattr("synthtrail.handover.readback.os.write", full)
        lab.run("store", "data/iris/synthetic", "--to", str(tmp_path / "store"), code=2)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "No space left on device; make room and run the same command again" in said
    assert lab.events()[-1] == "validated"
    lab.run("store", "data/iris/synthetic", "--to", str(tmp_path / "store"))
    assert lab.events()[-1] == "stored"


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EIO])
def test_a_disk_that_refuses_or_fails_is_one_line(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    """Where, why, and what to do; nothing is logged."""

    def refusing(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr("synthtrail.handover.readback.os.write", refusing)
        lab.run("store", "data/iris/synthetic", "--to", str(tmp_path / "store"), code=2)
    said = capsys.readouterr().err
    assert f"{os.strerror(code)}; nothing was lost: see to it, and run the same command again" in said
    assert lab.events()[-1] == "validated"
    lab.run("store", "data/iris/synthetic", "--to", str(tmp_path / "store"))


def test_a_folder_that_lies_about_what_was_written_is_noticed(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every block is read back."""
    monkeypatch.setattr("synthtrail.handover.readback.os.preadv", lambda _file, buffers, _at: len(buffers[0]))  # zeros
    with pytest.raises(StoreError, match="reads back differently"):
        put(lab, tmp_path / "store")
    assert lab.events()[-1] == "validated"


def test_a_lost_identity_is_one_clear_error(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without its identity nobody opens what was stored; the audit knows before somebody needs it."""
    put(lab, tmp_path / "store")
    next(home().identities(lab.custodian.policy.origin).glob("*.age")).unlink()
    lab.run("fetch", "data/iris/synthetic", "--to", str(tmp_path / "x"), code=2)
    assert "no such identity" in capsys.readouterr().err
    lab.run("audit", code=1)
    assert "key-missing" in capsys.readouterr().out


def test_an_unwritable_place_is_refused_before_anything(lab: Lab, tmp_path: Path) -> None:
    """A file where the folder should be."""
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(StoreError, match="nothing was stored"):
        put(lab, tmp_path / "file/inner")
    assert not list(home().work(lab.custodian.policy.origin).iterdir())


def test_a_changed_kept_manifest_is_not_believed(lab: Lab) -> None:
    """The manifest proves itself by the artifact's digest; another one is made from the files, which must fit."""
    item = lab.made["iris/generate"]
    (lab.root / "ledger/manifests" / item.digest.hex()).write_bytes(b"00\n")
    assert b"part-000.bin" in storing.manifest_of(lab.custodian, item, lab.root / item.path)
    (lab.root / "data/iris/synthetic/part-000.bin").unlink()
    with pytest.raises(ArtifactError, match="not what the ledger says"):
        storing.manifest_of(lab.custodian, item, lab.root / item.path)


def test_packs_keep_the_order_and_the_limit() -> None:
    """A file is never cut, and a pack over the limit holds one file only."""
    members = [Member(f"{n:04d}", "00" * 32, size) for n, size in enumerate([5, 5, 90, 200, 1, 99, 1])]
    cut = plan(members, limit=100)
    assert [[m.size for m in pack.members] for pack in cut] == [[5, 5, 90], [200], [1, 99], [1]]
