"""What a certificate may say about copies, from what a disposal noted: one line for each copy, or for many alike."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from synthtrail.custody.certificate import DELETED, KEY_DESTROYED, NOT_REACHED
from synthtrail.custody.certificate import Copy as Claim
from synthtrail.handover.journal import Journal
from synthtrail.handover.places import Place
from synthtrail.handover.survey import Survey
from synthtrail.handover.sweep import Copy

FEW = 20  # copies in one place and folder that are listed one by one
MOST = 2_000  # lines about copies; a certificate may have 1 MiB
Groups = dict[tuple[str, str, str, str], list[Copy]]


def copies_in_dvc(place: Place, told: Survey) -> Iterator[Copy]:
    """Yield what DVC keeps about the artifacts under its own names: lists of folders, entries of the run cache."""
    if not place.name.startswith(("DVC cache", "DVC remote")):
        return
    owner = told.artifacts[0]["sha256"]
    for candidate in place.files():
        parts = PurePosixPath(candidate.name).parts
        listing = parts[-1].endswith(".dir") and "".join(parts[-2:]).removesuffix(".dir") in told.md5
        if listing or ("runs" in parts and _mentions(place, candidate.name, told.md5)):
            yield Copy(
                place.name, candidate.name, place.locator(candidate.name), place.media, "", owner, candidate.size
            )


def _mentions(place: Place, name: str, md5: Iterable[str]) -> bool:
    try:
        with place.open(name) as file:
            text = file.read(1 << 20)
    except FileNotFoundError:
        return False
    return any(found.encode() in text for found in md5)


def claimed(journal: Journal, told: Survey) -> Iterator[Claim]:
    """Yield what is certified about each copy: no more than was noted as done."""
    deleted: list[Copy] = []
    number = 0
    while journal.has(f"deleted {number}"):
        deleted += [Copy(**copy) for copy in journal.fact(f"found {number}")["copies"]]
        number += 1
    yield from summed(deleted)
    yield from map(_stored, journal.fact("stores")["stores"])
    for run, what in journal.fact("runs")["runs"].items():
        if what != "absent":
            method, shown = (DELETED, f"run {run}") if what == "deleted" else (NOT_REACHED, f"run {run}: {what}")
            owner = told.artifacts[0]["sha256"]
            yield Claim(owner, "MLflow database", shown, "plaintext", method, media="database")
    for swept in journal.fact("swept")["sweeps"]:
        if swept["outcome"] == NOT_REACHED:
            yield Claim(told.artifacts[0]["sha256"], swept["place"], "whatever lies there", "plaintext", NOT_REACHED)


def summed(copies: Iterable[Copy]) -> Iterator[Claim]:
    """Yield a claim for each copy; many copies of one artifact in one folder of one place become one line."""
    groups: Groups = defaultdict(list)
    for copy in copies:
        folder = copy.locator.rpartition("/")[0]
        if copy.place.startswith("DVC"):  # two folders for each object there: the place says enough
            folder = copy.locator[: len(copy.locator) - len(copy.name)].rstrip("/")
        groups[copy.artifact, copy.place, copy.media, folder].append(copy)
    if sum(min(len(found), FEW) for found in groups.values()) > MOST:
        groups = _by_place(groups)
    for (artifact, place, media, folder), found in sorted(groups.items()):
        if len(found) > FEW:
            yield Claim(artifact, place, f"{folder} ({len(found)} files)", "plaintext", DELETED, media=media)
        else:
            for copy in found:
                yield Claim(artifact, place, copy.locator, "plaintext", DELETED, media=media)


def _by_place(groups: Groups) -> Groups:
    """Put all copies of an artifact in one place together."""
    merged: Groups = defaultdict(list)
    for (artifact, place, media, folder), found in groups.items():
        merged[artifact, place, media, folder.partition("/")[0] or "/"].extend(found)
    return merged


def _stored(noted: dict[str, Any]) -> Claim:
    """What can be said of ciphertext: nothing that leans on a key which was not here to be destroyed."""
    where = f"{noted['url']}/{noted['artifact'][:16]}… ({noted['objects']} objects deleted)"
    shown = f"{where}; {noted['why']}" if noted["why"] else where
    method = KEY_DESTROYED if noted["key"] else NOT_REACHED
    return Claim(noted["artifact"], "object store", shown, "ciphertext", method, noted["key"], "object store")
