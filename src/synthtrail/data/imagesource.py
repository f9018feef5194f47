"""A source of pictures, found and labelled, not yet decoded: a folder, a zip, an npz, or a descriptor's drop folder.

    folder or .zip     pictures in class folders, or with a CSV; or the idx files or npz of `idx`
    .npz               arrays
    descriptor         the same in its drop folder, with digests, counts, table and group declared (`dropped`)

The digest of a source of files is that of a list "<sha256>  <name>", a line for each file in order of names, as
`sha256sum` prints it; of arrays that of their canonical content (`sources`).
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from synthtrail.data import archives, dicom, idx, labelled
from synthtrail.data.archives import Member
from synthtrail.data.dropped import Dropped, digests
from synthtrail.data.errors import SourceError
from synthtrail.data.imagehow import FILES_SIZE, ImageHow
from synthtrail.data.imagestream import ImageStream
from synthtrail.data.labelled import Labelled, listed

PICTURES = (".png", ".jpg", ".jpeg", ".jpe", ".dcm", ".dicom")
NOT_READ = (".gif", ".bmp", ".tif", ".tiff", ".webp", ".heic", ".avif", ".jp2", ".svg")
TABLES = (".csv", ".tsv", ".tab")


@dataclass(frozen=True)
class Found:
    """Pictures to decode, the digest of their source, and what was declared and found out."""

    stream: ImageStream
    sha256: str
    target: str
    group: str | None = None
    detected: Mapping[str, str] = field(default_factory=dict)


def is_images(path: Path) -> bool:
    """Tell whether a path can only be a source of pictures."""
    return path.is_dir() or path.suffix.lower() in (".zip", ".npz")


def read(path: Path, target: str | None, group: str | None, how: ImageHow) -> Found:
    """Find and label the pictures of a folder, zip or npz; raises `SourceError` in one line."""
    files = _arrays_in(path)
    if files:
        return _arrays(path, files, (), target or "label", how)
    members = archives.inside(path)
    found, table = _labelled(path, members, target, group, how)
    sha256, _ = _digest(path, [*found.members, *([table] if table else [])])
    stream = _stream(path, found, target or "label", how.filled(FILES_SIZE, "rgb"))
    return Found(stream, sha256, target or "label", group, _detected(found, table))


def read_dropped(dropped: Dropped, how: ImageHow) -> Found:
    """Find, check and label the pictures of a descriptor; raises `SourceError` in one line."""
    place = dropped.place()
    files = _arrays_in(place)
    if files:
        return _dropped_arrays(dropped, place, files, how)
    told = replace(how, table=dropped.declared.get("table"), name=dropped.declared.get("name"))
    target, group = dropped.target, dropped.declared.get("group")
    try:
        found, table = _labelled(place, archives.inside(place), target, group, told)
    except SourceError as error:
        raise SourceError(f"{error} [{dropped.path}: {dropped.how_to_get()}]") from error
    sha256, each = _digest(place, [*found.members, *([table] if table else [])])
    undeclared = dropped.checked(each)
    _check_counts(dropped, found, place)
    stream = _stream(place, found, target, how.filled(FILES_SIZE, "rgb"))
    detected = _detected(found, table) | ({"undeclared": listed(undeclared)} if undeclared else {})
    return Found(stream, sha256, target, group, detected)


def _labelled(
    path: Path, members: Sequence[Member], target: str | None, group: str | None, how: ImageHow
) -> tuple[Labelled, Member | None]:
    pictures = [member for member in members if _is_picture(member)]
    unread = [member.name for member in members if PurePosixPath(member.name).suffix.lower() in NOT_READ]
    if unread:
        raise SourceError(f"{path}: {len(unread):,} files are not PNG, JPEG or DICOM: {listed(unread)}; convert them")
    if not pictures:
        raise SourceError(f"{path}: no pictures in it; PNG, JPEG and DICOM are read, in folders and zips")
    table = _table(path, members, target, how)
    if table is None and group is not None:
        raise SourceError(f"{path}: `group: {group}` is a column, and no table lies beside the pictures; add one")
    if table is None:
        _refuse_unused_tables(path, members, pictures, target)
        return labelled.by_folder(pictures, path), None
    if target is None:
        raise SourceError(f"{path}: which column of {table.name} is the class? Name it with `target:`")
    try:
        return labelled.by_table(pictures, table, target, how.name, [group] if group else []), table
    except SourceError as error:
        raise SourceError(f"{path}: {error}") from error


def _refuse_unused_tables(
    path: Path, members: Sequence[Member], pictures: Sequence[Member], target: str | None
) -> None:
    """Raise `SourceError` where pictures lie in no folder, and tables are there that do not tell their class."""
    tables = [member.name for member in members if PurePosixPath(member.name).suffix.lower() in TABLES]
    if tables and any("/" not in picture.name for picture in pictures):
        asked = "say with `target:` which column is the class" if target is None else f"none has a column {target!r}"
        raise SourceError(f"{path}: the pictures lie in no class folder; of the tables {listed(tables)}, {asked}")


def _is_picture(member: Member) -> bool:
    suffix = PurePosixPath(member.name).suffix.lower()
    if suffix in PICTURES:
        return True
    if suffix or member.inner is not None:
        return False
    with Path(member.place).open("rb") as file:  # what hospitals export often has no ending
        return dicom.is_dicom(file.read(132))


def _table(path: Path, members: Sequence[Member], target: str | None, how: ImageHow) -> Member | None:
    """Return the table that tells classes: the one that is named, or the one that has the target column."""
    tables = [member for member in members if PurePosixPath(member.name).suffix.lower() in TABLES]
    if how.table is not None:
        stem = PurePosixPath(how.table).stem
        named = [t for t in tables if t.name == how.table] or [t for t in tables if PurePosixPath(t.name).stem == stem]
        if not named:
            raise SourceError(f"{path}: no table {how.table!r} beside the pictures")
        return named[0]
    if target is None:
        return tables[0] if len(tables) == 1 and how.name is not None else None
    fitting = [table for table in tables if labelled.has_column(table, target)]
    if len(fitting) > 1:
        raise SourceError(
            f"{path}: {listed([t.name for t in fitting])} have a column {target!r}; name one: `image: {{table: ...}}`"
        )
    return fitting[0] if fitting else None


def _stream(path: Path, found: Labelled, target: str, how: ImageHow) -> ImageStream:
    names = tuple(member.name for member in found.members)
    return ImageStream(path, found.members, found.labels, names, found.facts, how, target)


def _digest(path: Path, members: Sequence[Member]) -> tuple[str, dict[str, dict[str, str]]]:
    """Return the digest of the files that hold these members, and each file's own digests by its name in `path`."""
    places = sorted({member.place for member in members})
    each = {_inside(Path(place), path): digests(Path(place)) for place in places}
    lines = "".join(f"{each[name]['sha256']}  {name}\n" for name in sorted(each))
    return hashlib.sha256(lines.encode()).hexdigest(), each


def _inside(place: Path, path: Path) -> str:
    return place.relative_to(path).as_posix() if path.is_dir() else place.name


def _detected(found: Labelled, table: Member | None) -> dict[str, str]:
    told = {"classes_from": table.name if table else "folders"}
    apart = found.facts is not None and "part" in found.facts.columns
    return told | ({"holdout": "the source's own test set"} if apart else {})


def _check_counts(dropped: Dropped, found: Labelled, place: Path) -> None:
    wanted, there = dropped.declared.get("count"), len(found.members)
    if wanted is not None and there != wanted:
        raise SourceError(f"{place}: {there:,} pictures, declared are {wanted:,}; {dropped.how_to_get()}")
    counts = Counter(map(str, found.labels))
    if isinstance(dropped.classes, Mapping) and counts != Counter(dropped.classes):
        told = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
        raise SourceError(f"{place}: classes {told}, which are not the declared ones of {dropped.path}; fetch it again")


def _arrays_in(path: Path) -> list[Path]:
    return idx.files_in(path) if path.is_dir() else [path] if path.suffix.lower() == ".npz" else []


def _arrays(path: Path, files: Sequence[Path], classes: Sequence[str], target: str, how: ImageHow) -> Found:
    if len(files) > 1 and files[0].suffix == ".npz":
        raise SourceError(f"{path}: {len(files)} npz files; name one of them as the source")
    arrays = idx.read(files, classes)
    _, height, width, channels = arrays.pixels.shape
    full = how.filled(max(8, min(height, width)), "grey" if channels == 1 else "rgb")
    stream = ImageStream(path, arrays.pixels, arrays.labels, arrays.names, arrays.facts, full, target)
    rows = zip(arrays.pixels, arrays.names, arrays.labels, strict=True)
    content = hashlib.sha256()
    for pixels, name, label in rows:
        content.update(f"{hashlib.sha256(pixels.tobytes()).hexdigest()}  {name} {label}\n".encode())
    detected = {"holdout": "the source's own test set"} if arrays.facts is not None else {}
    return Found(stream, content.hexdigest(), target, None, detected)


def _dropped_arrays(dropped: Dropped, place: Path, files: Sequence[Path], how: ImageHow) -> Found:
    dropped.checked({file.name: digests(file) for file in files})
    names = list(map(str, dropped.classes))
    found = _arrays(place, files, names, dropped.target, how)
    if dropped.declared.get("sha256") not in (None, found.sha256):
        raise SourceError(
            f"{place}: the images have SHA-256 {found.sha256[:16]}…, declared is {dropped.declared['sha256'][:16]}… "
            f"({dropped.path}); {dropped.how_to_get()}"
        )
    wanted = dropped.declared.get("count")
    if wanted is not None and len(found.stream) != wanted:
        raise SourceError(f"{place}: {len(found.stream):,} images, declared are {wanted:,}; {dropped.how_to_get()}")
    return found
