"""Destroying a key: overwritten, flushed, unlinked, flushed.

Overwriting reaches the bytes on a file system that writes in place. A copy-on-write file system, an SSD that spreads
its writes, a snapshot or a backup may still hold them; the method that a certificate states is what was done, no more.
"""

import os
import secrets
from pathlib import Path

from synthtrail.storage.files import flush_folder

METHOD = "overwritten and deleted"


def destroy(path: Path) -> bool:
    """Overwrite the file with random bytes and unlink it; False if it was gone already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        os.write(descriptor, secrets.token_bytes(os.fstat(descriptor).st_size))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    path.unlink()
    flush_folder(path.parent)
    return True
