"""A temporary place in which one stage can run again as it ran: the code, inputs, plan and salt keys, and nothing else.

Each thing is taken only if it has the digest that the record states: from the workspace, else from DVC's cache, which
keeps files under their MD5 (the event tells it) and is not believed. Code comes from here if its digest is the
record's, else from the commit that the event names. The place has XDG folders and a ledger of its own, so that a
rebuild touches neither keys nor ledger nor tracked runs; the salt keys of a confidential slot are copied into it.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

from synthtrail import lineage
from synthtrail.custody import digest
from synthtrail.stages.code import git
from synthtrail.stages.context import StageError
from synthtrail.stages.layout import Layout
from synthtrail.stages.recipe import Kept, Recipe
from synthtrail.storage.custodian import origin_of
from synthtrail.storage.files import write_json, write_text
from synthtrail.storage.home import home

CODE = ("catalog", "dvc.yaml", "pipelines", "src")
XDG = ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")


class Workplace:
    """The place at `base`, for the checkout at `root`; `python` runs the stage."""

    def __init__(self, base: Path, root: Path, python: str = sys.executable) -> None:
        self.base, self.root, self.python = base, root, python
        self.checkout = base / "checkout"
        self.checkout.mkdir()

    @property
    def environment(self) -> dict[str, str]:
        """What a command in this place sees."""
        ours = ("DVC_ROOT", "SYNTHTRAIL_", "MLFLOW_", "XDG_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        folders = {name: str(self.base / name.lower()) for name in XDG}
        fixed = {"PYTHONPATH": str(self.checkout / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
        return kept | folders | fixed | {"MLFLOW_DISABLE_TELEMETRY": "true"}

    def prepare(self, recipe: Recipe) -> str:
        """Bring everything that the stage needs; return where the code came from. `StageError` if something is gone."""
        told = self.bring_code(recipe)
        for kept in (*recipe.inputs, *filter(None, [recipe.plan])):
            self.bring(kept)
        if recipe.record.stage == "ingest":
            self.bring_source(recipe)
        summary = self.checkout / Layout(recipe.record.experiment).split / "summary.json"
        counted = (
            recipe.record.stage != "generate" or summary.exists()
        )  # of images the split is an input, brought whole
        if not counted:  # the number of training rows is the default count; the record has it
            write_json(summary, {"train": int(recipe.values("params")["count"])})
        if recipe.record.value["class"] == "confidential":
            self.bring_salts(recipe)
        return told

    def bring_code(self, recipe: Recipe) -> str:
        """Bring the code of the record; return in words where it was found."""
        stage, wanted = recipe.record.stage, code_digest_of(recipe)
        if lineage.code_digest(self.root, stage)["sha256"] == wanted:
            for name in CODE:
                copy(self.root / name, self.checkout / name)
            return "the code here"
        commit = recipe.context.get("git.commit", "")
        if commit and extract(commit, self.checkout):
            if lineage.code_digest(self.checkout, stage)["sha256"] == wanted:
                return f"git commit {commit}"
            raise StageError(
                f"the code that made it has the digest {wanted[:16]}…, which neither the code here nor git commit "
                f"{commit[:12]} has: it was run from files that were not committed, so it cannot be rebuilt"
            )
        raise StageError(
            f"the code that made it has the digest {wanted[:16]}…, and the code here another; "
            + (
                f"git does not have commit {commit}: fetch it"
                if commit
                else "the event names no commit to take it from"
            )
        )

    def bring(self, kept: Kept) -> None:
        """Bring a file or folder by its digest."""
        target = self.checkout / kept.item.path
        if not fetch(kept, self.root, target):
            raise StageError(
                f"{kept.item.path} with the digest {kept.item.digest.hex()[:16]}… is neither in the workspace nor in "
                "DVC's cache; `dvc checkout` of that version, or `dvc pull`, may bring it back"
            )

    def bring_source(self, recipe: Recipe) -> None:
        """Write a params.yaml that asks `ingest` for what the record says, and link to the folders of sources."""
        source, settings = recipe.values("source"), recipe.values("params")
        path = Path(source["path"])
        if not (self.root / path).exists():
            raise StageError(f"{path}: the source is not here; bring it back, or the artifact cannot be rebuilt")
        for name in {path.parts[0], "drop"} - {path.anchor, *CODE}:
            if (self.root / name).exists():
                (self.checkout / name).symlink_to((self.root / name).resolve())
        asked = {name: source[name] for name in ("licence", "legal_basis", "retention")}
        target = json.loads(settings["target"]) if settings["target"] == "null" else settings["target"]
        block = present_block(self.root, recipe.record.experiment) | asked | {"source": source["path"]}
        block |= {"class": recipe.record.value["class"], "modality": settings["modality"], "target": target}
        # JSON is YAML too.
        write_text(self.checkout / "params.yaml", json.dumps({"experiments": {recipe.record.experiment: block}}))

    def bring_salts(self, recipe: Recipe) -> None:
        """Copy the salt keys of the slot, without which no byte comes out as it was."""
        origin = origin_of(self.root)
        keys = home().salts(str(origin)) / recipe.record.slot
        if not keys.is_dir():
            raise StageError(
                f"the key store has no salt key for {recipe.record.slot} in {keys.parents[1]}: it is on another "
                "machine, or was destroyed at disposal; without it no byte can come out as it was"
            )
        self.run("-m", "synthtrail.cli.main", "init")
        copy(keys, self.salts / recipe.record.slot)

    @property
    def salts(self) -> Path:
        """The folder of salt keys of this place."""
        return home(self.environment).salts(str(origin_of(self.checkout)))

    def run(self, *arguments: str) -> None:
        """Run Python in this place; raise `StageError` with its last words if it fails."""
        done = subprocess.run(  # noqa: S603 - our own scripts
            [self.python, *arguments],
            cwd=self.checkout,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
            raise StageError(f"{Path(arguments[0]).name} stopped in the rebuild: {last}")


def fetch(kept: Kept, root: Path, target: Path) -> bool:
    """Copy a file or folder to `target` from the workspace or DVC's cache; tell whether these bytes were found."""
    here = root / kept.item.path
    if here.exists() and digest.artifact(here).sha256 == kept.item.digest.hex():
        copy(here, target)
        return True
    if not kept.md5 or not from_cache(kept.md5, root, target):
        return False
    if digest.artifact(target).sha256 == kept.item.digest.hex():
        return True
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    return False


def from_cache(md5: str, root: Path, target: Path) -> bool:
    """Copy what DVC keeps as `md5` (a folder's ends in `.dir`) to `target`; tell whether it is all there."""
    listing = cached(md5, root)
    if not listing.is_file():
        return False
    if not md5.endswith(".dir"):
        copy(listing, target)
        return True
    files = {item["relpath"]: cached(item["md5"], root) for item in json.loads(listing.read_bytes())}
    if not all(path.is_file() for path in files.values()):
        return False
    for name, path in files.items():
        digest.check_path(name)
        copy(path, target / name)
    return True


def cached(md5: str, root: Path) -> Path:
    """Return where DVC keeps what has this MD5."""
    return cache_folder(root) / "files" / "md5" / md5[:2] / md5[2:]


@cache
def cache_folder(root: Path) -> Path:
    """Return DVC's cache folder, as DVC itself tells it."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "cache", "dir"], cwd=root, capture_output=True, text=True, check=False
    )
    return Path(done.stdout.strip()) if done.returncode == 0 else root / ".dvc" / "cache"


def copy(source: Path, target: Path) -> None:
    """Copy a file or folder, without what Python compiled."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def extract(commit: str, target: Path) -> bool:
    """Unpack the code of a commit into `target`; tell whether git has it."""
    if not git("cat-file", "-t", commit):
        return False
    packed = subprocess.run(["git", "archive", "--format=zip", commit, *CODE], capture_output=True, check=False)  # noqa: S603, S607
    if packed.returncode:
        return False
    with zipfile.ZipFile(io.BytesIO(packed.stdout)) as archive:  # not tar, whose filters came with Python 3.11.4
        archive.extractall(target)
    return True


def code_digest_of(recipe: Recipe) -> str:
    """Return the digest of the code that the record states."""
    code: Any = recipe.record.value["code"]
    return str(code["sha256"])


def present_block(root: Path, experiment: str) -> dict[str, Any]:
    """Return what params.yaml asks of the experiment now; nothing if it is off."""
    import yaml  # noqa: PLC0415 - an auditor's commands import this package without PyYAML

    path = root / "params.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    return dict(document.get("experiments", {}).get(experiment, {}))
