"""An object store by its address, opened and closed; what a store can do is in `handover.objects`.

with connect("s3://bucket/prefix", endpoint="https://objects.example") as store:
    store.prepare()
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synthtrail.custody.errors import UsageError
from synthtrail.handover.folder_store import FolderStore
from synthtrail.handover.objects import ObjectStore


@contextmanager
def connect(url: str, *, endpoint: str | None = None) -> Iterator[ObjectStore]:
    """Yield the store at `url`; raise `UsageError` for an address that is none."""
    protocol, rest = loaded("fsspec.core").split_protocol(url)
    if "@" in rest.split("/", 1)[0]:
        raise UsageError("credentials do not belong into a URL, which the ledger keeps; set AWS_PROFILE or the like")
    if protocol in (None, "file", "local"):
        yield FolderStore(Path(rest).expanduser().absolute())
    elif protocol == "s3":
        store = loaded("synthtrail.handover.s3_store").S3Store(rest, endpoint)
        try:
            yield store
        finally:
            store.close()
    else:
        raise UsageError(f"{url}: no store for {protocol}:// here; give a folder, or s3://bucket/prefix")


def loaded(module: str) -> Any:
    """Return a module that needs the extra `store`: an HTTP client is loaded only where one is used."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise UsageError(f"object stores need an extra ({error.name}): pip install 'synthtrail[store]'") from None
