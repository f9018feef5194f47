"""Digests that a shell repeats, and everything that would make one lie."""

import errno
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from synthtrail.custody import digest
from synthtrail.custody.digest import Difference, Digest
from synthtrail.custody.errors import ArtifactError, ChangedError, FormatError

HELLO = sha256(b"hello").hexdigest()
REFUSED = (ArtifactError, ChangedError)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder whose order by bytes differs from its order by folder or by locale."""
    root = tmp_path / "artifact"
    for name in ("a/z", "a-b", "a.txt", "B", "é", "ﬀ 𝄞", "sub/deeper/x y", "sub/'quoted\"", "sub/-dash", "empty"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name == "empty" else name.encode())
    (root / "no files here").mkdir()
    return root


def in_shell(command: str, folder: Path) -> bytes:
    if not shutil.which("sha256sum"):
        pytest.skip("no sha256sum")
    return subprocess.run(["bash", "-c", command], cwd=folder, check=True, capture_output=True).stdout


def test_a_shell_makes_the_same_manifest(tree: Path) -> None:
    command = r"find . -type f -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum"
    assert digest.manifest(tree) == in_shell(command, tree)
    assert digest.folder(tree).sha256.encode() == in_shell(f"{command} | sha256sum", tree).split()[0]


def test_a_folder_is_named_by_its_manifest(tree: Path) -> None:
    found = digest.folder(tree)
    files = [path for path in tree.rglob("*") if path.is_file()]
    assert found.sha256 == sha256(digest.manifest(tree)).hexdigest()
    assert found.size == sum(path.stat().st_size for path in files)
    assert (found.files, found.kind) == (len(files), "folder")
    assert digest.artifact(tree) == found


@pytest.mark.parametrize("size", [0, 1, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 3_000_000])
def test_a_file_is_named_by_its_bytes(tmp_path: Path, size: int) -> None:
    path = tmp_path / "f"
    data = os.urandom(size)
    path.write_bytes(data)
    found = digest.file(path)
    assert found == Digest(sha256(data).hexdigest(), size)
    assert found.kind == "file"
    assert digest.artifact(str(path)) == found


def test_nothing_there_is_said_plainly(tmp_path: Path) -> None:
    for function in (digest.artifact, digest.file, digest.folder, digest.manifest):
        with pytest.raises(FileNotFoundError):
            function(tmp_path / "absent")


def test_file_and_folder_are_not_mistaken(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"hello")
    with pytest.raises(ArtifactError):
        digest.folder(tmp_path / "f")
    with pytest.raises(ArtifactError):
        digest.file(tmp_path)


def test_a_folder_without_files_is_no_artifact(tmp_path: Path) -> None:
    (tmp_path / "only" / "folders").mkdir(parents=True)
    with pytest.raises(ArtifactError) as caught:
        digest.folder(tmp_path)
    assert caught.value.code == "empty"


def link(path: Path) -> None:
    path.symlink_to(path.parent / "target")


def link_to_folder(path: Path) -> None:
    path.symlink_to(path.parent / "folder")


def dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def socket_file(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path may have some hundred bytes only
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)


@pytest.mark.parametrize("make", [link, link_to_folder, dangling_link, pipe, socket_file])
def test_only_files_and_folders_are_digested(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Within a folder and by itself; a pipe does not make us wait for a writer."""
    root = tmp_path / "artifact"
    (root / "folder").mkdir(parents=True)
    (root / "target").write_bytes(b"hello")
    make(root / "odd")
    for function, path in [(digest.folder, root), (digest.file, root / "odd"), (digest.artifact, root / "odd")]:
        with pytest.raises(ArtifactError) as caught:
            function(path)
        assert caught.value.code == "not-regular"


def test_a_device_is_refused() -> None:
    with pytest.raises(ArtifactError) as caught:
        digest.file("/dev/null")
    assert caught.value.code == "not-regular"


def test_the_artifact_itself_may_not_be_a_link(tree: Path) -> None:
    alias = tree.with_name("alias")
    alias.symlink_to(tree)
    with pytest.raises(ArtifactError):
        digest.folder(alias)


def test_hard_links_are_refused_where_asked(tree: Path) -> None:
    (tree.parent / "second name").hardlink_to(tree / "sub/deeper/x y")
    digest.folder(tree)
    for function, path in [(digest.folder, tree), (digest.manifest, tree), (digest.artifact, tree / "sub/deeper/x y")]:
        with pytest.raises(ArtifactError) as caught:
            function(path, hard_links=False)
        assert caught.value.code == "hard-link"


@pytest.mark.parametrize(
    "name",
    [
        b"new\nline",
        b"tab\t",
        b"return\r",
        b"back\\slash",
        b"\x7f",
        b"latin-\xe9",
        b"e\xcc\x81",
        b"\xed\xa0\x80",
        b"-rf",
    ],
)
def test_names_that_cannot_stand_in_a_manifest_are_refused(tmp_path: Path, name: bytes) -> None:
    with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:  # noqa: PTH118, PTH123  not every name is a Path
        file.write(b"hello")
    with pytest.raises(ArtifactError) as caught:
        digest.folder(tmp_path)
    assert caught.value.code == "name"


@pytest.mark.parametrize(("one", "other"), [("Readme", "README"), ("straße", "STRASSE"), ("D/a", "d/b")])
def test_names_that_differ_only_in_case_are_refused(tmp_path: Path, one: str, other: str) -> None:
    for name in (one, other):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"hello")
    with pytest.raises(ArtifactError) as caught:
        digest.folder(tmp_path)
    assert caught.value.code == "case-clash"


def test_folders_without_end_are_refused(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * (digest.MAX_DEPTH + 1))
    deep.mkdir(parents=True)
    (deep / "f").write_bytes(b"hello")
    with pytest.raises(ArtifactError) as caught:
        digest.folder(tmp_path)
    assert caught.value.code == "depth"
    assert digest.folder(tmp_path / "d").files == 1


def test_what_cannot_be_opened_is_not_skipped(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader without permission (the tests may run as one who has them all) gets an error, not a smaller folder."""
    opened = os.open

    def refuse(path: str, flags: int, *, dir_fd: int | None = None) -> int:
        if path == "a.txt":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return opened(path, flags, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ArtifactError) as caught:
        digest.folder(tree)
    assert caught.value.code == "unreadable"


def interfere(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let `act` happen once, while the first file is being read."""
    original = digest._hash
    done: list[object] = []

    def hash_and_act(descriptor: int, expected: int) -> tuple[str, int]:
        found = original(descriptor, expected)
        if not done:
            time.sleep(0.02)  # a file system's clock may tick every few milliseconds only
            done.append(act())
        return found

    monkeypatch.setattr(digest, "_hash", hash_and_act)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def rewrite_and_hide(path: Path) -> None:
    """Other content of the same size, with the old time stamp put back."""
    before = path.stat()
    path.write_bytes(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("act", [grow, rewrite_and_hide, lambda path: os.truncate(path, 0)])
@pytest.mark.parametrize("size", [10, 1_000_000])
def test_a_file_that_changes_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], None], size: int
) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * size)
    interfere(monkeypatch, lambda: act(path))
    with pytest.raises(ChangedError):
        digest.file(path)
    assert digest.file(path).size == path.stat().st_size


def test_a_file_that_does_not_know_its_size() -> None:
    """What the kernel makes up while it is read has no bytes of its own to be named by."""
    path = Path("/proc/version")
    if not path.exists():
        pytest.skip("no /proc")
    with pytest.raises(ChangedError):
        digest.file(path)


@pytest.mark.parametrize(
    "act",
    [
        lambda root: (root / "new").write_bytes(b""),
        lambda root: (root / "é").unlink(),
        lambda root: (root / "a.txt").rename(root / "renamed"),
        lambda root: shutil.rmtree(root / "sub"),
    ],
)
def test_a_folder_that_changes_while_it_is_read(
    tree: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], object]
) -> None:
    interfere(monkeypatch, lambda: act(tree))
    with pytest.raises(ChangedError):
        digest.folder(tree)


def test_a_folder_exchanged_for_a_link_while_it_is_read(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The listing said folder; what is opened later is a link to another one."""

    def exchange() -> None:
        shutil.rmtree(tree / "sub")
        (tree / "sub").symlink_to(tree / "a")

    interfere(monkeypatch, exchange)
    with pytest.raises(REFUSED):
        digest.folder(tree)


def test_no_descriptor_is_left_open(tree: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  counting, not walking
    digest.folder(tree)
    (tree / "odd").symlink_to("x")
    with pytest.raises(ArtifactError):
        digest.folder(tree)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_manifests_round_trip(tree: Path) -> None:
    data = digest.manifest(tree)
    files = digest.parse_manifest(data)
    assert digest.encode_manifest(files) == data
    assert files["B"] == sha256(b"B").hexdigest()


def lines(*names: str) -> bytes:
    return "".join(f"{HELLO}  {name}\n" for name in names).encode()


MANIFESTS = {
    "empty": b"",
    "no newline at the end": lines("a")[:-1],
    "empty line": lines("a") + b"\n",
    "upper-case digest": lines("a").upper(),
    "short digest": lines("a")[1:],
    "one space": lines("a").replace(b"  ", b" "),
    "binary marker": lines("a").replace(b"  ", b" *"),
    "no name": lines(""),
    "not utf-8": lines("a").replace(b"a\n", b"\xe9\n"),
    "absolute": lines("/etc/passwd"),
    "parent": lines("../a"),
    "parent inside": lines("a/../b"),
    "here": lines("./a"),
    "doubled slash": lines("a//b"),
    "slash at the end": lines("a/"),
    "backslash": lines("a\\b"),
    "NUL": lines("a\0b"),
    "leading dash": lines("-a"),
    "not NFC": lines("e\u0301"),
    "unsorted": lines("b", "a"),
    "twice": lines("a", "a"),
    "case clash": lines("A", "a"),
    "case clash of folders": lines("A/x", "a/y"),
    "file and folder": lines("a", "a/b"),
    "file and folder in other case": lines("A", "a/b"),
    "folder and file in other case": lines("A/b", "a"),
}


@pytest.mark.parametrize("data", MANIFESTS.values(), ids=MANIFESTS.keys())
def test_only_manifests_are_parsed(data: bytes) -> None:
    with pytest.raises(FormatError):
        digest.parse_manifest(data)


def test_a_dash_further_down_is_harmless() -> None:
    assert list(digest.parse_manifest(lines("a/-b"))) == ["a/-b"]
    digest.check_path("a/-b")
    with pytest.raises(FormatError) as caught:
        digest.check_path("..")
    assert caught.value.code == "path"


def test_a_difference_names_files(tree: Path) -> None:
    before = digest.manifest(tree)
    assert not digest.difference(before, before)
    (tree / "new").write_bytes(b"")
    (tree / "a-b").unlink()
    (tree / "B").write_bytes(b"other")
    (tree / "a.txt").rename(tree / "b.txt")
    found = digest.difference(before, digest.manifest(tree))
    assert found == Difference(added=("b.txt", "new"), removed=("a-b", "a.txt"), changed=("B",))
    assert found
