"""`docs/tables-measured.md` from whatever results there are: tables, goals, studies, and what was not run.

The short table in `docs/tables.md` is written with it (`brief`).

python benchmarks/tables.py --report
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from synthtrail.storage.files import write_text
from tabular import brief, plots, sections
from tabular.data import TABLES
from tabular.generators import Generator, known
from tabular.goals import NAMES, PAIRS, Race, measure_of, races, single_goals, told
from tabular.intervals import ranks
from tabular.markdown import STYLE, between, grid, number, seconds
from tabular.runs import Store
from tabular.schedule import Planned, best_settings
from tabular.summary import Findings, settings_text

PAGE = "tables-measured.md"
COLUMNS = (
    "shapes", "trends", "useful", "linear", "detection_auc", "coverage", "recall", "alpha_precision", "beta_recall",
)  # fmt: skip
TITLES = {
    "useful": "TSTR trees", "linear": "TSTR linear", "detection_auc": "detection",
    "alpha_precision": "α-precision", "beta_recall": "β-recall",
}  # fmt: skip
HEAD = """# Tables: what was measured

Written by `python benchmarks/tables.py --report` from the results in `benchmarks/results/`, never edited by hand.
docs/tables.md says which generator to take, docs/adr/0020-benchmark-of-tables.md how peers are installed and under
which licences.

**Protocol.** Outer 80/20 splits, stratified; as many synthetic rows as training rows; one judge for all, the metrics of
a user's report (`src/synthtrail/evaluation`). Figures are means over splits, seeds of a split averaged before. A run is
a process of its own on one thread. CPU-seconds are the processor's, of fitting alone, children included, imports and
reading left out. Peers stand at their own defaults unless a row says otherwise; ours take bins by the number of rows
(20 below 1,000, 50 below 10,000, else 100). Ours are **bold**, controls *slanted*.

**Columns.** TSTR: area under the ROC curve (R² for diabetes) on the real holdout, of boosted trees and of a linear
model trained on synthetic rows; TRTR: trained on real rows. Detection is best at .5, coverage and recall at 1, β-recall
at .5; the copied training rows show what is reachable. *Found*: members found at 0.1 % false alarms over all splits
together, and the upper 95 % bound, whose gate is .005; "?" where there are fewer than 1,000 non-members, so that the
bound cannot be established (splits share rows: the bound is somewhat too narrow). *Copies*: synthetic rows that equal a
training row, less the holdout's own rate. *Gap of sexes*: difference in the share of holdout rows that trees trained on
the synthetic rows predict positive, and in brackets how much more that is than of trees trained on real rows.
"""
GOALS = """Ours less theirs, at defaults; detection is better lower. A goal counts as met where the whole interval is on
the right side.
"""
FIXED = """- Peers with two threads; Anonymeter's three risks; a shadow-model attack on isolated records: not part of
  this benchmark. Completing partly given rows has one of its own (`benchmarks/completion.py`).
- MST (SmartNoise, several GB) and ForestFlow, which design/evaluation.md lists, are not among the peers."""


def write(docs: Path, store: Store, planned: Sequence[Planned], results: Path) -> int:
    """Write the page, its plots and the other page's short table."""
    found = Findings.of(store, planned)
    drawn = plots.write(docs / "figures", found)
    parts = [
        HEAD, states(found), goals(found), *(section(found, name, store) for name in TABLES), pictures(drawn),
        placed(found), sections.privacy_gate(results / "gate.jsonl"), sections.small_tables(results / "small"),
        not_run(found),
    ]  # fmt: skip
    write_text(docs / PAGE, "\n".join(part for part in parts if part))
    between(docs / "tables.md", brief.told(found))
    print(f"{docs / PAGE}: {sum(map(len, found.kept.values()))} results")
    return 0


def states(found: Findings) -> str:
    """Return how much there is."""
    counts = {name: len(runs) for name, runs in found.states.items()}
    return (
        f"**State.** {counts['done']} runs done, {counts['failed']} failed, {counts['outdated']} made or judged by "
        f"earlier code and marked †, {counts['missing']} not run (listed at the end). Where there is one split there "
        "is no interval, and a difference proves little.\n"
    )


def goals(found: Findings) -> str:
    """Return the goals and whether they are met."""
    run = [one for one in races(found) if one.run]
    idle = [f"`{one.one}` against `{one.other}` on {one.table}" for one in races(found) if not one.run]
    titles = ("ours", "against", "table", *(NAMES.get(name, name) for name in PAIRS), "fit CPU-s, ours / theirs")
    rows = [[goal.asked, goal.table, goal.found, goal.verdict] for goal in single_goals(found)]
    parts = ["## Goals\n", GOALS, grid(titles, [raced(one) for one in run])]
    parts += [f"Not measured: {'; '.join(idle)}.\n"] if idle else []
    return "\n".join([*parts, grid(("goal", "table", "found, with its 95 % interval", "verdict"), rows)])


def raced(one: Race) -> list[str]:
    """Return the line of one pair."""
    cells = [f"{told(one.gaps[name])}: {one.verdict(name)}" for name in PAIRS]
    cost = " / ".join(seconds(value) or "?" for value in one.seconds)
    return [f"`{one.one}`", f"`{one.other}`", one.table, *cells, cost]


def section(found: Findings, name: str, store: Store) -> str:
    """Return the section of one table."""
    table = TABLES[name]
    rows = [row(found, name, one, "{}") for one in known().values() if found.runs(name, one.name)[0]]
    rows += [row for one in known().values() for row in other_rows(found, name, one, store)]
    failures = [f"- `{g}` failed: {why}" for (t, g), why in sorted(found.failed.items()) if t == name]
    real = [found.mean(name, "cart", measure_of(name, side).replace("tstr", "trtr")) for side in ("useful", "linear")]
    told = f" TRTR: trees {number(real[0])}, linear {number(real[1])}." if real[0] is not None else ""
    head = f"## {name}: {table.about}\n\n{table.splits} splits planned.{told}\n"
    return "\n".join([head, grid(titles(table.sex is not None), rows) if rows else "Not run.\n", *failures, ""])


def titles(sexes: bool) -> list[str]:
    """Return the titles of a table's columns."""
    fixed = ["found (upper)", "MIA AUC", "closer to train", "copies", *(["gap of sexes"] if sexes else [])]
    costs = ["fit CPU-s", "sample CPU-s", "MB", "splits/runs"]
    return ["generator", *(TITLES.get(name, name) for name in COLUMNS), *fixed, *costs]


def other_rows(found: Findings, name: str, one: Generator, store: Store) -> Iterator[list[str]]:
    """Yield the rows of settings other than the defaults; the one that the inner split chose is marked."""
    chosen = best_settings(store, name, one)
    mark = None if chosen is None else settings_text(chosen)
    for settings in map(settings_text, one.tuned):
        if settings != "{}" and found.runs(name, one.name, settings)[0]:
            yield row(found, name, one, settings, chosen=settings == mark)


def row(found: Findings, table: str, one: Generator, settings: str, chosen: bool = False) -> list[str]:
    """Return one generator's figures on one table."""
    place = (table, one.name)
    told = "" if settings == "{}" else f" {settings[1:-1]}".replace('"', "")
    name = STYLE[one.kind].format(one.name) + told + " (chosen)" * chosen + " †" * (place in found.outdated)
    cells = [number(found.mean(*place, measure_of(table, column), settings)) for column in COLUMNS]
    rest = [number(found.mean(*place, measure, settings)) for measure in ("mia_auc", "closer_to_train")]
    fair = [gap(found, place, settings)] if TABLES[table].sex else []
    return [name, *cells, attack(found, place, settings), *rest, copies(found, place, settings), *fair,
            *costs(found, place, settings)]  # fmt: skip


def attack(found: Findings, place: tuple[str, str], settings: str) -> str:
    """Return what the attack found over all splits together."""
    pooled = found.pooled(*place, settings)
    if pooled is None:
        return ""
    doubt = "" if pooled.enough else " ?"
    return f"{'≥ ' * pooled.at_least}{pooled.found}/{pooled.members} ({pooled.upper:.4f}{doubt})"


def copies(found: Findings, place: tuple[str, str], settings: str) -> str:
    """Return the rate of exact copies beyond the holdout's own."""
    made, own = (found.mean(*place, measure, settings) for measure in ("copies", "copies_holdout"))
    return "" if made is None or own is None else f"{made - own:+.3f}"


def gap(found: Findings, place: tuple[str, str], settings: str) -> str:
    """Return the gap between the sexes, and how much more it is than of real rows."""
    made, real = (found.mean(*place, f"selection_gap_{side}", settings) for side in ("synthetic", "real"))
    return "" if made is None or real is None else f"{made:.3f} ({made - real:+.3f})"


def costs(found: Findings, place: tuple[str, str], settings: str) -> list[str]:
    """Return what a fit and a sample cost, and on how many splits and runs all this rests."""
    values = [found.mean(*place, name, settings) for name in ("fit_cpu_s", "sample_cpu_s", "memory_mb")]
    splits, runs = found.runs(*place, settings)
    return [*map(seconds, values), f"{splits}/{runs}"]


def pictures(drawn: Sequence[Path]) -> str:
    """Return the plots."""
    if not drawn:
        return ""
    shown = [f"![{path.stem}](figures/{path.name})" for path in drawn]
    return "\n\n".join(["## Quality against processor seconds", *shown]) + "\n"


def placed(found: Findings) -> str:
    """Return the mean ranks over the tables on which a generator was run."""
    scores = {table: whole for table in TABLES if len(whole := merits(found, table)) > 2}
    order = sorted(ranks(scores).items(), key=lambda pair: pair[1])
    if not order:
        return ""
    lead = (
        "Of the mean of likeness, TSTR (trees) and 1 - |2 detection - 1|, over "
        f"{', '.join(scores)}; only generators that ran on all of them.\n"
    )
    rows = [[f"`{name}`", f"{rank:.2f}"] for name, rank in order]
    return "\n".join(["## Ranks\n", lead, grid(("generator", "mean rank"), rows)])


def merits(found: Findings, table: str) -> dict[str, float]:
    """Return the merit of every generator that was run on a table, controls left out."""
    merit = {}
    for one in known().values():
        names = ("quality", measure_of(table, "useful"), "detection_auc")
        quality, useful, detection = (found.mean(table, one.name, name) for name in names)
        if one.kind != "control" and None not in (quality, useful, detection):
            merit[one.name] = float((quality or 0) + (useful or 0) + 1 - abs(2 * (detection or 0) - 1)) / 3
    return merit


def not_run(found: Findings) -> str:
    """Return what is missing, a line a generator."""
    missing: dict[str, dict[str, int]] = {}
    for run in found.states["missing"]:
        kind = "inner" if run.part == "inner" else "other settings" if run.settings else "defaults"
        counts = missing.setdefault(run.generator, {})
        counts[f"{run.table} {kind}"] = counts.get(f"{run.table} {kind}", 0) + 1
    absent = [f"- `{one.name}`: not registered, so no run is planned" for one in known().values() if not one.there]
    lines = [f"- `{name}`: " + "; ".join(f"{kind} {n}" for kind, n in row.items()) for name, row in missing.items()]
    return "\n".join(["## Not run\n", *absent, *lines, FIXED, ""])
