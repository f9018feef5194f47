"""A small laboratory for tests of handover: a checkout with a ledger, artifacts with real bytes, and a steward."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from synthtrail.cli.main import main
from synthtrail.custody import acts, digest
from synthtrail.custody.canonical import Value
from synthtrail.custody.record import Item
from synthtrail.handover import acting
from synthtrail.handover.acting import Actor
from synthtrail.storage.custodian import Custodian, start
from synthtrail.storage.files import write_bytes
from tests.unit.custody.ledger_factory import FOLDERS, STAGES, as_json, make_record

XDG = ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
PASSPHRASE = "correct horse"


@dataclass
class Lab:
    """A checkout at `root` whose experiments are five folders each, logged as the pipeline logs them."""

    root: Path
    custodian: Custodian
    made: dict[str, Item] = field(default_factory=dict)

    @property
    def operator(self) -> Actor:
        """The machine that signs."""
        return acting.find(self.custodian, "operator")

    def run(self, *arguments: str, code: int = 0) -> None:
        """Run our command line in this process; fail unless it exits with `code`."""
        assert main(arguments) == code, arguments
        self.custodian = acting.custodian(self.root)

    def make(self, experiment: str, *, files: int = 3, size: int = 1000, data_class: str = "public") -> None:
        """Write an experiment's artifacts (deterministic noise), and log their records."""
        before: list[Item] = []
        for stage in STAGES:
            folder = self.root / "data" / experiment / FOLDERS[stage]
            for number in range(files):
                write_bytes(folder / f"part-{number:03d}.bin", noise(f"{experiment} {stage} {number}", size))
            before.append(self.log(experiment, stage, before, data_class))

    def log(self, experiment: str, stage: str, before: list[Item], data_class: str = "public") -> Item:
        """Log what lies in a stage's folder as made from `before`."""
        path = f"data/{experiment}/{FOLDERS[stage]}"
        found = digest.folder(self.root / path)
        item = Item(path, bytes.fromhex(found.sha256), found.size, found.files)
        value = make_record(experiment, stage)
        value["subjects"] = [as_json(item)]
        value["class"] = data_class
        value["inputs"] = inputs(stage, before, value["inputs"])
        if stage == "ingest":
            value["source"] = pairs(licence="CC0-1.0", path=f"drop/{experiment}.csv", retention="P1Y")
        now = datetime.now(UTC)
        with self.custodian.ledger.transaction(now) as tx:
            tx.append([acts.made(tx.state, value, self.custodian.operator, at=now)])
        self.custodian.ledger.keep_manifest(digest.manifest(self.root / path))
        self.made[f"{experiment}/{stage}"] = item
        return item

    def events(self) -> list[str]:
        """The ledger's events in order."""
        log = self.custodian.ledger.log
        return [log.statement(entry).act.event for entry in range(log.size)]


def inputs(stage: str, before: list[Item], source: Value) -> Value:
    """The inputs of a stage as its record has them."""
    by = dict(zip(STAGES, before, strict=False))
    needs = {"preprocess": ["ingest"], "train": ["preprocess"], "generate": ["train"]}
    needs["validate"] = ["generate", "preprocess"]
    return [as_json(by[name]) for name in needs[stage]] if stage in needs else source


def pairs(**values: str) -> Value:
    """Names and values as a record lists them."""
    return [{"name": name, "value": values[name]} for name in sorted(values)]


def noise(words: str, size: int) -> bytes:
    """Bytes that depend on `words` only."""
    return hashlib.shake_128(words.encode()).digest(size)


def private(monkeypatch: pytest.MonkeyPatch, base: Path) -> None:
    """Give this test key, state and temporary folders of its own, and a passphrase."""
    for name in XDG:
        monkeypatch.setenv(name, str(base / name.lower()))
    (base / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(base / "tmp"))
    monkeypatch.setenv("SYNTHTRAIL_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("SYNTHTRAIL_NEW_PASSPHRASE", PASSPHRASE)
    monkeypatch.delenv("DVC_ROOT", raising=False)


def open_lab(base: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Return a lab with a new ledger below `base`, in which the test now works, with a steward called ada."""
    root = base / "checkout"
    root.mkdir()
    monkeypatch.chdir(root)
    lab = Lab(root, start(root))
    lab.run("person", "add", "p-ada", "--name", "Ada L.", "--yes")
    lab.run("key", "new", "ada", "--role", "steward", "--person", "p-ada", "--yes")
    return lab
