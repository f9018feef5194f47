"""An object store by its address, opened and closed; what a store can do is in `handover.objects`.

with connect("s3://bucket/prefix", endpoint="https://objects.example") as store:
    store.prepare()
"""

import importlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synthtrail.custody.errors import UsageError
from synthtrail.handover import telling
from synthtrail.handover.folder_store import FolderStore
from synthtrail.handover.objects import ObjectStore

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


@contextmanager
def connect(url: str, *, endpoint: str | None = None) -> Iterator[ObjectStore]:
    """Yield the store at `url`; raise `UsageError` for an address that is none."""
    protocol, rest = loaded("fsspec.core").split_protocol(url)
    if protocol in (None, "file", "local"):
        yield FolderStore(_folder(url, protocol, rest))
    elif protocol == "s3":
        _check(rest, endpoint or os.environ.get("AWS_ENDPOINT_URL", ""))
        store = loaded("synthtrail.handover.s3_store").S3Store(rest, endpoint)
        try:
            yield store
        finally:
            store.close()
    else:
        raise UsageError(
            f"{telling.cleaned(url)}: no store for {protocol}:// here; give a folder, or s3://bucket/prefix"
        )


def _folder(url: str, protocol: str | None, rest: str) -> Path:
    """Return the folder that a path or a `file://` URL means; a slip must not make a folder somewhere else."""
    if not rest:
        raise UsageError("an empty address; give a folder, or s3://bucket/prefix")
    if protocol is not None and rest[0] not in "/~":
        raise UsageError(f"{url}: no whole path; give file:///{rest}, or the folder itself")
    if protocol is None and _SCHEME.match(rest) and not Path(rest).exists():
        raise UsageError(f"{telling.cleaned(url)}: neither a folder nor s3://bucket/prefix; for a folder give ./{rest}")
    return Path(rest).expanduser().absolute()


def _check(rest: str, endpoint: str) -> None:
    """Refuse what must not be known to the ledger, or to a message."""
    if telling.has_credentials(rest) or telling.has_credentials(endpoint):
        raise UsageError("credentials do not belong into a URL, which the ledger keeps; set AWS_PROFILE or the like")
    if "?" in rest or "?" in endpoint:
        raise UsageError("a store's address has no query (`?…`); give s3://bucket/prefix")
    if endpoint and not endpoint.startswith(("http://", "https://")):
        raise UsageError(f"{endpoint}: no address of a provider; give https://…")


def loaded(module: str) -> Any:
    """Return a module that needs the extra `store`: an HTTP client is loaded only where one is used."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise UsageError(f"object stores need an extra ({error.name}): pip install 'synthtrail[store]'") from None
