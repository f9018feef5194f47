"""One HTTP POST, and nothing that a POST does not need.

No redirects, no proxies, no cookies: what is sent goes to the address that was given, and what comes back is bounded.
`https` is verified against the system's authorities. A witness's and a TSA's answers are believed by their signatures,
so `http` is allowed.
"""

from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from synthtrail.custody.errors import LedgerError, UsageError

TIMEOUT = 20.0
MAX_ANSWER = 1 << 20


class UnreachableError(LedgerError):
    """The other side could not be asked; try again."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    content_type: str
    body: bytes


def post(url: str, body: bytes, content_type: str, *, timeout: float = TIMEOUT) -> Answer:
    """Send `body` to `url` and return the answer of at most `MAX_ANSWER` bytes.

    Raises `UsageError` for what is no http(s) address, `UnreachableError` if there is no such answer in `timeout` s.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UsageError(f"not an http or https address: {url[:200]!a}") from None
    if parts.scheme not in {"http", "https"} or not host or parts.username is not None:
        raise UsageError(f"not an http or https address: {url[:200]!a}")
    connection = (HTTPSConnection if parts.scheme == "https" else HTTPConnection)(host, port, timeout=timeout)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, body, {"Content-Type": content_type})
        response = connection.getresponse()
        data = response.read(MAX_ANSWER + 1)
    except (OSError, HTTPException) as error:
        why = (isinstance(error, OSError) and error.strerror) or repr(error)
        raise UnreachableError(f"{url}: {why}") from error
    finally:
        connection.close()
    if len(data) > MAX_ANSWER:
        raise UnreachableError(f"{url}: an answer of more than {MAX_ANSWER} bytes")
    return Answer(response.status, response.headers.get_content_type(), data)
