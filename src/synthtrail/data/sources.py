"""Where data come from: a descriptor of a built-in set, or a file of one's own.

`read` takes a path and goes by its suffix:

    .yaml            a descriptor in catalog/sources/ (below)
    .csv             UTF-8, comma-separated, a header line; texts that all read as ISO dates become
                     dates, "" and NA are missing
    .parquet         with the types it has

A descriptor names a data set inside an installed package, so it needs no network, with its licence
and the SHA-256 of its canonical content, which is checked: a package that changes the data is
noticed here, not in a result.

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

import hashlib
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from synthtrail.data.errors import SourceError
from synthtrail.data.image import ImageSet
from synthtrail.data.tabular import read_table

FIELDS = {"kind", "loader", "modality", "target", "title", "url", "licence", "citation", "sha256"}
Maker = Callable[["_Bunch", Mapping[str, Any]], pd.DataFrame | ImageSet]
ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?")


class _Bunch(Protocol):
    """What a scikit-learn loader returns; images are there for image sets only."""

    data: NDArray[np.float64]
    target: NDArray[np.int64]
    feature_names: list[str]
    target_names: list[str]
    images: NDArray[np.float64]


@dataclass(frozen=True)
class Source:
    """A data set in memory, the digest of its content, and what is declared about it."""

    modality: str
    data: pd.DataFrame | ImageSet
    target: str | None
    sha256: str
    facts: Mapping[str, str] = field(default_factory=dict)


def read(path: Path, target: str | None = None) -> Source:
    """Read a descriptor, CSV or Parquet file; `target` is the target column of a file of one's own.

    For a file the digest is that of its bytes. Raises `SourceError` if it cannot be read or does not
    have the declared digest.
    """
    if not path.is_file():
        raise SourceError(f"{path}: no such file; put it there or correct `source:`")
    if path.suffix == ".yaml":
        return _read_descriptor(path)
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {".csv": _csv, ".parquet": read_table}
    if path.suffix not in readers:
        raise SourceError(f"{path}: {path.suffix!r} is not one of .csv, .parquet, .yaml; convert it")
    table = readers[path.suffix](path)
    if target is not None and target not in table.columns:
        there = ", ".join(map(str, table.columns))
        raise SourceError(f"{path}: no target column {target!r}; there are: {there}")
    return Source("tabular", table, target, hashlib.sha256(path.read_bytes()).hexdigest())


def content_sha256(data: pd.DataFrame | ImageSet) -> str:
    """Return the SHA-256 of the canonical content (module docstring), in hex."""
    if isinstance(data, pd.DataFrame):
        return hashlib.sha256(data.to_csv(index=False, lineterminator="\n").encode()).hexdigest()
    rows = zip(data.pixels, data.names, data.labels, strict=True)
    lines = (f"{hashlib.sha256(p.tobytes()).hexdigest()}  {n} {y}\n" for p, n, y in rows)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _csv(path: Path) -> pd.DataFrame:
    try:
        text = path.read_bytes().decode("utf-8-sig")
        table = pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=["", "NA"], low_memory=False)
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = str(error).splitlines()[0]
        raise SourceError(f"{path}: not a comma-separated table ({reason}); correct it") from error
    return table.apply(_with_dates)


def _with_dates(series: pd.Series) -> pd.Series:
    present = series.dropna()
    if present.empty or not pd.api.types.is_string_dtype(series.dtype):
        return series
    if not present.str.fullmatch(ISO_DATE).all():
        return series
    return pd.to_datetime(series, format="ISO8601", errors="coerce")


def _read_descriptor(path: Path) -> Source:
    declared = _declared(path)
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
