"""A first synthetic version of a table, in less than a minute: read, split, learn, generate, judge, draw.

Nothing is kept but what is returned: no DVC, no MLflow, no ledger, no keys. The source counts as confidential, so the
page shows aggregates only. What learns is `cart`, which takes seconds and is hard to beat by a network given a minute
(docs/tables.md); nothing in it goes by the clock, so the same file gives the same synthetic rows on the same machine.
Of a table above 50,000 rows a random 50,000 are used; the judges look at up to 10,000 rows of each side.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synthtrail.data import asked, inference, release, sources, split
from synthtrail.data.errors import SchemaError, SourceError
from synthtrail.data.prepare import prepare, settled
from synthtrail.data.registry import MODALITIES
from synthtrail.data.schema import Schema
from synthtrail.evaluation import diagnostics, page, report
from synthtrail.evaluation.diagnostics import Subject
from synthtrail.evaluation.history import History
from synthtrail.evaluation.judge import Judgement, Thresholds, judge_table
from synthtrail.models import registry
from synthtrail.models.synthesizer import Training
from synthtrail.stages.tables import learn

MODEL = "cart"
MOST_ROWS = 50_000
MOST_JUDGED = 10_000
HOLDOUT, BINS, SEED = 0.2, 50, 0
CAREFUL = {"rare_min": None, "group": None, "class": "confidential"}
LIKELY = ("target", "label", "class", "outcome", "y", "diagnosis", "survived", "income", "churn", "default", "death")
MOST_CLASSES = 20

Say = Callable[[str], None]


@dataclass(frozen=True)
class Trial:
    """What came of it: synthetic rows, what was measured, remarks for the user, columns that might be the target."""

    name: str
    synthetic: pd.DataFrame
    judgement: Judgement
    sections: str
    remarks: tuple[str, ...]
    left_out: tuple[str, ...]
    targets: tuple[str, ...]

    def html(self, keep: str) -> str:
        """Return the page; `keep` is the block of params.yaml that would keep this experiment."""
        told = "".join(f"<li>{escape(remark)}</li>" for remark in self.remarks)
        more = f'<ul class="note">{told}</ul>\n' if told else ""
        menu = {
            "columns": "Columns",
            "pairs": "Pairs",
            "correlations": "Correlations",
            "training": "Training",
            "keep": "To keep it",
        }
        menu = {name: text for name, text in menu.items() if name == "keep" or f'id="{name}"' in self.sections}
        body = report.body(self.shown(), "First try, not a release", more + page.menu(menu))
        lead = "Put this into params.yaml and fill in what is marked; or let `synthtrail new` do it."
        kept = page.section("keep", "To keep it", lead, f"<pre>{escape(keep)}</pre>")
        return page.shell(f"{self.name}: first try", f"{body}{self.sections}{kept}")

    def shown(self) -> report.Page:
        """Return what the report shows: figures that the sections below draw too are left out."""
        whole = self.judgement.page()
        return replace(whole, figures={k: v for k, v in whole.figures.items() if k in ("utility", "privacy")})


def attempt(path: Path, name: str, target: str | None, say: Say) -> Trial:
    """Make a first synthetic version of the table at `path`.

    Raises `DataError` with one line if it cannot be read, or if nothing in it can be learnt.
    """
    say(f"reading {path}")
    table, like, left_out, remarks = usable(path, target)
    modality = MODALITIES["tabular"]
    rows = split.split(len(table), HOLDOUT, SEED, modality.labels(table, target))
    part = learn(modality.take(table, rows.train), modality.take(table, rows.holdout), like, CAREFUL)
    train, holdout, schema = part.train, part.holdout, part.schema
    codec = modality.fit_codec(train, schema, bins=BINS)
    say(f"learning from {len(train):,} rows and {len(schema.names)} columns")
    curves = Curves()
    model = registry.create(MODEL, {})
    model.fit(train, codec, Training(SEED, curves))
    say(f"generating {len(train):,} rows")
    drawn_rows = release.completed(model.sample(len(train), seed=SEED), schema, SEED)
    synthetic = pd.concat(list(drawn_rows), ignore_index=True)
    say("judging")
    found = judged(train, holdout, synthetic, schema, name)
    sections = drawn(train, holdout, synthetic, schema, curves.points)
    targets = () if target else likely(schema)
    return Trial(name, synthetic, found, sections, tuple(remarks), left_out, targets)


def usable(path: Path, target: str | None) -> tuple[pd.DataFrame, Schema, tuple[str, ...], list[str]]:
    """Return the table without what a generator must not or cannot learn, its schema, the columns left out, remarks."""
    source = sources.read(path, target)
    if not isinstance(source.data, pd.DataFrame):
        raise SourceError(f"{path}: not a table; images go through params.yaml (docs/guide.md)")
    table, remarks = source.data, []
    if len(table) > MOST_ROWS:
        remarks.append(f"{MOST_ROWS:,} of {len(table):,} rows were used, drawn at random.")
        kept = np.random.default_rng(SEED).permutation(len(table))[:MOST_ROWS]
        table = table.iloc[np.sort(kept)].reset_index(drop=True)
    if target is not None and table[target].isna().any():
        remarks.append(f"{int(table[target].isna().sum()):,} rows without a value of {target} were left out.")
        table = table[table[target].notna()].reset_index(drop=True)
    left_out = unlearnable(table, target)
    if left_out:
        remarks.append(f"Left out, since they look like free text or identifiers, or mix types: {', '.join(left_out)}.")
    table, schema = prepare(table, target, asked.parse({}, left_out, str(path)), source.spelt)
    return table, schema, left_out, remarks


def unlearnable(table: pd.DataFrame, target: str | None) -> tuple[str, ...]:
    """Return the columns that a generator must not or cannot learn: identifiers of no form, free text, mixed types."""
    names = [str(name) for name in table.columns if name != target]
    return tuple(name for name in names if not learnable(table[name], list(table.columns).index(name)))


def learnable(series: pd.Series, at: int) -> bool:
    """Tell whether a column is of one kind that can be learnt."""
    try:
        return bool(inference.classify(settled(series), at))
    except SchemaError:
        return False


def judged(train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema, name: str) -> Judgement:
    """Return the judgement of at most `MOST_JUDGED` rows of each side; a first try is asked for no utility."""
    real, held, made = (part.iloc[:MOST_JUDGED] for part in (train, holdout, synthetic))
    marks = Thresholds(utility_min=None, quality_min=None)
    return judge_table(real, held, made, schema, name=name, seed=SEED, data_class="confidential", thresholds=marks)


def drawn(
    train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema, curves: Mapping[str, Any]
) -> str:
    """Return the sections of the diagnostics page."""
    subject = Subject("", "confidential", {})
    return diagnostics.table_sections(subject, train, holdout, synthetic, schema, History(curves))


def likely(schema: Schema) -> tuple[str, ...]:
    """Return at most three columns that might be meant to be predicted: known names first, then the last ones."""
    few = [column.name for column in schema if 2 <= len(column.categories) <= MOST_CLASSES]
    named = [name for name in few if name.casefold() in LIKELY]
    return tuple(dict.fromkeys([*named, *reversed(few)]))[:3]


class Curves:
    """The figures of training, kept in memory."""

    def __init__(self) -> None:
        self.points: dict[str, list[tuple[int, float]]] = {}

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Take the figures of one step."""
        for name, value in figures.items():
            self.points.setdefault(name, []).append((step, value))
