"""Generators of tables, ours, controls and peers, by one protocol; resumable, and honest about what was not run.

    python benchmarks/tables.py --list                       what there is, what is missing, what is of earlier code
    python benchmarks/tables.py --cache FOLDER --build       build the peers' environments there: minutes, 4 GB
    python benchmarks/tables.py --cache FOLDER --minutes 60  run what is missing, the most telling first
    python benchmarks/tables.py --only adult,cart            only runs whose line has all these words
    python benchmarks/tables.py --report                     write docs/tables-measured.md, its plots and the
                                                             short table of docs/tables.md

Outer 80/20 splits, of which the split is the unit; as many synthetic rows as training rows; settings chosen on inner
parts. Each run is a process of its own on one thread; costs are processor seconds. Results lie in
benchmarks/results/tables; those made by earlier code are done anew, and until then shown as such. At the end of
`--minutes` the run that is going is given up and nothing of it kept. Two studies beside it: `--gate` (how small a leak
the privacy gate catches) and `--small` (Iris, Wine, Titanic).
"""

import argparse
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tabular import data, environments, gate, report, small
from tabular.execute import Place, perform
from tabular.generators import known
from tabular.runs import Store
from tabular.schedule import Planned, plan

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results/tables"
CACHE = ROOT / "benchmarks/cache/tables"
NOT_BUILT = "its environment is not built"


def main(given: Sequence[str] | None = None) -> int:
    """Do what the command line asks for."""
    asked = parsed(given)
    store = Store(asked.results)
    ends = time.monotonic() + asked.minutes * 60 if asked.minutes else None
    if asked.build:
        return built(asked.cache)
    if asked.gate:
        return gate.study(asked.results.parent / "gate.jsonl", ends)
    if asked.small:
        return small.study(asked.results.parent / "small", ends)
    if asked.report:
        return report.write(ROOT / "docs", store, planned(store), asked.results.parent)
    wanted = [one for one in planned(store) if all(word in one.run.key for word in asked.only)]
    if asked.list:
        return listed(wanted, store)
    return run_all(wanted, store, Place(asked.cache, environments.built(asked.cache)), ends)


def parsed(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of environments and synthetic rows")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of results")
    parser.add_argument("--minutes", type=float, help="stop after so many minutes by the clock")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="words a run's line must have")
    for name in ("build", "list", "report", "gate", "small"):
        parser.add_argument(f"--{name}", action="store_true")
    return parser.parse_args(given)


def planned(store: Store) -> list[Planned]:
    """Return every run in order; tables whose file is absent are left out and said so."""
    digests = {}
    for name in data.TABLES:
        try:
            digests[name] = data.digest(name)
        except OSError as error:
            print(f"{name}: {error}; set SYNTHTRAIL_SHARED", file=sys.stderr)
    return plan(store, known(), digests)


def built(cache: Path) -> int:
    """Build the environments and say what came of it."""
    pythons, failures = environments.build(cache)
    for name in environments.NAMES:
        print(f"{name}: {pythons.get(name) or failures[name]}")
    return 1 if failures else 0


def listed(wanted: Sequence[Planned], store: Store) -> int:
    """Print how many runs are done, and every one that is not."""
    states = {one.run.key: state(one, store) for one in wanted}
    for one in wanted:
        if states[one.run.key] != "done":
            print(f"{states[one.run.key]:8} {one.seconds:8.0f} s  {one.run.key}")
    counts = Counter(states.values())
    left = sum(one.seconds for one in wanted if states[one.run.key] not in ("done", "failed"))
    told = ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
    print(f"{told}; about {left / 3600:.1f} processor hours left")
    return 0


def state(one: Planned, store: Store) -> str:
    """Return done, failed, outdated (by other code) or missing."""
    result = store.find(one.run, one.digest)
    if result is None:
        return "missing" if store.latest(one.run) is None else "outdated"
    return "failed" if "failed" in result else "done"


def run_all(wanted: Sequence[Planned], store: Store, place: Place, ends: float | None) -> int:
    """Run what is missing, in order, until the time is over."""
    left = [one for one in wanted if state(one, store) in ("missing", "outdated")]
    absent = {one.run.generator for one in left if place.generators[one.run.generator].environment not in place.pythons}
    for name in sorted(absent):
        print(f"{name}: not run, {NOT_BUILT}; see --build", file=sys.stderr)
    left = [one for one in left if one.run.generator not in absent]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar, number = progress.add_task("", total=len(left)), 0
        for one in left:
            rest = None if ends is None else ends - time.monotonic()
            if rest is not None and rest <= 0:
                break
            progress.update(bar, description=one.run.key)
            try:
                result = perform(one.run, place, one.rows, rest)
            except subprocess.TimeoutExpired:
                break
            store.keep(one.run, {**result, "digest": one.digest})
            number += 1
            progress.advance(bar)
    print(f"{number} runs done, {len(left) - number} left", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
