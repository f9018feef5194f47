"""Where data come from: a descriptor of a built-in set, or a file of one's own.

`read` takes a path and goes by its suffix:

    .yaml            a descriptor in catalog/sources/
    .csv .tsv .txt   delimited text, see `delimited` and `texts`; also packed, as .csv.gz
    .xlsx            Excel, see `sheets`; the first sheet, or `read: {sheet: ...}`, or FILE.xlsx#SHEET
    .parquet         with the types it has
    a folder, .zip, .npz   pictures, see `imagesource`; they are decoded later, as they are written

A descriptor of kind `files` says what to download or drop where, see `dropped`. One of kind `scikit-learn` names a
data set inside an installed package, so it needs no network, with its licence and the SHA-256 of its canonical content,
which is checked: a package that changes the data is noticed here, not in a result.

    kind: scikit-learn
    loader: load_iris
    modality: tabular          # or image
    target: species
    classes: [setosa, ...]     # optional: names for the target's numbers
    title: ...  url: ...  licence: CC-BY-4.0  citation: ...
    sha256: <hex>

Canonical content. Table: the CSV with a header line, LF, and the shortest decimals that read back
to the same numbers. Images: a line "<sha256 of the pixel bytes (H, W, C)>  <name> <label>" each.
"""

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from synthtrail.data import delimited, dropped, imagesource, sheets
from synthtrail.data.asked import Asked
from synthtrail.data.delimited import How, Read
from synthtrail.data.errors import SourceError
from synthtrail.data.image import ImageSet
from synthtrail.data.imagehow import ImageHow
from synthtrail.data.imagesource import Found
from synthtrail.data.imagestream import ImageStream
from synthtrail.data.names import tidy
from synthtrail.data.tabular import read_table
from synthtrail.data.texts import Spelling

FIELDS = {"kind", "loader", "modality", "target", "title", "url", "licence", "citation", "sha256"}
Maker = Callable[["_Bunch", Mapping[str, Any]], pd.DataFrame | ImageSet]
TEXT = (".csv", ".tsv", ".tab", ".txt", ".data")
SHEET = (".xlsx", ".xlsm")
PARQUET = (".parquet", ".pq")
MAGIC = {
    b"\x1f\x8b": ("packed by gzip", "`.csv.gz`"),
    b"PK\x03\x04": ("an Excel workbook or a zip", "`.xlsx`, or unpack it"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "`.xls` and save it as `.xlsx`"),
    b"PAR1": ("Parquet", "`.parquet`"),
}
PLAIN = How()  # nothing said of the file
PLAIN_IMAGES = ImageHow()
NONE: Mapping[str, Asked] = {}
LIMIT_BYTES = 8 << 30  # of a file, unpacked


class _Bunch(Protocol):
    """What a scikit-learn loader returns; images are there for image sets only."""

    data: NDArray[np.float64]
    target: NDArray[np.int64]
    feature_names: list[str]
    target_names: list[str]
    images: NDArray[np.float64]


@dataclass(frozen=True)
class Source:
    """A data set in memory, or pictures to be decoded, the digest of its content, and what is declared about it.

    `group` is the column that tells whose a picture is, `detected` what was found out about the source. Of a text file
    or workbook, `spelt` is how each column was written.
    """

    modality: str
    data: pd.DataFrame | ImageSet | ImageStream
    target: str | None
    sha256: str
    facts: Mapping[str, str] = field(default_factory=dict)
    spelt: Mapping[str, Spelling] = field(default_factory=dict)
    detected: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None


def read(
    path: Path,
    target: str | None = None,
    how: How = PLAIN,
    columns: Mapping[str, Asked] = NONE,
    images: ImageHow = PLAIN_IMAGES,
    group: str | None = None,
) -> Source:
    """Read a descriptor or a table's file; `target` is the target column of a file of one's own.

    `how` and `columns` are what params.yaml says of a table's file and columns, `images` and `group` of pictures.
    For a file the digest is that of its bytes. Raises `SourceError` if it cannot be read or does not have the declared
    digest.
    """
    if imagesource.is_images(path) and path.exists():
        return _pictures(imagesource.read(path, target, group, images), {})
    path, _, sheet = _sheet(path)
    if path.is_dir():
        raise SourceError(f"{path}: a folder; name a file in it")
    if not path.is_file():
        raise SourceError(f"{path}: no such file; put it there or correct `source:`")
    if path.suffix == ".yaml":
        return _read_descriptor(path, images)
    data = path.read_bytes()
    try:
        found = _read_table(path, _unpacked(path, data), replace(how, sheet=sheet or how.sheet), columns)
    except SourceError as error:
        told = str(error) if str(error).startswith(str(path)) else f"{path}: {error}"
        raise SourceError(told) from error.__cause__
    if target is not None and target not in found.table.columns:
        there = ", ".join(map(str, found.table.columns[:20]))
        raise SourceError(f"{path}: no target column {target!r}; there are: {there}")
    sha256 = hashlib.sha256(data).hexdigest()
    return Source("tabular", found.table, target, sha256, spelt=found.spelt, detected=found.detected)


def _sheet(path: Path) -> tuple[Path, str, str]:
    """Return the file, and the sheet that `FILE.xlsx#SHEET` names."""
    name, mark, sheet = str(path).rpartition("#")
    named = bool(mark) and Path(name).suffix.lower() in SHEET and not path.exists()
    return (Path(name), mark, sheet) if named else (path, "", "")


def _unpacked(path: Path, data: bytes) -> bytes:
    if path.suffix.lower() == ".gz":
        try:
            with gzip.open(io.BytesIO(data)) as packed:
                data = packed.read(LIMIT_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError("not a whole gzip file; fetch it again") from error
    if len(data) > LIMIT_BYTES:
        raise SourceError(f"more than {LIMIT_BYTES >> 30} GiB; store it as Parquet, or take fewer rows")
    return data


def _read_table(path: Path, data: bytes, how: How, columns: Mapping[str, Asked]) -> Read:
    suffix = Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()
    if suffix in TEXT:
        refuse_other(data)
        return delimited.read(data, how, columns)
    if suffix in SHEET:
        return sheets.read(data, how.sheet, how, columns)
    if suffix in PARQUET:
        return _parquet(path)
    raise SourceError(
        f"{suffix or 'a name without ending'!r} is none of .csv, .tsv, .xlsx, .parquet, .yaml; convert it"
    )


def refuse_other(data: bytes) -> None:
    """Raise `SourceError` if the bytes begin as those of a file that is no text do."""
    for start, (kind, ending) in MAGIC.items():
        if data.startswith(start):
            raise SourceError(f"named as a text file, but {kind}; name it {ending}")


def _parquet(path: Path) -> Read:
    table = read_table(path)
    if not isinstance(table.index, pd.RangeIndex):
        table = table.reset_index()  # pandas keeps an index as a column, and so do we
    table.columns = pd.Index(tidy(list(table.columns)))
    if len(table) == 0:
        raise SourceError("no rows; check where it comes from")
    return Read(table.reset_index(drop=True), {}, {})


def content_sha256(data: pd.DataFrame | ImageSet) -> str:
    """Return the SHA-256 of the canonical content (module docstring), in hex."""
    if isinstance(data, pd.DataFrame):
        return hashlib.sha256(data.to_csv(index=False, lineterminator="\n").encode()).hexdigest()
    rows = zip(data.pixels, data.names, data.labels, strict=True)
    lines = (f"{hashlib.sha256(p.tobytes()).hexdigest()}  {n} {y}\n" for p, n, y in rows)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _pictures(found: Found, facts: Mapping[str, str]) -> Source:
    return Source("image", found.stream, found.target, found.sha256, facts, detected=found.detected, group=found.group)


def _read_descriptor(path: Path, images: ImageHow) -> Source:
    declared = _declared(path)
    if declared["kind"] == "files":
        facts = {key: str(declared[key]) for key in ("title", "url", "licence", "citation")}
        return _pictures(imagesource.read_dropped(dropped.parse(path, declared), images), facts)
    makers: dict[str, Maker] = {"tabular": _table, "image": _images}
    make = makers.get(declared["modality"])
    if declared["kind"] != "scikit-learn" or make is None:
        what = f"kind {declared['kind']!r}, modality {declared['modality']!r}"
        raise SourceError(f"{path}: {what}; known are scikit-learn with tabular or image")
    data = make(_load(path, declared["loader"]), declared)
    found = content_sha256(data)
    if found != declared["sha256"]:
        raise SourceError(
            f"{path}: content has SHA-256 {found[:16]}…, declared is {declared['sha256'][:16]}…; "
            "the installed scikit-learn holds other data"
        )
    facts = {key: declared[key] for key in ("title", "url", "licence", "citation", "sha256")}
    return Source(declared["modality"], data, declared["target"], found, facts)


def _declared(path: Path) -> dict[str, Any]:
    try:
        declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: not YAML; correct it") from error
    if isinstance(declared, dict) and declared.get("kind") == "files":
        return dict(declared)  # `dropped` knows its keys
    keys = set(declared) if isinstance(declared, dict) else set()
    odd = sorted((FIELDS - keys) | (keys - FIELDS - {"classes"}))
    if odd:
        raise SourceError(f"{path}: missing or unknown: {', '.join(map(str, odd))}")
    return dict(declared)


def _load(path: Path, loader: str) -> "_Bunch":
    from sklearn import datasets  # noqa: PLC0415 - a second of start-up that no later stage needs

    if loader not in ("load_breast_cancer", "load_iris", "load_wine", "load_digits"):
        raise SourceError(f"{path}: loader {loader!r} is not a data set inside scikit-learn")
    bunch: _Bunch = getattr(datasets, loader)()
    return bunch


def _table(bunch: "_Bunch", declared: Mapping[str, Any]) -> pd.DataFrame:
    names = [re.sub(r"\W+", "_", name).strip("_") for name in bunch.feature_names]
    table = pd.DataFrame(bunch.data, columns=names)
    classes = np.array(declared.get("classes") or [str(c) for c in bunch.target_names], object)
    return table.assign(**{declared["target"]: pd.Series(classes[bunch.target], dtype="str")})


def _images(bunch: "_Bunch", declared: Mapping[str, Any]) -> ImageSet:
    del declared
    grey = np.round(bunch.images * (255 / bunch.images.max())).astype(np.uint8)
    labels = np.array([str(label) for label in bunch.target], dtype=object)
    names = tuple(f"{number:05d}.png" for number in range(len(grey)))
    return ImageSet(grey[:, :, :, None], labels, names)
