"""Which class each sampled row has: drawn as in training, all of one class, or exact counts.

Batches are decided one after the other with a generator keyed by (seed, batch number), so memory is constant. Exact
counts come out exact and mixed: a batch takes from what is left as if drawn without replacement.

    >>> batches = list(draw(5, np.array([0.5, 0.5]), counts=np.array([4, 1]), seed=0, size=3))
    >>> np.bincount(np.concatenate(batches)).tolist()
    [4, 1]
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from synthtrail.models.errors import ConditionError
from synthtrail.models.synthesizer import Conditions
from synthtrail.params import nearest

Labels = NDArray[np.int64]


def counts_for(
    conditions: Conditions | None, n: int, target: str | None, classes: tuple[str, ...]
) -> NDArray[np.int64] | None:
    """Return how many rows of each class are asked for, (K,), or None if they are to be drawn.

    Raises `ConditionError` for another key than the target, an unknown class, or counts that do not add up to `n`.
    """
    if not conditions:
        return None
    if target is None or not classes:
        raise ConditionError("this model knows no classes: generate without conditions")
    if set(conditions) not in ({"target"}, {target}):
        raise ConditionError(f"conditions on {', '.join(conditions)}: only on the target, {target!r}")
    asked = next(iter(conditions.values()))
    wanted = asked if isinstance(asked, Mapping) else {asked: n}
    counts = np.zeros(len(classes), dtype=np.int64)
    for name, count in wanted.items():
        if str(name) not in classes:
            raise ConditionError(f"{target!r} has no class {name!r}{nearest(str(name), set(classes))}")
        counts[classes.index(str(name))] = count
    if counts.min() < 0 or counts.sum() != n:
        raise ConditionError(f"counts of {target!r} add up to {counts.sum()}, not to {n}; correct one of them")
    return counts


def draw(n: int, prior: NDArray[np.float64], counts: Labels | None, seed: int, size: int) -> Iterator[Labels]:
    """Yield the classes of `n` rows, at most `size` at a time, by `prior` (K,) or by exact `counts` (K,)."""
    left = None if counts is None else counts.copy()
    for number, start in enumerate(range(0, n, size)):
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, number, 1])))
        taken = min(size, n - start)
        if left is None:
            yield rng.choice(len(prior), size=taken, p=prior)
            continue
        share = rng.multivariate_hypergeometric(left, taken)
        left -= share
        yield rng.permutation(np.repeat(np.arange(len(share)), share))
