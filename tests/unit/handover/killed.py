"""Acts that are killed at each of their steps and then run again, as `kill -9` would do it.

    python -m tests.unit.handover.killed store|store-s3|dispose BASE

Run as a program of its own: it makes a lab below BASE, and for each step forks a child on a copy of it. The child dies
at that step without any cleaning up; another one runs the same act to its end. What both left is printed as JSON, a
line for each step, for a test to judge.
"""

import importlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthtrail.handover import acting, apart, executing, storing
from synthtrail.handover.journal import OnStep
from tests.unit.handover.lab import XDG, Lab, open_lab, private
from tests.unit.handover.local_s3 import s3_server

KILLED = 137
Act = Callable[[Lab, Path, OnStep], object]


def main(scenario: str, base: Path) -> None:
    """Run one scenario; what is loaded here, no child has to load."""
    importlib.import_module("synthtrail.handover.s3_store")
    act, prepared = {"store": (store, None), "store-s3": (store_s3, None), "dispose": (dispose, approved)}[scenario]
    origin = base / "origin"
    origin.mkdir(parents=True)
    monkeypatch = pytest.MonkeyPatch()
    private(monkeypatch, origin)
    lab = open_lab(origin, monkeypatch)
    lab.make("iris", files=2, data_class="confidential")
    if prepared:
        prepared(lab, origin)
    if scenario == "store-s3":
        with s3_server():
            each(act, origin, base)
    else:
        each(act, origin, base)


def each(act: Act, origin: Path, base: Path) -> None:
    """Kill the act at its first step, its second, …, until it ends before it can be killed."""
    number = 0
    while True:
        number += 1
        copy = base / f"at-{number}"
        shutil.copytree(origin, copy)
        if (origin / "kept").exists():  # the ledger names the store's place, so there is one for all
            shutil.copytree(origin / "kept", base / "store", dirs_exist_ok=True)
        status, step = child(act, copy, number)
        after = seen(copy)
        again, _ = child(act, copy, 0)
        print(json.dumps({"step": step, "status": status, "after": after, "again": again, "end": seen(copy)}))
        sys.stdout.flush()
        shutil.rmtree(copy)
        if status != KILLED:
            return


def child(act: Act, base: Path, die_at: int) -> tuple[int, str]:
    """Run the act in a child that dies at step number `die_at` (0: never); exit status, and the step it died at."""
    note = base / "step"
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            lab = moved(base)
            act(lab, base, killer(die_at, note))
            code = 0
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), note.read_text(encoding="utf-8") if note.exists() else ""


def killer(die_at: int, note: Path) -> OnStep:
    """Return what counts steps, and ends the process at one."""
    count = 0

    def on_step(name: str) -> None:
        nonlocal count
        count += 1
        if count == die_at:
            note.write_text(name, encoding="utf-8")
            os._exit(KILLED)

    return on_step


def moved(base: Path) -> Lab:
    """Return the lab of the copy at `base`, in which this process now works."""
    for name in XDG:
        os.environ[name] = str(base / name.lower())
    tempfile.tempdir = str(base / "tmp")
    os.chdir(base / "checkout")
    root = base / "checkout"
    return Lab(root, acting.custodian(root))


def store(lab: Lab, base: Path, on_step: OnStep) -> None:
    """Store the raw data in a folder, in two packs, each encrypted by a process of its own."""
    apart.WORTH = 1
    item, path = storing.where(lab.custodian, "data/iris/raw")
    storing.store(lab.custodian, lab.operator, item, path, str(base / "store"), limit=1000, on_step=on_step)


def store_s3(lab: Lab, base: Path, on_step: OnStep) -> None:
    """Store the raw data in a bucket of its own."""
    item, path = storing.where(lab.custodian, "data/iris/raw")
    storing.store(lab.custodian, lab.operator, item, path, f"s3://bucket-{base.name}/x", limit=1000, on_step=on_step)


def approved(lab: Lab, origin: Path) -> None:
    """Have a disposal of everything approved that was stored, cached and salted before."""
    lab.run("store", "data/iris/raw", "--to", str(origin.parent / "store"))
    shutil.copytree(origin.parent / "store", origin / "kept")
    salt = Path(os.environ["XDG_DATA_HOME"]) / "synthtrail" / lab.custodian.policy.origin.replace("/", "_") / "salts"
    (salt / "iris/ingest").mkdir(parents=True)
    (salt / "iris/ingest" / f"{'5' * 64}.salt").write_bytes(bytes(32))
    shutil.copytree(lab.root / "data/iris/raw", origin / "tmp/left")
    lab.run("dispose", "request", "data/iris/raw", "--with-descendants", "--reason", "over", "--yes")
    lab.run("dispose", "approve", "data/iris/raw", "--reason", "checked", "--as", "ada", "--yes")


def dispose(lab: Lab, _base: Path, on_step: OnStep) -> None:
    """Carry the disposal out."""
    digest = next(iter(lab.custodian.ledger.state.slots.values())).subject
    item = acting.item(lab.custodian, digest)
    executing.execute(lab.custodian, lab.operator, [item], purge=lambda _root, _runs: {}, on_step=on_step)


def seen(base: Path) -> dict[str, Any]:
    """Return what there is: the ledger's last events, and files of each kind."""
    lab = Lab(base / "checkout", acting_on(base))
    files = [path for path in base.rglob("*") if path.is_file()]
    return {
        "events": lab.events()[-2:],
        "executed": lab.events().count("disposal-executed"),
        "stored": lab.events().count("stored"),
        "data": sum("data" in path.parts and path.suffix == ".bin" for path in files),
        "left": sum("left" in path.parts for path in files),
        "keys": sorted(
            path.suffix for path in files if path.suffix in (".age", ".salt") and "xdg_data_home" in path.parts
        ),
        "objects": sorted(path.name for path in (base / "store").rglob("*") if path.is_file()),
        "ciphertext": len(list((base.parent / "store").rglob("*.age"))),
        "journals": sum("work" in path.parts for path in files),
    }


def acting_on(base: Path) -> Any:
    """Return the custodian of the copy at `base`, found with its folders."""
    kept = {name: os.environ[name] for name in XDG}
    for name in XDG:
        os.environ[name] = str(base / name.lower())
    try:
        return acting.custodian(base / "checkout")
    finally:
        os.environ.update(kept)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
