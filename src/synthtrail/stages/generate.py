"""`generate`: draw synthetic data from the trained model, in batches, so that any size fits in memory.

In: `model/`. Out: `synthetic/`.
"""

import json
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.progress import track

from synthtrail.data.registry import MODALITIES
from synthtrail.lineage import Work
from synthtrail.models import registry
from synthtrail.stages.context import Context
from synthtrail.storage.files import staged_folder


def generate(context: Context) -> None:
    """Run the stage for the experiment of `context`."""
    layout, plan = context.layout, context.plan
    modality = MODALITIES[plan["modality"]]
    count = wanted(context)
    batches = registry.load(layout.model).sample(count, seed=plan["seed"])
    salts = context.salts_from(layout.model)
    with staged_folder(layout.synthetic) as folder:
        made = modality.write(folder, modality.whole, shown(batches, count), salt=salts(modality.whole))
    context.finish(Work(layout.synthetic, [layout.model], params={"count": count}, facts={"items": made}))


def wanted(context: Context) -> int:
    """Return how many items to generate: as asked, or as many as there were training items."""
    if context.plan["count"] is not None:
        return int(context.plan["count"])
    return int(json.loads((context.layout.split / "summary.json").read_bytes())["train"])


def shown(batches: Iterator[Any], count: int) -> Iterator[Any]:
    """Yield the batches behind a progress bar on standard error, if that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from batches
        return
    done = 0
    for batch in track(batches, "generating", console=console):
        done += len(batch)
        yield batch
    console.print(f"{done:,} of {count:,}")
