"""What differentially private training costs: the noise for a guarantee, and the guarantee of a noise.

A step takes every row with probability `rate`, clips each row's gradient to length 1 and adds Gaussian noise of
deviation `noise` to their sum: the sampled Gaussian mechanism. Its Rényi divergence at each order is Opacus' (Mironov,
Talwar, Zhang 2019, arXiv 1908.10530), for neighbours that differ by one row added or removed; divergences of all steps
add up, and so does that of the counts that were taken before, which is at most `rho` times the order (zCDP; see
`dp_accounting`). The sum is told as (epsilon, delta) by Balle et al. 2020 (arXiv 1905.09982).

    >>> cost = Cost(rate=0.05, steps=500, rho=0.002)
    >>> noise = noise_for(1.0, 1e-6, cost)
    >>> 0.99 < epsilon_of(noise, 1e-6, cost) <= 1.0
    True
"""

import warnings
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from opacus.accountants.analysis.rdp import compute_rdp, get_privacy_spent

from synthtrail.models.errors import ModelError

Floats = NDArray[np.float64]
ORDERS = (1.125, 1.25, 1.5, 1.75, 2, 2.5, 3, *range(4, 65), 72, 80, 96, 112, 128, 160, 192, 256, 384, 512)
GRAIN = 2**-10  # to which noise is rounded up
MOST = 1e5  # deviations; a guarantee that takes more noise leaves nothing to learn


@dataclass(frozen=True)
class Cost:
    """What is spent beside the noise's size: `steps` steps at `rate`, and rho-zCDP for what was counted before."""

    rate: float
    steps: int
    rho: float = 0.0


def epsilon_of(noise: float, delta: float, cost: Cost) -> float:
    """Return the least epsilon at `delta` that steps with this noise give, counts included."""
    divergence = np.asarray(ORDERS) * cost.rho
    if cost.steps:
        divergence = divergence + cost.steps * _step(min(cost.rate, 1.0), noise)
    with (
        warnings.catch_warnings()
    ):  # where an order at the end is the best, the told epsilon is too large, not too small
        warnings.simplefilter("ignore", UserWarning)
        epsilon, _ = get_privacy_spent(orders=list(ORDERS), rdp=divergence.tolist(), delta=delta)
    return max(0.0, float(epsilon))


@cache
def _step(rate: float, noise: float) -> Floats:
    """Return the divergence of one step at each order."""
    return np.asarray(compute_rdp(q=rate, noise_multiplier=noise, steps=1, orders=list(ORDERS)), dtype=np.float64)


@cache
def noise_for(epsilon: float, delta: float, cost: Cost) -> float:
    """Return the least noise that keeps (epsilon, delta); `ModelError` where none does."""
    low, high = 0, 1
    while epsilon_of(high * GRAIN, delta, cost) > epsilon:
        low, high = high, high * 2
        if high * GRAIN > MOST:
            raise ModelError(f"no noise keeps epsilon {epsilon:g} at delta {delta:g}; take a larger epsilon or delta")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if epsilon_of(middle * GRAIN, delta, cost) <= epsilon else (middle, high)
    return high * GRAIN
