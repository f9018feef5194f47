"""What a record says where classes were asked for: how many training rows stand behind each of them.

    asked for   {"malignant": 300, "benign": 700}  of a model of 341 rows, 37 % of them malignant
    facts       behind.malignant 127, behind.benign 214
                thin    'ill': 500 from 12 training rows      (a class that was enlarged and has fewer than `FEW` rows)

More rows of a class carry no more of it than its training rows do: their number is the effective sample, whatever is
generated. Whether relations were invented on the way is measured by `synthtrail.evaluation.within`.
"""

from collections.abc import Mapping
from typing import Any

from synthtrail.data.conditions import Wanted

FEW = 50  # training rows of a class, below which nothing about it can be checked
ENLARGED = 1.5  # times its share in training, from which on a class counts as enlarged


def behind(model: Any, wanted: Wanted, count: int) -> dict[str, object]:
    """Return the facts of the module docstring; nothing where no class was asked for, or the model keeps no count."""
    asked = wanted.counts or ({} if wanted.one_class is None else {wanted.one_class: count})
    rows = getattr(model, "learnt_from", 0)
    if not asked or not rows:
        return {}
    shares = {str(name): float(share) for name, share in zip(model.classes(), model.prior, strict=False)}
    there = {name: round(shares.get(name, 0.0) * rows) for name, number in asked.items() if number}
    thin = [name for name in there if there[name] < FEW and is_enlarged(asked[name] / count, shares.get(name, 0.0))]
    told = "; ".join(f"{name!r}: {asked[name]:,} from {there[name]:,} training rows" for name in thin)
    return {"behind": there} | ({"thin": told} if told else {})


def is_enlarged(asked: float, share: float) -> bool:
    """Return whether a class takes up so much more of what is asked for than of the training rows."""
    return asked >= ENLARGED * share


def warnings(facts: Mapping[str, str]) -> list[str]:
    """Return what the user should be told of a record's facts."""
    told = facts.get("thin")
    advice = "more rows tell no more than those few"
    return [f"{told}: {advice}, and what they share by chance is multiplied"] if told else []
