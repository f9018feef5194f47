"""Bundles: equal content gives equal bytes, a good one verifies offline, and no other form is accepted."""

import io
import stat
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from synthtrail.cli import bundle as command
from synthtrail.custody import acts, archive, digest
from synthtrail.custody.archive import Archive, Member
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.errors import DataError, FormatError, StorageError
from synthtrail.custody.log import Log
from synthtrail.custody.verify import verify
from tests.unit.custody.ledger_factory import OPERATOR, World, good_world, make_record

RAW = "data/own/raw"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A ledger of three bundles of entries, and one artifact that really is there."""
    made = good_world(tmp_path_factory.mktemp("world"), quorum=0)
    for version in range(2, 52):
        made.run("wine", version)
    folder = made.folder / RAW
    (folder / "sub").mkdir(parents=True)
    (folder / "a.csv").write_text("1,2\n")
    (folder / "sub/ü.csv").write_text("3,4\n")
    found = digest.folder(folder)
    record = make_record("own", "ingest")
    record["subjects"] = [
        {"kind": "folder", "path": RAW, "sha256": found.sha256, "size": found.size, "files": found.files}
    ]
    at = made.tick()
    with made.ledger.transaction(at) as tx:
        tx.append([acts.made(tx.state, record, OPERATOR, at=at)])
    return made


@pytest.fixture(scope="module")
def reader(world: World) -> FolderReader:
    return FolderReader(world.path)


@pytest.fixture(scope="module")
def good(world: World, reader: FolderReader) -> bytes:
    """A bundle with everything in it."""
    return packed(
        [
            *archive.ledger_members(reader.read),
            *archive.artifact_members(world.folder, RAW),
            archive.member("ledger/anchors/5.tsr", b"token"),
            archive.member("policy.json", world.policy.encode()),
        ]
    )


def packed(members: list[Member]) -> bytes:
    file = io.BytesIO()
    archive.write(file, members)
    return file.getvalue()


def opened(data: bytes) -> Archive:
    return Archive(io.BytesIO(data))


def test_a_bundle_verifies_like_its_folder(world: World, reader: FolderReader, good: bytes) -> None:
    found = opened(good)
    report, ours = (verify(source, world.policy, now=world.now) for source in (found, reader))
    assert (report.level, report.root, report.size) == (ours.level, ours.root, ours.size)
    assert report.level == "A"
    assert report.size > 256
    assert report.state is not None
    assert found.policy == world.policy.encode()
    assert found.read("anchors/5.tsr") == b"token"
    (only,) = archive.check_artifacts(found, report.state, Log(found.read, report.size))
    assert (only.path, only.slot, only.status) == (RAW, "own/ingest", "ok")
    with pytest.raises(FileNotFoundError):
        found.read("tile/7/000")


def test_equal_content_gives_equal_bytes(reader: FolderReader) -> None:
    """Whatever the order, the time and the file's own dates; and what is inside is stored, not compressed."""
    members = list(archive.ledger_members(reader.read))
    assert packed(members) == packed(members[::-1])
    with zipfile.ZipFile(io.BytesIO(packed(members))) as plain:
        assert plain.testzip() is None
        assert {info.date_time for info in plain.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert all(info.file_size == info.compress_size for info in plain.infolist())


def test_partial_tiles_are_cut_from_full_ones(world: World, tmp_path: Path) -> None:
    """A bundle of an earlier checkpoint holds exactly what a log of that size has."""
    small = good_world(tmp_path, quorum=0)
    before, size = packed(list(archive.ledger_members(FolderReader(small.path).read))), small.ledger.head.size
    files = {f"tile/{level}/000.p/{size}": world.path / f"tile/{level}/000" for level in ("0", "entries")}

    def read(path: str) -> bytes:
        return files[path].read_bytes()[:32] if path in files else (small.path / path).read_bytes()

    assert packed(list(archive.ledger_members(FolderReader(small.path).read))) == before
    with pytest.raises((DataError, StorageError)):
        list(archive.ledger_members(read))


def test_a_missing_tile_is_named(world: World) -> None:
    def read(path: str) -> bytes:
        if path.startswith("tile/1/"):
            raise FileNotFoundError(path)
        return (world.path / path).read_bytes()

    with pytest.raises(StorageError, match="tile/1/000"):
        list(archive.ledger_members(read))


def rewritten(
    data: bytes, change: Callable[[zipfile.ZipInfo, bytes], Iterator[tuple[zipfile.ZipInfo | str, bytes]]]
) -> bytes:
    """The bundle written anew by an ordinary ZIP library, each member replaced by what `change` yields."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(file, "w") as target:
        for info in source.infolist():
            content = source.read(info)
            for name, new in change(info, content):
                target.writestr(name, new)
    return file.getvalue()


def renamed(name: str) -> Callable[[zipfile.ZipInfo, bytes], Iterator[tuple[zipfile.ZipInfo | str, bytes]]]:
    def change(info: zipfile.ZipInfo, content: bytes) -> Iterator[tuple[zipfile.ZipInfo | str, bytes]]:
        if info.filename == "policy.json":
            copy = zipfile.ZipInfo(name)
            copy.create_system, copy.external_attr = info.create_system, info.external_attr
            yield copy, content
        else:
            yield info, content

    return change


@pytest.mark.parametrize(
    "name",
    [
        "../policy.json",
        "/etc/passwd",
        "ledger/../policy.json",
        "artifacts/../../x",
        "artifacts//x",
        "artifacts/a\\b",
        "artifacts/C:/x\x01",
        "artifacts/-rf/\x7f",
        "stray.txt",
        "ledger/entries.jsonl",
        "ledger/tile/0/000.p/300",
        "ledger/tile/0/0",
        "artifacts/data/own/RAW/a.csv",
        "artifacts/data/own/raw/a.csv/inner",
        "artifacts/folder/",
    ],
)
def test_22_unsafe_names(good: bytes, name: str) -> None:
    """Traversal, absolute paths, two spellings of one name, a file that is a folder too, names with no place here."""
    moved = rewritten(good, renamed(name))
    with pytest.raises(FormatError):
        opened(sorted_again(moved))


def sorted_again(data: bytes) -> bytes:
    """The same members in ascending order, so that the name is the only fault."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(file, "w") as target:
        for info in sorted(source.infolist(), key=lambda one: one.filename):
            target.writestr(info, source.read(info))
    return file.getvalue()


def test_sorting_again_alone_changes_nothing(good: bytes) -> None:
    """So the tests around this one test what they say."""
    assert sorted_again(good) == good
    assert rewritten(good, lambda info, content: iter([(info, content)])) == good


def altered(
    field: str, value: object
) -> Callable[[zipfile.ZipInfo, bytes], Iterator[tuple[zipfile.ZipInfo | str, bytes]]]:
    def change(info: zipfile.ZipInfo, content: bytes) -> Iterator[tuple[zipfile.ZipInfo | str, bytes]]:
        if info.filename == "policy.json":
            setattr(info, field, value)
        yield info, content

    return change


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("compress_type", zipfile.ZIP_DEFLATED),
        ("external_attr", (stat.S_IFLNK | 0o777) << 16),
        ("external_attr", (stat.S_IFIFO | 0o644) << 16),
        ("external_attr", 0o100755 << 16),
        ("create_system", 0),
        ("date_time", (2026, 1, 1, 0, 0, 0)),
        ("comment", b"hidden"),
        ("extra", b"\x99\x99\x02\x00ab"),
        ("internal_attr", 1),
    ],
)
def test_another_form_of_a_member(good: bytes, field: str, value: object) -> None:
    """Compression, links, devices, dates, comments and further fields have no place."""
    with pytest.raises(FormatError):
        opened(rewritten(good, altered(field, value)))


def test_duplicates(good: bytes) -> None:
    def twice(info: zipfile.ZipInfo, content: bytes) -> Iterator[tuple[zipfile.ZipInfo | str, bytes]]:
        yield info, content
        if info.filename == "policy.json":
            yield replace_info(info), b"{}"

    with pytest.warns(UserWarning, match="Duplicate name"):
        data = rewritten(good, twice)
    with pytest.raises(FormatError):
        opened(data)


def replace_info(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    copy = zipfile.ZipInfo(info.filename)
    copy.create_system, copy.external_attr = info.create_system, info.external_attr
    return copy


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"MZ" + data,
        lambda data: data + b"\0",
        lambda data: data[:-1],
        lambda data: data[:-2] + b"\x05\x00hello",
        lambda data: data[1:],
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"not a zip at all",
    ],
    ids=["prefix", "suffix", "cut", "comment", "first byte", "half", "nothing", "text"],
)
def test_bytes_around_a_bundle(good: bytes, change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(FormatError):
        opened(change(good))


def directory_of(data: bytes) -> int:
    return data.index(b"PK\x01\x02")


def test_lying_headers(good: bytes) -> None:
    """Each byte of the directory and of a local header counts, or is caught by the checksum when it is read."""
    start = directory_of(good)
    entry = 46 + len(opened(good).paths[0].encode())
    for at in [*range(30), *range(start, start + entry)]:
        broken = bytearray(good)
        broken[at] ^= 0x41
        with pytest.raises((FormatError, OSError)):
            every_byte(opened(bytes(broken)))


def test_directory_that_points_elsewhere(good: bytes) -> None:
    """Two readers, one of which goes by the directory, must not see two contents; and nothing hides in a gap."""
    start = directory_of(good)
    last = good.rindex(b"PK\x01\x02")
    elsewhere = bytearray(good)
    elsewhere[last + 42 : last + 46] = bytes(4)
    end = len(good) - 22
    hidden = bytearray(good[:start] + b"hidden" + good[start:])
    hidden[end + 6 + 16 : end + 6 + 20] = (start + 6).to_bytes(4, "little")
    for broken in (elsewhere, hidden):
        with zipfile.ZipFile(io.BytesIO(broken)) as accepted:
            assert len(accepted.namelist()) == len(opened(good).paths)
        with pytest.raises(FormatError):
            opened(bytes(broken))


def every_byte(found: Archive) -> None:
    for path in found.paths:
        if path.startswith("ledger/"):
            found.read(path.removeprefix("ledger/"))
        if path.startswith("artifacts/"):
            found.artifact(path.removeprefix("artifacts/"))
    if found.policy is None:
        raise FormatError("the policy is gone")


def test_rotten_content_is_no_other_content(world: World, good: bytes) -> None:
    """A flipped byte within a member is a damaged ledger or a changed artifact, not a crash."""
    at = good.index(b"ledger/checkpoint") + 40
    broken = opened(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
    assert verify(broken, world.policy, now=world.now).level is None
    with pytest.raises(OSError, match="checkpoint"):
        broken.read("checkpoint")
    at = good.index(b"1,2\n")
    broken = opened(good[:at] + b"9" + good[at + 1 :])
    report = verify(broken, world.policy, now=world.now)
    assert report.state is not None
    (only,) = archive.check_artifacts(broken, report.state, Log(broken.read, report.size))
    assert only.finding is not None
    assert only.finding.code == "artifact-changed"


@pytest.mark.parametrize(
    ("path", "content", "status", "code"),
    [
        (f"{RAW}/a.csv", b"9,9\n", "changed", "folder-changed"),
        (f"{RAW}/more.csv", b"9,9\n", "changed", "folder-changed"),
        ("data/own/stray.csv", b"9,9\n", "unlogged", "artifact-never-logged"),
        ("data/iris/model/weights", b"9,9\n", "changed", "folder-changed"),
    ],
)
def test_artifacts_that_are_not_what_was_signed(
    world: World, path: str, content: bytes, status: str, code: str
) -> None:
    reader = FolderReader(world.path)
    members = {one.path: one for one in archive.artifact_members(world.folder, RAW)}
    members |= {f"artifacts/{path}": archive.member(f"artifacts/{path}", content)}
    found = opened(packed([*archive.ledger_members(reader.read), *members.values()]))
    report = verify(found, world.policy, now=world.now)
    assert report.state is not None
    differing = [
        one for one in archive.check_artifacts(found, report.state, Log(found.read, report.size)) if one.finding
    ]
    (only,) = differing
    assert only.finding is not None
    assert (only.status, only.finding.code, only.finding.severity) == (status, code, "error")


@pytest.mark.parametrize("limit", [1000, 100_000])
def test_large_members_have_other_headers(
    world: World, reader: FolderReader, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Beyond 2 GiB, here lowered, ZIP has further fields; they are accepted as written."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", limit)
    big = archive.member("artifacts/big", b"x" * limit * 2)
    data = packed([big, *archive.ledger_members(reader.read), archive.member("policy.json", b"{}")])
    found = opened(data)
    assert found.artifact("big") == digest.Digest(sha256(b"x" * limit * 2).hexdigest(), limit * 2)
    assert verify(found, world.policy, now=world.now).level == "A"
    for at in range(30):
        with pytest.raises((FormatError, OSError)):
            every_byte(opened(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :]))


def test_the_command_packs_and_says_what_it_packed(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`synthtrail bundle`, from the checkout, with an artifact and the policy."""
    monkeypatch.chdir(world.folder)
    policy = tmp_path / "policy.json"
    policy.write_bytes(world.policy.encode())
    first, second = tmp_path / "one.zip", tmp_path / "two.zip"
    wanted = ["--policy", str(policy), "--artifact", RAW, "--with-policy"]
    for target in (first, second):
        assert run(["-o", str(target), *wanted]) == 0
    assert first.read_bytes() == second.read_bytes()
    assert f"{RAW}: ok" in capsys.readouterr().out
    (world.folder / RAW / "a.csv").write_text("changed")
    try:
        assert run(["-o", str(first), *wanted]) == 1
    finally:
        (world.folder / RAW / "a.csv").write_text("1,2\n")
    assert "folder-changed" in capsys.readouterr().out
    assert not list(tmp_path.glob("*.part"))


def run(words: list[str]) -> int:
    import argparse  # noqa: PLC0415

    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args(words))
