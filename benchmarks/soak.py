"""A ledger of a million entries: appended in groups, verified in full by both cores, and continued.

    python benchmarks/soak.py [--entries N] [--group N] [--json FILE] [--folder FOLDER]

Each phase is a process of its own, so that its memory is its own: the peak of the process plus, for each worker, the
peak of the largest one (`getrusage`), which counts shared pages more than once. `--folder` keeps the ledger there and
uses the one that it finds; it takes about 2 KB for each entry.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import ledgers
import peers
from figures import Figure, show
from ledger import Counting
from ledgers import NOW, POLICY, SEQUENCER
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.ledger import Ledger
from synthtrail.custody.verify import verify

ENTRIES = 1_000_000
GROUP = 1024
LATER = 10_000
PROCESSES = 2
MEBIBYTE = 1024  # ru_maxrss is in KiB


def append(folder: Path, size: int, group: int) -> dict[str, Any]:
    """Bring the ledger to `size` entries."""
    if (folder / "ledger/checkpoint").exists():
        ledger = Ledger.open(folder / "ledger", folder / "guard", POLICY, SEQUENCER)
    else:
        ledger = ledgers.create(folder)
    start = ledger.head.size
    columns = (TextColumn("appending"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=size, completed=start)
        stages = ledgers.records(version=start)
        spent = ledgers.grow(ledger, stages, size - start, group, lambda added: bar.advance(task, added))
    told = folder / "appended.json"
    if not spent.entries:  # an earlier run appended them
        found: dict[str, Any] = json.loads(told.read_bytes()) if told.exists() else {}
        return found
    slowest = max(spent.groups)
    made = {"entries": spent.entries, "rate": spent.rate, "signing": spent.signing, "slowest": slowest} | _memory(0)
    if not start or not told.exists():
        told.write_text(json.dumps(made), encoding="utf-8")
    return made


class Limit:
    """Measures the limit all along a phase of minutes, since the machine is not equally fast all the time.

    A process beside it verifies a thousand bare signatures every ten seconds.
    """

    def __enter__(self) -> Self:
        code = (
            "import sys, ledger, time\nwhile True:\n print(ledger.signature_seconds(1000), flush=True)\n time.sleep(10)"
        )
        place = Path(__file__).parent
        self._process = subprocess.Popen([sys.executable, "-c", code], cwd=place, stdout=subprocess.PIPE, text=True)
        return self

    def seconds(self) -> float:
        """Stop measuring; the mean CPU seconds of a bare signature."""
        self._process.terminate()
        found = [float(line) for line in self._process.communicate()[0].splitlines() if line]
        return sum(found) / len(found)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()


def verify_all(folder: Path) -> dict[str, Any]:
    """Verify everything, and keep what an incremental verification starts from."""
    with Limit() as limit:
        before, start = peers.cpu(), time.perf_counter()
        report = verify(FolderReader(folder / "ledger"), POLICY, now=NOW, processes=PROCESSES)
        wall, cpu = time.perf_counter() - start, peers.cpu() - before
        memory = _memory(PROCESSES)
        raw = limit.seconds()
    kept = report.snapshot_parts()
    if report.level != "A" or kept is None:
        sys.exit(report.text())
    with (folder / "snapshot").open("wb") as file:
        file.writelines(kept)
    (folder / "kept").write_bytes((folder / "ledger/checkpoint").read_bytes())
    length = (folder / "snapshot").stat().st_size
    found = {"size": report.size, "wall": wall, "ratio": raw * report.size / cpu, "snapshot": length}
    return found | memory | {"keeping": _memory(0)["own"]}


def verify_since(folder: Path) -> dict[str, Any]:
    """Verify what came after the kept checkpoint."""
    reader = Counting(folder / "ledger")
    since = (folder / "kept").read_bytes()
    start = time.perf_counter()
    with (folder / "snapshot").open("rb") as known:
        report = verify(reader, POLICY, now=NOW, since=since, known=known)
    wall = time.perf_counter() - start
    if report.level != "B":
        sys.exit(report.text())
    return {"size": report.size, "wall": wall, "bundles": reader.bundles} | _memory(0)


PHASES: dict[str, Callable[..., dict[str, Any]]] = {
    "append": append,
    "verify": verify_all,
    "since": verify_since,
}


def _memory(workers: int) -> dict[str, Any]:
    """Peak MiB of this process and of its largest worker, and what all together cannot exceed."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEBIBYTE
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / MEBIBYTE if workers else 0.0
    return {"own": own, "worker": worker, "peak": own + workers * worker}


def phase(name: str, folder: Path, *arguments: int) -> dict[str, Any]:
    """Run one phase as a process of its own; what it measured."""
    command = [sys.executable, __file__, "--phase", name, str(folder), *map(str, arguments)]
    print(f"{name} …", file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stdout}")
    found: dict[str, Any] = json.loads(done.stdout)
    print(f"  {done.stdout.strip()}", file=sys.stderr, flush=True)
    return found


def measure(folder: Path, entries: int, group: int) -> list[Figure]:
    """Return every figure."""
    made = phase("append", folder, entries, group)
    whole = phase("verify", folder)
    phase("append", folder, whole["size"] + LATER, group)
    since = phase("since", folder)
    bundles = -(-since["size"] // 256) - whole["size"] // 256
    memory = f"{whole['own']:.0f} + {PROCESSES} × {whole['worker']:.0f} MiB, shared pages counted each time"
    return [
        Figure("append", made.get("rate"), "entries/s", 5000, at_least=True, note=f"groups of {group}, no signing"),
        Figure("slowest group", made.get("slowest"), "s", note="from bundles to publication"),
        Figure("memory of appending", made.get("peak"), "MiB"),
        Figure("verify everything", whole["size"] / whole["wall"], "entries/s", note=f"{PROCESSES} processes, wall"),
        Figure("verify, of the signature limit", whole["ratio"], "per core", 0.6, at_least=True, note="CPU time"),
        Figure("memory of verifying", whole["peak"], "MiB", 300, note=memory),
        Figure("memory of keeping the snapshot", whole["keeping"], "MiB", 300, note="the main process"),
        Figure("snapshot", whole["snapshot"] / 2**20, "MiB"),
        Figure("verify since", since["wall"], "s", note=f"{LATER} new entries, loading the snapshot included"),
        Figure("bundles read since", since["bundles"], "files", bundles, note="those that hold new entries"),
        Figure("memory of verifying since", since["peak"], "MiB", 300),
    ]


def main() -> int:
    """Parse the command line, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=ENTRIES)
    parser.add_argument("--group", type=int, default=GROUP)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON too")
    parser.add_argument("--folder", type=Path, help="keep the ledger here")
    parser.add_argument("--phase", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.phase:
        name, folder, *numbers = arguments.phase
        print(json.dumps(PHASES[name](Path(folder), *map(int, numbers))))
        return 0
    with tempfile.TemporaryDirectory(prefix="synthtrail-soak-") as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        figures = measure(folder, arguments.entries, arguments.group)
    title = f"A ledger of {arguments.entries:,} entries"
    show(title, figures)
    if arguments.json:
        machine = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
        rows = [asdict(figure) | {"met": figure.met} for figure in figures]
        text = json.dumps({"title": title, "quick": False, "machine": machine, "figures": rows}, indent=2)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
