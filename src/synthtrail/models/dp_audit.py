"""An attack on a differentially private mechanism, and the epsilon that it proves: the audit beside every promise.

Canaries are planted, each by the toss of a coin. The attacker knows all but the coins, looks at what the mechanism
gave, and says of the likeliest that they are in, of the least likely that they are out. Under (epsilon, delta) no
attacker is right more often than a coin of weight e^epsilon / (1 + e^epsilon), but for delta; so what he gets right
bounds epsilon from below (Steinke, Nasr, Jagielski 2023, arXiv 2305.08846, theorem 5.2). One fit is enough:

    1,000 canaries, 100 guesses all right, delta 1e-6: epsilon is at least 3.0, and less in at most one of 20 audits

How many guesses he makes he decides afterwards, by the best of `GUESSES`, each of which gets its part of the error.

A low bound proves nothing; a bound above the promise proves that the promise is broken. No real row takes part: planted
is in rows that are drawn evenly from the public schema, so the audit costs no privacy.

    >>> inside = np.arange(1000) % 2 == 0
    >>> round(proven(np.where(inside, 1.0, -1.0) * (np.arange(1000) < 100), inside, 1e-6), 1)
    3.0
    >>> proven(np.zeros(1000), inside, 1e-6)
    0.0
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from synthtrail.data.codec import TableCodec
from synthtrail.models.errors import ModelError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Attack = tuple[Floats, Flags]
"""The attacker's score of each canary, high where it seems to be in, and the coins."""

CANARIES = 1000
GUESSES = (0.02, 0.05, 0.1, 0.2, 0.4, 1.0)  # shares of the canaries of which the attacker says something
SURE = 0.95  # of the bound that is told
BROKEN = 0.999  # of the bound above which a model is refused
MOST = 30.0  # epsilon; more is told as this


@dataclass(frozen=True)
class Audit:
    """What an attack proved: epsilon is at least `epsilon`, with confidence `sure`."""

    epsilon: float
    sure: float
    canaries: int
    right: int
    guesses: int

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def audit(attacks: Sequence[Attack], epsilon: float, delta: float) -> Audit:
    """Return the most that one of the attacks proves; `ModelError` if it is more than the promised epsilon."""
    least = max(proven(*attack, delta, 1 - (1 - BROKEN) / len(attacks)) for attack in attacks)
    if least > epsilon:
        raise ModelError(
            f"the audit proves an epsilon of at least {least:.2f}, above the {epsilon:g} promised (wrong once in "
            f"{round(1 / (1 - BROKEN)):,} audits): the noise is not what it should be here; do not use this model"
        )
    error = (1 - SURE) / len(attacks)
    found = [
        (_bound(right, guesses, len(inside), delta, 1 - error), right, guesses, len(inside))
        for scores, inside in attacks
        for right, guesses in tallies(scores, inside)
    ]
    best, right, guesses, canaries = max(found)
    return Audit(round(best, 3), SURE, canaries, right, guesses)


def proven(scores: Floats, inside: Flags, delta: float, sure: float = SURE) -> float:
    """Return the epsilon that scores (M,) of canaries with these coins (M,) prove; 0 if they prove nothing."""
    return max(_bound(right, guesses, len(inside), delta, sure) for right, guesses in tallies(scores, inside))


def tallies(scores: Floats, inside: Flags) -> list[tuple[int, int]]:
    """Return how many guesses are right, and of how many, for each share of `GUESSES`; half say "in", half "out"."""
    order = np.argsort(-scores, kind="stable")
    found = []
    for share in GUESSES:
        half = max(1, round(share * len(inside) / 2))
        right = int(inside[order[:half]].sum() + (~inside[order[-half:]]).sum())
        found.append((right, 2 * half))
    return found


def chance(right: int, guesses: int, canaries: int, epsilon: float, delta: float) -> float:
    """Return the greatest chance that (epsilon, delta) leaves of so many right guesses or more.

    It is that of a binomial tail, plus what delta adds: for every k, a shift of k in the tail costs 1/k of the
    canaries' 2 * delta, so the worst k counts.
    """
    weight = 1 / (1 + math.exp(-epsilon))
    tail = float(binom.sf(right - 1, guesses, weight))
    if not right or not delta:
        return min(1.0, tail)
    shifts = np.arange(1, right + 1)
    below = binom.sf(right - 1 - shifts, guesses, weight) - tail  # right - k <= binomial < right
    worst = float((below / shifts).max())
    return min(1.0, tail + worst * 2 * canaries * delta)


def _bound(right: int, guesses: int, canaries: int, delta: float, sure: float) -> float:
    error = (1 - sure) / len(GUESSES)
    if chance(right, guesses, canaries, 0.0, delta) > error:
        return 0.0
    low, high = 0.0, MOST
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(right, guesses, canaries, middle, delta) <= error else (low, middle)
    return low


def coins(count: int, rng: np.random.Generator) -> Flags:
    """Return the coins of `count` canaries (M,)."""
    return rng.random(count) < 0.5


def even_codes(codec: TableCodec, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return codes of rows (N, C) of which every value is equally likely: they stand out, and are nobody's."""
    return np.stack([rng.integers(0, max(1, size), count) for size in codec.cardinalities], 1)
