"""Generators of images, ours and plain DCGANs given the same processor time, by one protocol; resumable.

    python benchmarks/images.py --list                 what there is, what is missing, what is of earlier code
    python benchmarks/images.py --minutes 60           run what is missing, the most telling first
    python benchmarks/images.py --only mnist,plain     only runs whose line has all these words
    python benchmarks/images.py --speed                how fast images are loaded, learnt from and generated
    python benchmarks/images.py --report               write the tables and sheets of docs/images.md

MNIST and Fashion-MNIST with their official test sets, HAM10000 in five folds of whole lesions; at least two seeds. The
test images are seen by the final judge alone, whose networks no choice was made with. Each run is a process of its own
on one thread; costs are processor seconds. Results lie in benchmarks/results/images, weights and images in the cache.
At the end of `--minutes` the run that is going is killed, and taken up from its checkpoint the next time.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from imaging import report, speed
from imaging.schedule import awaited, budget, digest_of, planned, training_of
from synthtrail.storage.files import write_text
from tabular.runs import Run, Store

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results/images"
CACHE = ROOT / "benchmarks/cache/images"
JUDGED = ("synthetic.npz", "result.json")  # of a run's folder; images are drawn through the judge's own sieve
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def main(given: Sequence[str] | None = None) -> int:
    """Do what the command line asks for."""
    asked = parsed(given)
    store = Store(asked.results)
    if asked.report:
        return report.write(asked.docs, store, asked.cache)
    if asked.speed:
        return speed.measure(asked.results / "speed.json")
    wanted = [run for run in planned() if all(word in run.key for word in asked.only)]
    if asked.list:
        return listed(wanted, store)
    return run_all(wanted, store, asked.cache, time.monotonic() + asked.minutes * 60 if asked.minutes else None)


def parsed(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of weights and images")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of results")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="folder of images.md")
    parser.add_argument("--minutes", type=float, help="stop after so many minutes by the clock")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="words a run's line must have")
    for name in ("list", "report", "speed"):
        parser.add_argument(f"--{name}", action="store_true")
    return parser.parse_args(given)


def state(run: Run, store: Store) -> str:
    """Return done, failed, outdated (by other code) or missing."""
    result = store.latest(run)
    if result is None:
        return "missing"
    if result["digest"] != digest_of(run):
        return "outdated"
    return "failed" if "failed" in result else "done"


def listed(wanted: Sequence[Run], store: Store) -> int:
    """Print every run that is not done and what it waits for, and how many there are of each kind."""
    states = {run.key: state(run, store) for run in wanted}
    for run in wanted:
        if states[run.key] != "done":
            waits = awaited(run, store)
            print(f"{states[run.key]:9} {run.key}{f'  (after {waits})' if waits else ''}")
    print(", ".join(f"{number} {name}" for name, number in sorted(Counter(states.values()).items())))
    return 0


def run_all(wanted: Sequence[Run], store: Store, cache: Path, ends: float | None) -> int:
    """Run what is missing, in order, until the time is over; a run that waits for one not asked for is left out."""
    done = 0
    for run in wanted:
        if state(run, store) not in ("missing", "outdated") or (waits := awaited(run, store)):
            if state(run, store) == "missing":
                print(f"{run.key}: left out, waits for {waits}", file=sys.stderr)
            continue
        rest = None if ends is None else ends - time.monotonic()
        if rest is not None and rest <= 0:
            break
        print(f"{run.key} ...", file=sys.stderr, flush=True)
        try:
            result = perform(run, store, cache, rest)
        except subprocess.TimeoutExpired:
            print(f"{run.key}: time is over; it goes on from its checkpoint", file=sys.stderr)
            break
        store.keep(run, {**result, "digest": digest_of(run)})
        done += 1
        print(f"{run.key}: {result.get('failed', 'done')}", file=sys.stderr, flush=True)
    print(f"{done} runs done", file=sys.stderr)
    return 0


def perform(run: Run, store: Store, cache: Path, seconds: float | None) -> dict[str, object]:
    """Do a run in a process of its own; raise `subprocess.TimeoutExpired` if it takes more than `seconds`."""
    folder = cache / "runs" / f"{run.table}-{run.generator}-{run.split}-{run.seed}"
    fresh(folder, run)
    places = {"folder": str(folder.absolute()), "cache": str(cache.absolute()), "budget": budget(run, store)}
    job = {"table": run.table, "generator": run.generator, "split": run.split, "seed": run.seed} | places
    write_text(folder / "job.json", json.dumps(job))
    command = [sys.executable, "-m", "imaging.worker", str(folder / "job.json")]
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(Path(__file__).parent), "CUDA_VISIBLE_DEVICES": ""}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=seconds)
    if ended.returncode:
        said = [line for line in ended.stderr.splitlines() if line.strip()]
        return {"failed": said[-1][:300] if said else f"ended with code {ended.returncode} and said nothing"}
    result: dict[str, object] = json.loads((folder / "result.json").read_bytes())
    return result


def fresh(folder: Path, run: Run) -> None:
    """Empty a run's folder if other code made what lies in it; what was trained stays if only the judge is another."""
    marks = {folder / "digest": digest_of(run), folder / "training": training_of(run)}
    same = {path.name: path.exists() and path.read_text(encoding="utf-8") == value for path, value in marks.items()}
    if (folder / "digest").exists() and not same["digest"]:
        for path in sorted(folder.rglob("*"), reverse=True):
            if not same["training"] or path.name in JUDGED:
                path.rmdir() if path.is_dir() else path.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    for path, value in marks.items():
        path.write_text(value, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
