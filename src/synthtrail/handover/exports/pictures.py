"""Images as a folder of PNG files, a sub-folder for each class, in constant memory: what image tools read.

    digits/3/00000017.png

Bytes are those of the artifact. Characters of labels and names that some file system refuses are written as `%2F`.
"""

import re
from pathlib import Path

from synthtrail.handover.exports.rows import ExportError, Rows

UNSAFE = re.compile(r'[%/\\:*?"<>|\x00-\x1f\x7f]|^\.|[. ]$')
NO_LABEL = "unlabelled"


def write(rows: Rows, folder: Path) -> list[str]:
    """Write every image into `folder`; `ExportError` for a table, and for a name that stands twice in a class."""
    if not rows.images:
        raise ExportError("this is a table, which PNG cannot hold; use --to csv, xlsx or parquet")
    known: set[str] = set()
    for batch in rows.batches():
        for name, label, png in zip(*(column.to_pylist() for column in batch.columns[:3]), strict=True):
            under = safe(label) if label else NO_LABEL
            if under not in known:
                (folder / under).mkdir()
                known.add(under)
            try:
                with (folder / under / safe(name)).open("xb") as file:
                    file.write(png)
            except FileExistsError:
                raise ExportError(f"two images of class {label!r} are called {name!r}") from None
    return []


def safe(text: str) -> str:
    """Return `text` as a file name that every system takes; different texts give different names."""
    return UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", text)
