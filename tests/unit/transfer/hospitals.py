"""Two hospitals for tests: each with a checkout, keys, people and a ledger of its own, and folders between them."""

import contextlib
import io
import os
import shutil
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from synthtrail.cli.main import main
from synthtrail.custody import digest
from synthtrail.custody.record import Item
from synthtrail.handover import acting
from synthtrail.storage import pkcs8
from synthtrail.storage.custodian import Custodian
from tests.unit.custody.ledger_factory import STAGES, make_record
from tests.unit.handover import lab as lab_module
from tests.unit.handover.lab import XDG, Lab

PASSPHRASE = "correct horse"
CHEAPEST = 1000
"""Rounds of key derivation in tests: what protects nothing costs nothing."""


@dataclass(frozen=True)
class Result:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


@dataclass
class Hospital:
    """An organisation below `base`; every command runs with its own folders, in its own checkout."""

    name: str
    base: Path
    patch: pytest.MonkeyPatch = field(repr=False)

    @property
    def root(self) -> Path:
        """The checkout."""
        return self.base / "checkout"

    def enter(self) -> None:
        """Let everything from now on happen at this hospital."""
        for name in XDG:
            self.patch.setenv(name, str(self.base / name.lower()))
        self.patch.setenv("SYNTHTRAIL_PASSPHRASE", PASSPHRASE)
        self.patch.setenv("SYNTHTRAIL_NEW_PASSPHRASE", PASSPHRASE)
        self.patch.setattr(pkcs8, "ROUNDS", CHEAPEST)
        self.patch.setattr(os, "fsync", lambda _: None)  # none of these tests is about a power cut
        self.patch.delenv("DVC_ROOT", raising=False)
        self.root.mkdir(parents=True, exist_ok=True)
        self.patch.chdir(self.root)

    def run(self, *words: str, code: int = 0) -> Result:
        """Run a command here; fail unless it ends with `code`, and an error is one line."""
        self.enter()
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            got = main([str(word) for word in words])
        result = Result(got, out.getvalue(), err.getvalue())
        assert got == code, f"synthtrail {' '.join(words)} exited {got}\n{result.out}\n{result.err}"
        assert result.err.count("\n") == (1 if code == 2 else 0), result.err
        return result

    def refused(self, *words: str) -> str:
        """Run a command that must be refused; return its one line."""
        return self.run(*words, code=2).err

    @property
    def custodian(self) -> Custodian:
        """The custodian, as any process of this hospital opens it."""
        self.enter()
        return acting.custodian(self.root)

    def state(self, item: Item) -> str:
        """What the ledger says of an artifact."""
        return self.custodian.ledger.state.status(item.digest)

    def events(self) -> list[str]:
        """The ledger's events in order."""
        log = self.custodian.ledger.log
        return [log.statement(entry).act.event for entry in range(log.size)]

    def make(self, experiment: str = "ward", *, data_class: str = "public", verdict: str = "pass") -> Item:
        """Log the five artifacts of an experiment; return the synthetic one."""
        lab = Lab(self.root, self.custodian)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lab_module, "make_record", partial(make_record, verdict=verdict))
            lab.make(experiment, files=2, size=200, data_class=data_class)
        return lab.made[f"{experiment}/{STAGES[3]}"]


def found(base: Path, name: str, patch: pytest.MonkeyPatch) -> Hospital:
    """Return a hospital whose steward is Ada and whose reviewer is Bob."""
    hospital = Hospital(name, base / name.replace(" ", "-").lower(), patch)
    hospital.run("init", "--organisation", name)
    for pseudonym, person in (("p-ada", "Ada Lovelace"), ("p-bob", "Bob Kahn")):
        hospital.run("person", "add", pseudonym, "--name", person, "--yes")
    hospital.run("key", "new", "ada", "--role", "steward", "--person", "p-ada", "--yes")
    hospital.run("key", "new", "bob", "--role", "operator", "--person", "p-bob", "--yes")
    return hospital


def acquaint(sender: Hospital, receiver: Hospital, between: Path, label: str = "bea") -> None:
    """Let the receiver pin the sender's policy, and the sender list the receiver's key."""
    card, policy = between / f"{label}.card", between / f"{sender.name}.policy"
    receiver.run("key", "new", label, "--card", str(card))
    words = ("--role", "recipient", "--organisation", receiver.name, "--yes")
    sender.run("key", "add", str(card), *words)
    sender.run("policy", "export", "-o", str(policy))
    receiver.run("policy", "pin", str(policy))


@dataclass
class Pair:
    """Hospital A, which has an approved artifact, hospital B, which A lists, and the folder between them."""

    a: Hospital
    b: Hospital
    item: Item
    folder: Path


def build(base: Path, patch: pytest.MonkeyPatch) -> None:
    """Make a pair of hospitals below `base`."""
    a, b = (found(base, name, patch) for name in ("Hospital A", "Hospital B"))
    acquaint(a, b, base)
    a.make()
    a.run("approve", "data/ward/synthetic", "--reason", "fit", "--yes")


def copied(world: Path, base: Path, patch: pytest.MonkeyPatch) -> Pair:
    """Return a copy of the pair below `world`, to be spoiled."""
    shutil.copytree(world, base, dirs_exist_ok=True)
    a, b = (Hospital(name, base / name.replace(" ", "-").lower(), patch) for name in ("Hospital A", "Hospital B"))
    return Pair(a, b, acting.subject(a.custodian, "data/ward/synthetic"), base / "between")


def offer(sender: Hospital, folder: Path, *, to: str = "Hospital B", expires: str = "P30D", code: int = 0) -> Result:
    """Offer the synthetic artifact of `ward`."""
    words = ("--purpose", "teaching", "--terms", "no copies", "--expires", expires, "-o", str(folder), "--yes")
    return sender.run("offer", "data/ward/synthetic", "--to", to, *words, code=code)


def later(patch: pytest.MonkeyPatch, when: datetime, *modules: Any) -> None:
    """Let `datetime.now` of these modules answer `when`."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Clock":
            return cls.fromtimestamp(when.timestamp(), tz)

    for module in modules:
        patch.setattr(module, "datetime", Clock)


def tree(folder: Path) -> dict[str, str]:
    """The files below a folder with their digests."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return {name: digest.file(os.path.join(folder, name)).sha256 for name in names}  # noqa: PTH118
