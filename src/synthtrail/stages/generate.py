"""`generate`: draw synthetic data from the trained model, in batches, so that any size fits in memory.

In: `model/`; of images also `split/`, lest one be a copy. Out: `synthetic/`, whole or not at all, with `about.json`
where `validate` and `synthtrail export` must know something of the rows. Which rows are wanted is asked for in
`params.yaml` (`synthtrail.data.conditions`); the record states what was asked for, and as facts what was drawn to get
it.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from synthtrail.data import conditions, release
from synthtrail.data.conditions import Filter, Wanted
from synthtrail.data.constraints import Keeper
from synthtrail.data.modality import Modality
from synthtrail.data.registry import MODALITIES
from synthtrail.lineage import Work
from synthtrail.models import registry
from synthtrail.models.synthesizer import Synthesizer
from synthtrail.stages.context import Context, StageError
from synthtrail.stages.draw import Draw, Sieve
from synthtrail.stages.originals import sieve_of
from synthtrail.stages.parts import ABOUT, salted
from synthtrail.stages.progress import shown
from synthtrail.stages.rebalance import behind
from synthtrail.storage.files import write_json


def generate(context: Context) -> None:
    """Run the stage for the experiment of `context`."""
    layout, plan = context.layout, context.plan
    modality = MODALITIES[plan["modality"]]
    source = Path(plan.get("model", layout.model))
    model = registry.load(source)
    registry.releasable(model.name)
    wanted = conditions.parse(plan["conditions"], model.codec.schema)
    count = how_many(context, wanted)
    rules = release.keeper(model.codec.schema, plan["seed"])
    originals = sieve_of(context)
    sieves = sieves_for(rules, wanted, modality) + ([] if originals is None else [originals.sieve])
    draw = Draw(directed(model, wanted), wanted, count=count, seed=plan["seed"], sieves=sieves, modality=modality)
    salts = context.salts_from(source)
    with context.output(layout.synthetic) as folder:
        rows = release.completed(draw.batches(), model.codec.schema, plan["seed"])
        batches = shown(rows, count, f"generate {context.name}")
        made = modality.write(folder, modality.whole, batches, salt=salts(modality.whole))
        told = draw.facts() | ({} if rules is None else {"mended": rules.mended})
        told |= {} if originals is None else originals.facts()
        told |= {"repairs": dict(model.repairs)} if hasattr(model, "repairs") else {}
        if beside := about(model, told):
            write_json(folder / ABOUT, salted(beside, salts(ABOUT)))
    params = {"count": count, "conditions": plan["conditions"]}
    facts = {"items": made} | told | behind(model, wanted, count)
    inputs = [source] if originals is None else [source, layout.split]
    context.finish(Work(layout.synthetic, inputs, params=params, facts=facts, privacy=model.privacy))


def about(model: Synthesizer[Any, Any], told: Mapping[str, object]) -> dict[str, Any]:
    """Return what is kept beside the rows: how they were drawn, their columns' spelling, what protects them."""
    spelling = release.spelling(model.codec.schema)
    found = {"drawn": dict(told), "spelling": spelling, "privacy": dict(model.privacy)}
    return {name: value for name, value in found.items() if value}


def sieves_for(rules: Keeper | None, wanted: Wanted, modality: Modality[Any, Any, Any]) -> list[Sieve]:
    """Return what every drawn row must pass: the schema's rules, and conditions that the model cannot meet.

    A further demand on rows is one more `Sieve` here; what it drops is drawn again, and counted in the record's facts.
    """
    kept = [] if rules is None else [Sieve("constraints", rules)]
    return kept + ([Sieve("conditions", keeping(wanted.filters, modality))] if wanted.filters else [])


def keeping(filters: tuple[Filter, ...], modality: Modality[Any, Any, Any]) -> Callable[[Any], Any]:
    """Return a function that keeps the rows of a batch which fit all filters."""

    def passed(batch: Any) -> Any:
        fits = np.logical_and.reduce([item.keep(batch) for item in filters])
        return batch if fits.all() else modality.take(batch, np.flatnonzero(fits))

    return passed


def directed(model: Synthesizer[Any, Any], wanted: Wanted) -> Any:
    """Return what draws the rows: the model, told of the conditions if it can meet them on any column by itself."""
    narrowed = getattr(model, "narrowed", None)
    return narrowed(wanted) if narrowed is not None and wanted.filters else model


def how_many(context: Context, wanted: Wanted) -> int:
    """Return how many items to generate: as asked, by exact counts, or as many as there were training items."""
    asked: int | None = context.plan["count"]
    if wanted.counts is not None:
        total = sum(wanted.counts.values())
        if total < 1 or asked not in (None, total):
            raise StageError(f"the counts of {wanted.target!r} add up to {total}, and the count asked for is {asked}")
        return total
    if asked is not None:
        return asked
    return int(json.loads((context.layout.split / "summary.json").read_bytes())["train"])
