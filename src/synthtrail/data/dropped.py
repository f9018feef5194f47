"""Data sets that are not shipped: a descriptor says what to fetch from where, and a drop folder holds what came.

    kind: files
    modality: image
    folder: ham10000            # below drop/ of the checkout, or below $SYNTHTRAIL_DATA
    target: dx
    title: ...  url: ...  licence: ...  citation: ...
    files:                      # what `synthtrail download` fetches; sha256, or md5 where the publisher states no other
      - {name: part_1.zip, url: "https://...", bytes: 1366522108, md5: 4639...}
    also:                       # other files, or editions of the same name, that may lie there instead
      - {name: copy.zip, sha256: 9f22...}
    table: HAM10000_metadata.csv   # with its columns: name (of files) and group (whose pictures they are)
    name: image_id
    group: lesion_id
    count: 10015                # pictures that there must be
    classes: {nv: 6705, ...}    # and how many of each class; or, for arrays, a list of names for the labels' numbers
    sha256: <hex>               # of the canonical content of arrays, whatever file they come in (see `sources`)

Of related tables (`modality: relational`) folder, files and also are enough; what links them stands in params.yaml.
A file of a listed name must have its digest. Other files may lie there too, say the same pictures unpacked; the record
names the files that nothing was declared of.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from synthtrail.data.errors import SourceError

DROP, VARIABLE = Path("drop"), "SYNTHTRAIL_DATA"
NEEDED = {"kind", "modality", "folder", "target", "title", "url", "licence", "citation", "files"}
ALLOWED = NEEDED | {"also", "table", "name", "group", "count", "classes", "sha256"}
FILE = {"name", "url", "bytes", "sha256", "md5"}
BLOCK = 1 << 20


@dataclass(frozen=True)
class RemoteFile:
    """A file as published; `digest` is of the algorithm `algorithm` (sha256, md5), `size` in bytes if it is stated."""

    name: str
    algorithm: str
    digest: str
    url: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class Dropped:
    """A descriptor of kind `files`."""

    path: Path
    declared: Mapping[str, Any]
    files: tuple[RemoteFile, ...]
    also: tuple[RemoteFile, ...]

    @property
    def target(self) -> str:
        """The column that is the class."""
        return str(self.declared["target"])

    @property
    def classes(self) -> Mapping[str, int] | list[str]:
        """How many pictures of each class there are, or names for the labels' numbers."""
        return self.declared.get("classes") or []

    @property
    def drop(self) -> Path:
        """The folder that `download` fills."""
        return DROP / str(self.declared["folder"])

    def place(self) -> Path:
        """Return the folder in which the data lie; `SourceError` that says how to get them."""
        places = [self.drop]
        if os.environ.get(VARIABLE):
            places.append(Path(os.environ[VARIABLE]) / str(self.declared["folder"]))
        found = next((place for place in places if place.is_dir() and any(place.iterdir())), None)
        if found is None:
            raise SourceError(f"{self.path}: nothing lies in {self.drop}; {self.how_to_get()}")
        return found

    def how_to_get(self) -> str:
        """Return what to do to have the data, in a few words."""
        names = ", ".join(file.name for file in self.files)
        hosts = ", ".join(sorted({urlsplit(file.url).netloc for file in self.files if file.url}))
        fetch = f"`synthtrail download {self.path.stem}` fetches them from {hosts}, or " if hosts else ""
        return f"{fetch}put {names} there (see {self.declared['url']})"

    def checked(self, digests: Mapping[str, Mapping[str, str]]) -> list[str]:
        """Hold files against what is declared; return the names of those of which nothing is.

        `digests`: name -> algorithm -> digest. Raises `SourceError` for the first that is not the declared one.
        """
        strange = []
        for name, found in digests.items():
            known = [file for file in (*self.files, *self.also) if file.name == name]
            if not known:
                strange.append(name)
            elif all(found[file.algorithm] != file.digest for file in known):
                first = known[0]
                raise SourceError(
                    f"{name}: its {first.algorithm.upper()} is {found[first.algorithm][:16]}…, declared is "
                    f"{first.digest[:16]}…: not whole, or another edition; delete it and {self.how_to_get()}"
                )
        return strange


def parse(path: Path, declared: Mapping[str, Any]) -> Dropped:
    """Read what a descriptor of kind `files` declares; `SourceError` naming the key at fault."""
    keys = set(declared)
    needed = NEEDED - {"target"} if declared.get("modality") == "relational" else NEEDED  # links stand in params.yaml
    odd = sorted((needed - keys) | (keys - ALLOWED))
    if odd:
        raise SourceError(f"{path}: missing or unknown: {', '.join(map(str, odd))}")
    folder = str(declared["folder"])
    if not folder or "/" in folder or folder.startswith("."):
        raise SourceError(f"{path}: folder {folder!r}: give the plain name of a folder below {DROP}/")
    files, also = (tuple(_file(path, item) for item in declared.get(key) or []) for key in ("files", "also"))
    return Dropped(path, declared, files, also)


def load(path: Path) -> Dropped:
    """Read the descriptor at `path`; `SourceError` if it is none of kind `files`."""
    try:
        declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: not YAML; correct it") from error
    if not isinstance(declared, dict) or declared.get("kind") != "files":
        raise SourceError(f"{path}: not of kind `files`; there is nothing to download")
    return parse(path, declared)


def digests(path: Path) -> dict[str, str]:
    """Return the SHA-256 and MD5 of a file in hex; MD5 because some publishers state no other."""
    found = {"sha256": hashlib.sha256(), "md5": hashlib.md5(usedforsecurity=False)}
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            for algorithm in found.values():
                algorithm.update(block)
    return {name: algorithm.hexdigest() for name, algorithm in found.items()}


def _file(path: Path, item: Any) -> RemoteFile:
    if not isinstance(item, dict) or not {"name"} <= set(item) <= FILE or not {"sha256", "md5"} & set(item):
        raise SourceError(f"{path}: a file needs a name, and a sha256 (or md5); it may have url and bytes: {item!r}")
    name = str(item["name"])
    if "/" in name or "\\" in name or name.startswith(".") or not name.isprintable():
        raise SourceError(f"{path}: {name!r} is not the plain name of a file")
    algorithm = "sha256" if "sha256" in item else "md5"
    digest = str(item[algorithm])
    if not re.fullmatch(r"[0-9a-f]{64}" if algorithm == "sha256" else r"[0-9a-f]{32}", digest):
        raise SourceError(f"{path}: {name}: {digest!r} is no {algorithm} in small hex digits; put it between quotes")
    return RemoteFile(name, algorithm, digest, item.get("url"), item.get("bytes"))
