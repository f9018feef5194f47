"""What differential privacy costs: budgets as zCDP, told as (epsilon, delta).

A mechanism is rho-zCDP (Bun, Steinke 2016, arXiv 1605.02065); budgets of several add up. Neighbours are tables that
differ by one row added or removed. `delta_of` is a bound for every order, so an order that was searched for in floating
point makes the told epsilon at worst larger than it need be.

    >>> round(epsilon_of(rho_of(1.0, 1e-6), 1e-6), 6)
    1.0
    >>> round(rho_of(1.0, 1e-6), 4)
    0.0244
"""

import math
from fractions import Fraction


def delta_of(rho: float, epsilon: float) -> float:
    """Return the least delta for which rho-zCDP gives (epsilon, delta) (Canonne et al. 2020, corollary 13)."""
    if rho <= 0:
        return 0.0
    low, high = 1.0 + 1e-9, (epsilon + 1) / (2 * rho) + 2
    for _ in range(60):
        middle = (low + high) / 2
        slope = (2 * middle - 1) * rho - epsilon + math.log1p(-1 / middle)
        low, high = (middle, high) if slope < 0 else (low, middle)
    order = high
    exponent = (order - 1) * (order * rho - epsilon) + order * math.log1p(-1 / order)
    return min(1.0, math.exp(min(exponent, 700.0)) / (order - 1))


def epsilon_of(rho: float, delta: float) -> float:
    """Return the least epsilon that rho-zCDP gives at `delta`."""
    low, high = 0.0, rho + 2 * math.sqrt(rho * math.log(1 / delta)) + 1
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if delta_of(rho, middle) <= delta else (middle, high)
    return high


def rho_of(epsilon: float, delta: float) -> float:
    """Return the largest rho whose zCDP gives (epsilon, delta)."""
    low, high = 0.0, epsilon + 1
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if delta_of(middle, epsilon) <= delta else (low, middle)
    return low


def gaussian_variance(rho: float) -> Fraction:
    """Return the variance of discrete Gaussian noise that makes counts, changed by 1 in one cell, rho-zCDP.

    It is 1 / (2 rho), rounded up to a sixteenth: the guarantee is kept, and exact draws stay fast.

    >>> float(gaussian_variance(0.005))
    100.0
    """
    return Fraction(math.ceil(8 / Fraction(rho)), 16)


def choice_epsilon(rho: float) -> Fraction:
    """Return the exponential mechanism's epsilon that costs `rho`, sqrt(8 rho) rounded down to a 2^20th."""
    return Fraction(math.isqrt(math.floor(8 * Fraction(rho) * 2**40)), 2**20)
