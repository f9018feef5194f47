"""What a disposal has to look for: the digests of an artifact's files and of what was written beside them.

An artifact that is a folder is looked for file by file, by the manifest that was kept when it was signed. A file that a
live artifact has too (the same schema in two experiments, say) is left alone, and named: deleting it would damage what
nobody asked to dispose of.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

from synthtrail.custody import digest
from synthtrail.custody.record import Item
from synthtrail.handover.descent import Making, of_artifacts
from synthtrail.handover.sweep import Wanted

FindManifest = Callable[[bytes], bytes | None]


@dataclass(frozen=True)
class Targets:
    """What is to be found (file digest to artifact), what is spared since something live has it, what has no list."""

    wanted: dict[str, str]
    spared: dict[str, str]
    unlisted: tuple[Item, ...]
    md5: frozenset[str]
    runs: tuple[str, ...]
    records: tuple[str, ...]


def targets(
    every: list[Making], disposed: Mapping[bytes, Item], live: Iterable[bytes], manifest: FindManifest
) -> Targets:
    """Return what to look for when the artifacts `disposed` are to go and the artifacts `live` are to stay."""
    mine = of_artifacts(every, disposed)
    wanted: dict[str, str] = {}
    unlisted: list[Item] = []
    for making in mine:
        for item in (making.record.subject, *making.record.views):
            files = files_of(item, manifest)
            if files is None:
                unlisted.append(item)
            else:
                wanted |= dict.fromkeys(files, making.artifact.hex())
    kept = {name for making in of_artifacts(every, live) for name in _files(making, manifest)}
    spared = {name: wanted.pop(name) for name in sorted(wanted.keys() & kept)}
    stages = [making.context for making in mine]
    return Targets(
        wanted,
        spared,
        tuple(unlisted),
        frozenset(found["dvc.md5"].removesuffix(".dir") for found in stages if found.get("dvc.md5")),
        tuple(dict.fromkeys(found["mlflow.run"] for found in stages if found.get("mlflow.run"))),
        tuple(dict.fromkeys(making.record.digest.hex() for making in mine)),
    )


def files_of(item: Item, manifest: FindManifest) -> set[str] | None:
    """Return the digests (hex) of the files of an artifact; None for a folder whose list was not kept."""
    if item.files is None:
        return {item.digest.hex()}
    kept = manifest(item.digest)
    if kept is None or sha256(kept).digest() != item.digest:
        return None
    return set(digest.parse_manifest(kept).values())


def wanted(found: Targets, sizes: set[int] | None) -> Wanted:
    """Return what a sweep is given; `sizes` are those of all wanted files, None if they are not all known."""
    return Wanted(found.wanted, sizes)


def _files(making: Making, manifest: FindManifest) -> Iterator[str]:
    for item in (making.record.subject, *making.record.views):
        yield from files_of(item, manifest) or ()
