"""What was measured, as tables between two marks of docs/images.md, and a sheet of images for each generator.

Only what was run is told, and what was not is named. Intervals: of an accuracy on the official test set Wilson's, 95 %;
of a difference over folds, Student's with the variance corrected for overlapping training sets (Nadeau and Bengio
2003): 1 / folds + test / train.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from imaging.data import SOURCES, Source
from imaging.schedule import GENERATORS, OURS, REAL, SEEDS, digest_of
from synthtrail.stages.pictures import grid
from synthtrail.storage.files import write_bytes
from tabular.markdown import between
from tabular.runs import Run, Store

EACH = 10  # images of a class on a sheet
CLASSES = 10
ENOUGH = 0.9  # of our processor time is what a baseline must have had
GOALS = {"mnist": (0.98, 0.985), "fashion_mnist": (0.82, 0.87)}

Result = Mapping[str, Any]
Done = tuple[Run, Result]


def write(docs: Path, store: Store, cache: Path) -> int:
    """Write the tables into docs/images.md and the sheets beside it; return 0."""
    lines = [line for source in SOURCES.values() for line in section(source, store, docs, cache)]
    between(docs / "images.md", "\n".join([*lines, *fast(store.folder / "speed.json")]))
    return 0


def section(source: Source, store: Store, docs: Path, cache: Path) -> Iterator[str]:
    """Yield the lines about one image set."""
    done = {run.key: (run, result) for run, result in finished(source, store)}
    yield f"### {source.name}: {source.about}\n"
    if not done:
        yield "Not run yet.\n"
        return
    yield "| trained on | fold, seed | accuracy | balanced | worst class | Fréchet (floor) | distinct | training |"
    yield "|---|---|---|---|---|---|---|---|"
    for run, result in done.values():
        yield from rows(run, result)
    yield ""
    yield from goals(source, list(done.values()))
    for name in GENERATORS:
        if picture := sheet(source, name, docs, cache):
            yield f"![{source.name}, {name}]({picture})\n"
    lacking = [run.key for run in runs(source) if run.key not in done]
    yield f"Not run: {len(lacking)} of {len(runs(source))} runs{': ' if lacking else ''}{'; '.join(lacking)}.\n"


def fast(path: Path) -> Iterator[str]:
    """Yield what `--speed` measured, if it was."""
    if not path.exists():
        return
    rates = json.loads(path.read_bytes())
    enough = "met" if rates["loader"] >= 5 * rates["training"] else "MISSED"
    quick = "met" if rates["generation"] >= 2_000 else "MISSED"
    yield "### Speed: images a processor second, one thread, 28×28 grey\n"
    picked, learnt = f"{rates['loader']:,}", f"{rates['training']:,}"
    yield f"Picked out of memory {picked}; learnt from {learnt}: goal five times as many, {enough}."
    yield f"Read from shards {rates['reader']:,}. Generated {rates['generation']:,}: goal 2,000, {quick}.\n"


def runs(source: Source) -> list[Run]:
    """Return every run of a set."""
    folds = range(source.folds)
    real = [Run(source.name, REAL, fold) for fold in folds]
    return real + [Run(source.name, name, fold, seed) for name in GENERATORS for fold in folds for seed in range(SEEDS)]


def finished(source: Source, store: Store) -> Iterator[Done]:
    """Yield the runs that have a result, of whatever code."""
    for run in runs(source):
        result = store.latest(run)
        if result is not None and "failed" not in result:
            yield run, result


def rows(run: Run, result: Result) -> Iterator[str]:
    """Yield a row for each way in which the judge was trained."""
    old = "" if result["digest"] == digest_of(run) else " (earlier code)"
    for way in ("real", "real + augmentation", "synthetic", "real + synthetic", "hybrid"):
        if way not in result:
            continue
        found = result[way]
        worst = min(found["recalls"].items(), key=lambda item: item[1])
        first = way in ("real", "synthetic")
        who = way if run.generator == REAL else f"{run.generator}: {way}"
        yield (
            f"| {who}{old} | {run.split}, {run.seed} | {spread(found['accuracy'])} | {spread(found['balanced'])} "
            f"| {worst[1]:.3f} ({worst[0]}) | {frechet(result) if first else ''} | {unlike(result) if first else ''} "
            f"| {cost(result) if first else ''} |"
        )


def spread(values: Sequence[float]) -> str:
    """Return the mean and, of several, the range.

    >>> spread([0.5, 0.7])
    '.600 (.500–.700)'
    """
    low, mean, high = (f"{value:.3f}".removeprefix("0") for value in (min(values), float(np.mean(values)), max(values)))
    return mean if len(values) == 1 else f"{mean} ({low}–{high})"


def frechet(result: Result) -> str:
    """Return the distance and its floor."""
    found = result.get("distances")
    return f"{found['frechet_domain']:.2f} ({found['frechet_domain_real']:.2f})" if found else ""


def unlike(result: Result) -> str:
    """Return the share of distinct images among the released."""
    found = result.get("distinctness")
    return f"{found['distinct']:.3f}" if found else ""


def cost(result: Result) -> str:
    """Return what training took; steps are not comparable, since ours has several trainings."""
    found = result["cost"]
    return f"{found['train']:,.0f} CPU s" if "train" in found else ""


def goals(source: Source, done: Sequence[Done]) -> Iterator[str]:
    """Yield whether the goals of this set are met, as far as it was measured."""
    ours = [result for run, result in done if run.generator == OURS]
    if not ours:
        return
    if source.name in GOALS:
        least, hoped = GOALS[source.name]
        mean = float(np.mean([value for result in ours for value in result["synthetic"]["accuracy"]]))
        low, high = wilson(mean, 10_000)
        said = "met" if mean >= least else "MISSED"
        yield (
            f"Trained on synthetic images only: {mean:.2%} of the official 10,000 right (95 % interval {low:.2%} to "
            f"{high:.2%}; {len(ours)} seeds); goal {least:.1%}: {said}, hoped for {hoped:.1%}.\n"
        )
    else:
        yield from compared(done)
    yield from halved(done)
    yield from far_enough(done)
    rates = [result["images_per_second"] for result in ours]
    yield f"Generated on one thread: {min(rates):,} images a CPU second or more.\n"


def compared(done: Sequence[Done]) -> Iterator[str]:
    """Yield the paired differences over folds in balanced accuracy, real + synthetic less real + augmentation."""
    real = {run.split: result for run, result in done if run.generator == REAL}
    for way in ("real + synthetic", "hybrid"):
        folds: dict[int, list[float]] = {}
        for run, result in done:
            if run.generator == OURS and run.split in real:
                plain = float(np.mean(real[run.split]["real + augmentation"]["balanced"]))
                folds.setdefault(run.split, []).append(float(np.mean(result[way]["balanced"])) - plain)
        gaps = [float(np.mean(values)) for values in folds.values()]
        if gaps:
            low, high = corrected(gaps)
            yield (
                f"{way} less real + augmentation, balanced accuracy: {np.mean(gaps):+.4f} over {len(gaps)} folds "
                f"(95 % interval {low:+.4f} to {high:+.4f}).\n"
            )


def halved(done: Sequence[Done]) -> Iterator[str]:
    """Yield the ratios of our Fréchet distances to each baseline's, over the same folds and seeds.

    A baseline that was given clearly less processor time (by an earlier, shorter training of ours) does not count.
    """
    ours = {(run.split, run.seed): result for run, result in done if run.generator == OURS}
    for name in GENERATORS:
        theirs = [
            (run, ours.get((run.split, run.seed)), result) for run, result in done if run.generator == name != OURS
        ]
        ratios = []
        for run, one, other in theirs:
            if one is None:
                continue
            ratio = one["distances"]["frechet_domain"] / other["distances"]["frechet_domain"]
            time = other["cost"]["train"] / one["cost"]["train"]
            if time >= ENOUGH:
                ratios.append(ratio)
                continue
            yield (
                f"{name} had {time:.0%} of our processor time (fold {run.split}, seed {run.seed}): our Fréchet "
                f"distance over its, {ratio:.2f}, does not count.\n"
            )
        if ratios:
            found = ", ".join(f"{ratio:.2f}" for ratio in sorted(ratios))
            said = "met" if max(ratios) <= 0.5 else "MISSED"
            yield f"Fréchet distance over that of {name}, pair by pair: {found}; goal at most 0.5 in each: {said}.\n"


def far_enough(done: Sequence[Done]) -> Iterator[str]:
    """Yield how far our images lie from training images, over the test images' distance, run by run.

    The goal is missed where a run's whole interval is below 1, met where none is and their mean is 1 or more.
    """
    runs = [(run, result["distinctness"]) for run, result in done if run.generator == OURS]
    notes = [one["notes"]["nearest_ratio"] for _, one in runs]
    ratios = [one["nearest_ratio"] for _, one in runs]
    told = [
        f"{ratio:.3f} (fold {run.split}, seed {run.seed}; {note.partition('; ')[0]})"
        for (run, _), ratio, note in zip(runs, ratios, notes, strict=True)
    ]
    missed = any("beyond doubt" in note for note in notes) or float(np.mean(ratios)) < 1
    yield (
        f"Distance to the nearest training image over the test images' own, medians: {', '.join(told)}; mean "
        f"{np.mean(ratios):.3f}. Goal: 1 or more on average and no run below it beyond doubt: "
        f"{'MISSED' if missed else 'met'}.\n"
    )


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval.

    >>> [round(x, 4) for x in wilson(0.98, 10_000)]
    [0.9771, 0.9826]
    """
    z = 1.959964
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return middle - half, middle + half


def corrected(gaps: Sequence[float], ratio: float = 0.25) -> tuple[float, float]:
    """Return the 95 % interval of a mean difference over folds; `ratio` is test over training images.

    >>> [round(x, 3) for x in corrected([0.02, 0.03, 0.04])]
    [-0.003, 0.063]
    """
    mean, count = float(np.mean(gaps)), len(gaps)
    if count < 2:
        return -math.inf, math.inf
    error = math.sqrt((1 / count + ratio) * float(np.var(gaps, ddof=1)))
    reach = float(student.ppf(0.975, count - 1)) * error
    return mean - reach, mean + reach


def sheet(source: Source, name: str, docs: Path, cache: Path) -> str:
    """Write the first images of each class of a generator's first run; return the path from the page, or nothing."""
    path = cache / "runs" / f"{source.name}-{name}-0-0" / "synthetic.npz"
    target = docs / "images" / f"{source.name}-{name}.png"
    if path.exists():
        with np.load(path, allow_pickle=False) as arrays:
            write_bytes(target, grid(first(arrays["pixels"], arrays["labels"]), EACH))
    return target.relative_to(docs).as_posix() if target.exists() else ""


def first(pixels: NDArray[np.uint8], labels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the first images of each class, as they come."""
    return np.concatenate([pixels[labels == name][:EACH] for name in np.unique(labels)[:CLASSES]])
