"""Twenty thousand distinct images of skin lesions, from the published archive to a signed ledger, in one run.

    python benchmarks/image_set.py [--count N] [--model NAME] [--steps N] [--folder FOLDER] [--json FILE]

HAM10000 at 64 pixels from ../shared/data or SYNTHTRAIL_SHARED: ingested, divided by lesion, learnt (few `--steps` will
do where the images' quality is not the point), generated in batches, sharded, counted, validated, signed as one
manifest. Then everything is held against everything, by this script's own reading of the files:

    exact counts of each class · no image twice, and none a real one · every image's digest a line of manifest.txt,
    manifest.txt a line of the folder's own manifest, whose digest the ledger has

and three images are stored and fetched singly, each with what proves it. `--folder` keeps the checkout there.
"""

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from figures import Figure, show
from imaging.data import shared
from pipeline import ROOT, copy, stage_seconds, surroundings, timed, tool
from synthtrail.custody import digest
from synthtrail.data import encoded

NAME = "lesions"
CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
SINGLY = 3
GIBIBYTE = 1024 * 1024  # ru_maxrss is in KiB


def main() -> int:
    """Do everything and print the figures."""
    asked = parsed()
    if asked.folder is not None:
        return measured(asked, asked.folder)
    with tempfile.TemporaryDirectory(prefix="synthtrail-images-") as name:
        return measured(asked, Path(name))


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--model", default="latent_gan")
    parser.add_argument("--steps", type=int, help="of training; as many as the model wants if left out")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def measured(asked: argparse.Namespace, base: Path) -> int:
    """Make the set in a checkout below `base`, hold it against everything, show the figures; 1 if there is a fault."""
    counts = even(asked.count)
    root, environment = prepared(base, asked, counts)
    done = subprocess.run(
        [tool("synthtrail"), "repro"], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    if not (root / "data/records" / NAME / "validate.json").exists():
        print(done.stderr[-3000:], file=sys.stderr)
        return 1
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / GIBIBYTE
    wrong = faults(root, NAME, counts, environment)
    for line in wrong:
        print(line, file=sys.stderr)
    found = figures(root, asked.count, peak, len(wrong))
    show(f"{asked.count:,} images of skin lesions, end to end", found)
    if asked.json:
        told = {"count": asked.count, "model": asked.model, "steps": asked.steps, "load": os.getloadavg()[0]}
        rows = {figure.name: figure.value for figure in found}
        asked.json.write_text(json.dumps(told | rows, indent=2) + "\n", encoding="utf-8")
    return 1 if wrong else 0


def prepared(base: Path, asked: argparse.Namespace, counts: Mapping[str, int]) -> tuple[Path, dict[str, str]]:
    """Return a checkout in which only this experiment is on, and the environment of its commands."""
    root = base / "checkout"
    if not root.exists():
        copy(root, quick=False)
    block = yaml.safe_load((ROOT / "catalog/ham10000_gan.yaml").read_text(encoding="utf-8"))
    own = block["model"] if block["model"]["name"] == asked.model else {"name": asked.model}
    block["model"] = own | ({} if asked.steps is None else {"steps": asked.steps})
    block["generate"] = {"conditions": {"dx": dict(counts)}}
    (root / "params.yaml").write_text(yaml.safe_dump({"experiments": {NAME: block}}), encoding="utf-8")
    return root, surroundings(base) | {"SYNTHTRAIL_DATA": str(shared())}


def even(count: int) -> dict[str, int]:
    """Return as even counts of the classes as add up to `count`.

    >>> sum(even(20_000).values()), max(even(20_000).values()) - min(even(20_000).values())
    (20000, 1)
    """
    share, left = divmod(count, len(CLASSES))
    return {name: share + (number < left) for number, name in enumerate(CLASSES)}


def faults(root: Path, name: str, counts: Mapping[str, int], environment: Mapping[str, str]) -> list[str]:
    """Return a line for everything that is not as it should be with the images of an experiment."""
    folder = root / "data" / name / "synthetic"
    listed = listing((folder / "manifest.txt").read_text(encoding="utf-8"))
    digests, labels = read(folder)
    known = {sha for part in ("train", "holdout") for sha in shown(root / "data" / name / "split", part)}
    checks = {
        f"the counts of the classes are {dict(Counter(labels))}": Counter(labels) == Counter(counts),
        "some image is there twice": len(set(digests.values())) == len(digests),
        "some image is a real one": not known & set(digests.values()),
        "manifest.txt does not list the images as they are": listed == digests,
        "manifest.txt is no line of the folder's manifest": in_folder(folder),
        "the ledger does not have the folder's digest": logged(root, folder, environment),
    }
    return [said for said, holds in checks.items() if not holds] + singly(root, name, sorted(digests), environment)


def read(folder: Path) -> tuple[dict[str, str], list[str]]:
    """Return the SHA-256 of every image's bytes by its name, and the labels."""
    digests: dict[str, str] = {}
    labels: list[str] = []
    for batch in encoded.batches(folder, encoded.WHOLE):
        digests |= {name: hashlib.sha256(png).hexdigest() for name, png in zip(batch.names, batch.png, strict=True)}
        labels += batch.labels.tolist()
    return digests, labels


def shown(folder: Path, part: str) -> set[str]:
    """Return the digests that a part's manifest lists."""
    return set(listing((folder / encoded.manifest_name(part)).read_text(encoding="utf-8")).values())


def listing(manifest: str) -> dict[str, str]:
    """Return digests by name."""
    return {name: sha for sha, _, name in (line.partition("  ") for line in manifest.splitlines())}


def in_folder(folder: Path) -> bool:
    """Tell whether manifest.txt is in the folder's manifest with its own digest, and that has the folder's digest."""
    manifest = digest.manifest(folder)
    own = hashlib.sha256((folder / "manifest.txt").read_bytes()).hexdigest()
    whole = hashlib.sha256(manifest).hexdigest()
    return f"{own}  manifest.txt\n".encode() in manifest and whole == digest.folder(folder).sha256


def logged(root: Path, folder: Path, environment: Mapping[str, str]) -> bool:
    """Tell whether the newest `generated` entry is about the folder's digest."""
    done = subprocess.run(
        [tool("synthtrail"), "status", str(folder.relative_to(root))],
        cwd=root, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode == 0 and "live" in done.stdout


def singly(root: Path, experiment: str, names: list[str], environment: Mapping[str, str]) -> list[str]:
    """Store the set, fetch a few images by their names, and redo each step of their proofs."""
    artifact = f"data/{experiment}/synthetic"
    store = root.parent / "store"
    timed([tool("synthtrail"), "store", artifact, "--to", str(store)], root, environment)
    wrong = []
    for name in names[:: max(1, len(names) // SINGLY)][:SINGLY]:
        to = root.parent / "singly" / name
        timed([tool("synthtrail"), "fetch", artifact, "--item", name, "--to", str(to)], root, environment)
        own = hashlib.sha256((to / name).read_bytes()).hexdigest()
        lines = (to / "manifest.txt").read_text(encoding="utf-8")
        lists = hashlib.sha256(lines.encode()).hexdigest()
        outer = (to / "folder.manifest").read_bytes()
        there = digest.folder(root / artifact).sha256 == hashlib.sha256(outer).hexdigest()
        if f"{own}  {name}\n" not in lines or f"{lists}  manifest.txt\n".encode() not in outer or not there:
            wrong.append(f"{name}: what was fetched with it does not prove it")
    return wrong


def figures(root: Path, count: int, peak: float, wrong: int) -> list[Figure]:
    """Return what was measured."""
    scores: dict[str, Any] = json.loads((root / "data" / NAME / "metrics.json").read_bytes())
    drawn = json.loads((root / "data" / NAME / "synthetic/about.json").read_bytes())["drawn"]
    seconds = stage_seconds(root)
    return [
        Figure("images", count, "", 20_000, at_least=True),
        Figure("faults found", wrong, "", 0, note="counts, duplicates, manifests, ledger, single images"),
        Figure("distinct", scores["distinct"], "", 0.99, at_least=True, note="of all, by the real images' own mark"),
        Figure("near copies", scores["near_copies"], "", 0, note="of training images"),
        Figure("drawn again", sum(drawn["dropped"].values()), "images"),
        Figure("peak memory", peak, "GiB", 8, note="of the largest process"),
        *(Figure(f"stage {stage}", spent, "s", note="by the clock") for stage, spent in seconds.items()),
    ]


if __name__ == "__main__":
    sys.exit(main())
