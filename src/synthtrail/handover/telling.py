"""What is told of an error in entries, certificates, pages and on the terminal: why, but nothing secret.

Libraries put into their messages what they were given: an address with a password in it, a signed URL, a folder named
after somebody. What went wrong can be told without.

    >>> told(OSError("cannot connect to https://ada:secret@host:9000/bucket?X-Amz-Signature=1f"))
    'cannot connect to https://…@host:9000/bucket?…'
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

MOST = 200  # characters
SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID")
_USER = re.compile(r"(?<=://)[^\s\"'<>]*@")
_QUERY = re.compile(r"(://[^\s\"'<>?]*)\?[^\s\"'<>]*")


def told(error: BaseException, most: int = MOST) -> str:
    """Return the error's text, or its kind if it has none, on one line and without credentials."""
    return cleaned(" ".join(str(error).split()))[:most] or type(error).__name__


def cleaned(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return `text` without user names and queries of URLs, without this process's secrets, and with `~` for home."""
    for secret in (environment.get(name, "") for name in SECRETS):
        if len(secret) >= 4:
            text = text.replace(secret, "…")
    text = _QUERY.sub(r"\1?…", _USER.sub("…@", text))
    own = os.fspath(Path.home())
    return text.replace(f"{own}/", "~/") if len(own) > 1 else text


def has_credentials(url: str) -> bool:
    """Tell whether a URL or address names a user or a password."""
    place = url.partition("://")[2] or url
    return "@" in place.partition("/")[0]
