"""Whether there are as many images of each class as were asked for: counted in what was released, not believed.

    judgement = held_to_counts(judgement, asked={"a": 100, "b": 50}, labels=images.labels)

The report's head says so if they are; one image too many or too few is a reason to refuse.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from synthtrail.evaluation.judge import Judgement
from synthtrail.evaluation.verdict import Reason, Verdict

NAMED = 3


def held_to_counts(judgement: Judgement, asked: Mapping[str, int], labels: NDArray[Any]) -> Judgement:
    """Return the judgement with what the counts of the labels (N,) add to it; as it is if no counts were asked for."""
    if not asked:
        return judgement
    there = Counter(labels.astype(str).tolist())
    wrong = [name for name in sorted({*asked, *there}) if asked.get(name, 0) != there[name]]
    if not wrong:
        told = ", ".join(f"{name} {count:,}" for name, count in asked.items())
        return replace(judgement, facts={**judgement.facts, "Counts by class": f"exactly as asked: {told}"})
    told = "; ".join(f"{name}: {there[name]:,}, not {asked.get(name, 0):,}" for name in wrong[:NAMED])
    reason = Reason("refuse", f"Of {len(wrong)} classes there are not as many images as were asked for ({told}).")
    return replace(judgement, verdict=Verdict("refuse", (reason, *judgement.verdict.reasons)))
