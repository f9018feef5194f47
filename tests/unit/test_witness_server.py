"""The witness's doors: HTTP that bounds what it reads, and a folder that survives crashes and strangers' files."""

import http.client
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from synthtrail.custody import witness
from synthtrail.custody.errors import FormatError
from synthtrail.custody.witness import MAX_REQUEST, Response
from synthtrail.handover import witness_server
from synthtrail.handover.witness_server import WitnessServer, answer_folder, decode_response, encode_response
from synthtrail.handover.witness_state import WitnessState
from tests.unit.witness_logs import LOG, ORIGIN, WITNESS, History, state_in

GOOD, FORK = History(), History("'")


@pytest.fixture
def state(tmp_path: Path) -> WitnessState:
    found = state_in(tmp_path / "witness")
    found.trust(ORIGIN, LOG.verifier)
    return found


@pytest.fixture
def said() -> list[str]:
    return []


@contextmanager
def serving(
    state: WitnessState, *, places: int = 32, report: Callable[[str], object] = print
) -> Iterator[WitnessServer]:
    with WitnessServer(state, timeout=0.3, places=places, report=report) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def server(state: WitnessState, said: list[str]) -> Iterator[WitnessServer]:
    with serving(state, report=said.append) as found:
        yield found


def connect(server: WitnessServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=5)


def post(server: WitnessServer, body: bytes, path: str = "/add-checkpoint") -> tuple[int, str | None, bytes]:
    connection = connect(server)
    connection.request("POST", path, body)
    response = connection.getresponse()
    found = response.status, response.headers["Content-Type"], response.read()
    connection.close()
    return found


def raw(server: WitnessServer, data: bytes) -> bytes:
    """Send bytes as they are and return all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=5) as connection:
        connection.sendall(data)
        parts = []
        while part := connection.recv(4096):
            parts.append(part)
    return b"".join(parts)


def test_it_listens_on_this_machine_only(server: WitnessServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert server.address == f"http://127.0.0.1:{server.server_address[1]}"


def test_add_checkpoint_over_http(server: WitnessServer) -> None:
    """Cosigned, conflict with its content type, no such log, not a request, no such path."""
    status, _, body = post(server, GOOD.body(0, 8))
    assert status == 200
    assert witness.read_lines(body, GOOD.signed(8), [WITNESS.verifier])
    assert post(server, GOOD.body(0, 9)) == (409, "text/x.tlog.size", b"8\n")
    assert post(server, History(origin="example.com/other").body(0, 8))[0] == 404
    assert post(server, b"old x\n")[0] == 400
    assert post(server, GOOD.body(8, 9), "/")[0] == 404


def test_one_connection_carries_several_requests(server: WitnessServer) -> None:
    connection = connect(server)
    for old, size in [(0, 8), (8, 9), (9, 10)]:
        connection.request("POST", "/add-checkpoint", GOOD.body(old, size))
        response = connection.getresponse()
        assert response.status == 200
        response.read()
    connection.close()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("", 411),
        ("Content-Length: x\r\n", 411),
        ("Content-Length: -1\r\n", 411),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", 411),
        (f"Content-Length: {MAX_REQUEST + 1}\r\n", 413),
        ("Content-Length: " + "9" * 5000 + "\r\n", 413),
    ],
)
def test_a_body_of_unknown_or_great_length_is_not_read(server: WitnessServer, head: str, status: int) -> None:
    answer = raw(server, f"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Connection: close" in answer


def test_other_methods_are_refused(server: WitnessServer) -> None:
    assert raw(server, b"GET /add-checkpoint HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 501 ")


def test_who_keeps_silent_is_dropped(server: WitnessServer) -> None:
    """Before the head, and in the middle of the body."""
    assert raw(server, b"") == b""
    assert raw(server, b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 10\r\n\r\nold") == b""


def test_connections_beyond_the_limit_are_closed(state: WitnessState) -> None:
    """And their places are free again once the others have gone."""
    with serving(state, places=1) as server:
        with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=5) as first:
            first.sendall(b"POST ")  # holds the only place until the time limit
            wait_for(lambda: server._places._value == 0)
            assert raw(server, b"") == b""
            assert first.recv(100) == b""
        wait_for(lambda: server._places._value == 1)
        assert post(server, GOOD.body(0, 8))[0] == 200


def wait_for(condition: Callable[[], bool]) -> None:
    waker = threading.Event()
    for _ in range(1000):
        if condition():
            return
        waker.wait(0.005)
    raise AssertionError("it did not happen")


def test_a_witness_that_cannot_persist_says_so_and_signs_nothing(
    server: WitnessServer, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 500, without the reason, which is for the operator."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        assert post(server, GOOD.body(0, 8)) == (
            500,
            "text/plain; charset=utf-8",
            b"the witness cannot sign now\n",
        )
    assert "No space" in said[0]
    assert post(server, FORK.body(0, 8))[0] == 200


def test_eight_clients_at_once_see_one_history(server: WitnessServer) -> None:
    """Four ask for a history and four for a fork of it: exactly one request wins, the others hear of its size."""
    bodies = [history.body(0, 8) for history in (GOOD, FORK) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: post(server, body), bodies))
    assert sorted(status for status, _, _ in answers) == [200] + [409] * 7
    assert {body for status, _, body in answers if status == 409} == {b"8\n"}


def test_the_drop_folder_is_answered_and_emptied(state: WitnessState, tmp_path: Path) -> None:
    """In the order of names, refusals too; other files are left alone."""
    (tmp_path / "a.add-checkpoint").write_bytes(GOOD.body(0, 8))
    (tmp_path / "b.add-checkpoint").write_bytes(FORK.body(0, 8))
    (tmp_path / "c.txt").write_bytes(b"hello")
    found = answer_folder(state, tmp_path)
    assert [(name, response.status) for name, response in found] == [("a", 200), ("b", 409)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.response", "b.response", "c.txt", "witness"]
    answer = decode_response((tmp_path / "a.response").read_bytes())
    assert witness.read_lines(answer.body, GOOD.signed(8), [WITNESS.verifier])
    assert answer_folder(state, tmp_path) == []


def test_a_crash_before_the_response_leaves_the_request(
    state: WitnessState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is answered again: with the size, from which the log can ask for the same checkpoint."""
    (tmp_path / "a.add-checkpoint").write_bytes(GOOD.body(0, 8))

    def die(_response: Response) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(witness_server, "encode_response", die)
        with pytest.raises(KeyboardInterrupt):
            answer_folder(state, tmp_path)
    assert answer_folder(state, tmp_path) == [("a", Response(409, b"8\n", "text/x.tlog.size"))]


def test_a_request_that_cannot_be_answered_now_stays(state: WitnessState, tmp_path: Path) -> None:
    """A lost state is the operator's to see; the log's file waits."""
    (tmp_path / "a.add-checkpoint").write_bytes(GOOD.body(0, 8))
    next(path for path in (tmp_path / "witness" / "state").rglob("*") if len(path.name) == 64).unlink()
    ((name, response),) = answer_folder(state, tmp_path)
    assert (name, response.status) == ("a", 500)
    assert (tmp_path / "a.add-checkpoint").exists()
    assert not (tmp_path / "a.response").exists()


def test_links_pipes_folders_and_giants_are_left_alone(state: WitnessState, tmp_path: Path) -> None:
    """Nothing outside the folder is read, and nobody waits for a writer that never comes."""
    (tmp_path / "secret").write_bytes(GOOD.body(0, 8))
    (tmp_path / "a.add-checkpoint").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "b.add-checkpoint")
    (tmp_path / "c.add-checkpoint").mkdir()
    (tmp_path / "d.add-checkpoint").write_bytes(bytes(MAX_REQUEST + 1))
    assert answer_folder(state, tmp_path) == []


def test_answers_in_files_read_back() -> None:
    """And what is no answer is refused."""
    for response in (Response(200, b"line\n"), Response(409, b"5\n", "text/x.tlog.size"), Response(422, b"no\n")):
        assert decode_response(encode_response(response)) == response
    for data in (b"", b"ok\n", b"2000\n", b"20x\n"):
        with pytest.raises(FormatError):
            decode_response(data)
