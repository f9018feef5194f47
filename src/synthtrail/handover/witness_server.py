"""A witness's two doors: HTTP on this machine, and a folder for those who carry files.

HTTP: ``POST /add-checkpoint`` as https://c2sp.org/tlog-witness says, on 127.0.0.1 only; to be reached from elsewhere it
wants a reverse proxy with TLS in front. Requests are bounded in size, time and number at once.

File-drop: for each ``NAME.add-checkpoint`` in the folder, a request's body, the witness writes ``NAME.response``, the
status on a line and then the body of the answer, and removes the request. A crash in between leaves the request to be
answered again.

    >>> encode_response(Response(409, b"5\\n"))
    b'409\\n5\\n'
    >>> decode_response(b'409\\n5\\n').content_type
    'text/x.tlog.size'
"""

import os
import stat
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from typing import Any

from synthtrail.custody.errors import CustodyError, FormatError, LedgerError
from synthtrail.custody.witness import MAX_REQUEST, SIZE_TYPE, TEXT_TYPE, Response
from synthtrail.handover.witness_state import WitnessState
from synthtrail.storage import files

REQUEST_SUFFIX = ".add-checkpoint"
RESPONSE_SUFFIX = ".response"
TIMEOUT = 10.0
"""Seconds that a connection may keep silent."""
MAX_CONNECTIONS = 32

_PATH = "/add-checkpoint"


class WitnessServer(ThreadingHTTPServer):
    """The HTTP door on 127.0.0.1; `port` 0 takes a free one. `serve_forever` runs it, `address` says where it is.

    `timeout` (seconds) bounds how long a connection may keep silent, `places` how many there may be at once; `report`
    is told what an operator should know.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(
        self,
        state: WitnessState,
        port: int = 0,
        *,
        timeout: float = TIMEOUT,
        places: int = MAX_CONNECTIONS,
        report: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.state = state
        self.report = report
        self.patience = timeout
        self._places = threading.BoundedSemaphore(places)
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def address(self) -> str:
        """The submission prefix, a URL."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own, or close it if there are too many."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection and give its place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        """Note a connection that broke; one line is enough."""
        self.report(f"connection lost: {sys.exc_info()[1]!r}")


class _Handler(BaseHTTPRequestHandler):
    """One connection; several requests may follow each other on it."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body leave together; apart, the second would wait for the first one's receipt
    server: WitnessServer

    def setup(self) -> None:
        """Set the time limit before the first byte is read."""
        super().setup()
        self.connection.settimeout(self.server.patience)

    def do_POST(self) -> None:
        """Answer `add-checkpoint`."""
        length = self.headers.get("Content-Length", "")
        if self.path != _PATH:
            self._refuse(404, "nothing here but /add-checkpoint")
        elif not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            self._refuse(411, "the length of the body is wanted")
        elif len(length) > 7 or int(length) > MAX_REQUEST:
            self._refuse(413, f"more than {MAX_REQUEST} bytes")
        else:
            self._answer(int(length))

    def log_message(self, format: str, *args: object) -> None:
        """Keep no log of requests: what matters is in the state."""

    def _answer(self, length: int) -> None:
        body = self.rfile.read(length)
        if len(body) != length:
            self.close_connection = True
            return
        try:
            response = self.server.state.answer(body)
        except (CustodyError, OSError) as error:
            # Nothing was signed, or it was not persisted and does not leave.
            self.server.report(f"cannot sign: {error}")
            response = Response(500, b"the witness cannot sign now\n")
        self._send(response)

    def _refuse(self, status: int, why: str) -> None:
        self.close_connection = True  # the body was not read
        self._send(Response(status, f"{why}\n".encode()))

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(response.body)


def answer_folder(state: WitnessState, folder: Path) -> list[tuple[str, Response]]:
    """Answer every request in the drop folder, by name; return what was answered.

    Links, devices and files that are too long are left alone: they were not written by a log that asks. A request
    that the witness cannot answer now (status 500 in what is returned) stays where it is.
    """
    answered = []
    for path in sorted(folder.glob(f"*{REQUEST_SUFFIX}")):
        body = read_plain(path)
        if body is not None:
            answered.append((path.name.removesuffix(REQUEST_SUFFIX), _answer_file(state, path, body)))
    return answered


def read_plain(path: Path) -> bytes | None:
    """Return the content of a plain file of at most `MAX_REQUEST` bytes; None for anything else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_REQUEST + 1)
    finally:
        os.close(descriptor)
    return data if len(data) <= MAX_REQUEST else None


def _answer_file(state: WitnessState, path: Path, body: bytes) -> Response:
    try:
        response = state.answer(body)
    except LedgerError as error:
        return Response(500, f"{error}\n".encode())
    files.write_bytes(path.with_suffix(RESPONSE_SUFFIX), encode_response(response))
    path.unlink()
    return response


def encode_response(response: Response) -> bytes:
    """Return an answer as the content of a file."""
    return b"%d\n" % response.status + response.body


def decode_response(data: bytes) -> Response:
    """Return the answer in a file; raise `FormatError` if there is none."""
    status, _, body = data.partition(b"\n")
    if len(status) != 3 or not status.isdigit():
        raise FormatError("not an answer of a witness: its first line is an HTTP status")
    sized = status == b"409" and body.strip().isdigit()
    return Response(int(status), body, SIZE_TYPE if sized else TEXT_TYPE)
