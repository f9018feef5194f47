"""A download survives broken connections and busy servers, and is whole under its name or not there."""

import fcntl
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from synthtrail.cli import main
from synthtrail.data import download
from synthtrail.data.dropped import RemoteFile
from synthtrail.data.errors import SourceError

CONTENT = bytes(range(256)) * 4_000  # 1 MB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT; `breaks` are how many bytes each of the next answers brings before its connection ends."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.breaks, self.busy, self.ranges = CONTENT, list[int](), 0, True
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file"


class Handler(BaseHTTPRequestHandler):
    """Answers with the file, or the part that is asked for."""

    server: Server

    def do_GET(self) -> None:
        server, asked = self.server, self.headers["Range"]
        server.asked.append(asked)
        if server.busy or self.path != "/file":
            server.busy -= 1
            self.send_error(503 if self.path == "/file" else 404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges else 0
        if start >= len(server.content):
            self.send_error(416)
            return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.breaks.pop(0)] if server.breaks else body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of its own for each test, on this machine."""
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def remote(server: Server, digest: str = SHA256, size: int | None = None) -> RemoteFile:
    """Return what a descriptor would say of the file."""
    return RemoteFile("file.bin", "sha256", digest, server.url, size)


def test_connections_that_break_are_continued(server: Server, tmp_path: Path) -> None:
    """Each further connection asks for the rest only; the bytes and their count are right."""
    server.breaks = [300_000, 100, 400_000]
    counts, pauses = list[int](), list[float]()
    path = download.fetch(remote(server), tmp_path, counts.append, pauses.append)
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=300100-", "bytes=700100-"]
    assert sum(counts) == len(CONTENT)
    assert pauses == [1, 1, 1]  # each brought something
    assert [file.name for file in tmp_path.iterdir()] == ["file.bin"]
    assert download.fetch(remote(server), tmp_path) == path
    assert len(server.asked) == 4  # what is there is left alone


def test_a_server_without_ranges_starts_anew(server: Server, tmp_path: Path) -> None:
    """The whole file replaces the part, in bytes and in progress."""
    server.breaks, server.ranges = [300_000], False
    counts = list[int]()
    download.fetch(remote(server), tmp_path, counts.append, lambda _: None)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert sum(counts) == len(CONTENT)


def test_giving_up_keeps_what_came(server: Server, tmp_path: Path) -> None:
    """After five pauses one line; the next run goes on from there."""
    server.breaks = [250_000]
    pauses = list[float]()

    def broken(pause: float) -> None:
        pauses.append(pause)
        server.busy = 1

    with pytest.raises(SourceError, match=r"file.bin: .*HTTP 503.*250,000 bytes are kept") as caught:
        download.fetch(remote(server), tmp_path, sleep=broken)
    assert "\n" not in str(caught.value)
    assert pauses == [1, 2, 4, 8, 16]
    server.busy = 0
    assert download.fetch(remote(server), tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=250000-"


def test_an_old_part_of_another_file_is_fetched_again(server: Server, tmp_path: Path) -> None:
    """What was continued and has the wrong digest is tried once from the start."""
    (tmp_path / ".file.bin.part").write_bytes(b"x" * 1000)
    assert download.fetch(remote(server), tmp_path).read_bytes() == CONTENT
    (tmp_path / "file.bin").unlink()
    (tmp_path / ".file.bin.part").write_bytes(b"x" * (len(CONTENT) + 5))
    assert download.fetch(remote(server), tmp_path).read_bytes() == CONTENT


def test_a_wrong_file_is_not_kept(server: Server, tmp_path: Path) -> None:
    """Wrong digest, more bytes than stated, no such address: one line each, and nothing under the name."""
    for file, words in (
        (remote(server, "0" * 64), "declared is 0000000000000000…"),
        (remote(server, size=1000), "sends more than 1,000 bytes"),
        (RemoteFile("file.bin", "sha256", SHA256, server.url + "x"), "HTTP 404"),
        (RemoteFile("file.bin", "sha256", SHA256, "file:///etc/passwd"), "no http"),
    ):
        with pytest.raises(SourceError, match=r"file\.bin: ") as caught:
            download.fetch(file, tmp_path, sleep=lambda _: None)
        assert words in str(caught.value)
        assert not [path for path in tmp_path.iterdir() if path.stat().st_size]


def test_a_full_disk_is_one_line(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came stays for the next run."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download, "_take", full)
    with pytest.raises(SourceError, match=r"No space left on device; free some room and run it again"):
        download.fetch(remote(server), tmp_path)
    assert (tmp_path / ".file.bin.part").exists()


def test_two_at_once_are_refused(server: Server, tmp_path: Path) -> None:
    """The part is locked."""
    with (tmp_path / ".file.bin.part").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SourceError, match="another process is downloading it"):
            download.fetch(remote(server), tmp_path)


def test_the_command(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`synthtrail download` reads a descriptor, says what it fetches, and fills the drop folder."""
    monkeypatch.chdir(tmp_path)
    head = "kind: files\nmodality: image\nfolder: own\ntarget: label\ntitle: Own\nurl: u\nlicence: CC0\ncitation: c\n"
    (tmp_path / "own.yaml").write_text(head + f"files: [{{name: a.bin, url: '{server.url}', sha256: {SHA256}}}]\n")
    assert main.main(["download", "own.yaml", "--list"]) == 0
    assert not (tmp_path / "drop").exists()
    assert server.asked == []
    assert main.main(["download", "own.yaml"]) == 0
    assert (tmp_path / "drop/own/a.bin").read_bytes() == CONTENT
    shown = capsys.readouterr().out
    assert "licence CC0" in shown
    assert "SHA256 as declared" in shown
    assert main.main(["download", "nothing"]) == 2
    assert "no descriptor 'nothing'" in capsys.readouterr().err
