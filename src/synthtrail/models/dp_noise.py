"""Secret, exact randomness for differential privacy, from the operating system's random bytes.

Floating-point Gaussians leak through the spacing of floating-point numbers (Mironov 2012, doi:10.1145/2382196.2382264),
and a generator with a seed that somebody may know or guess voids any guarantee. So all draws here are of integers, with
exact rational probabilities, from `secrets`: the discrete Gaussian (Canonne, Kamath, Steinke 2020, arXiv 2004.00010,
algorithms 1 to 3), and the exponential mechanism by rejection. They cannot be reproduced, and must not be.

    >>> import statistics
    >>> drawn = discrete_gaussian(Fraction(25), 4000)
    >>> abs(statistics.fmean(drawn)) < 0.5, 4.5 < statistics.pstdev(drawn) < 5.5
    (True, True)
"""

import secrets
from collections.abc import Sequence
from fractions import Fraction
from math import isqrt


def discrete_gaussian(variance: Fraction, n: int) -> list[int]:
    """Return `n` integers from the discrete Gaussian of mean 0 whose parameter sigma^2 is `variance`."""
    if variance <= 0:
        raise ValueError(f"a variance of {variance} gives no privacy")
    scale = isqrt(variance.numerator // variance.denominator) + 1
    return [_gaussian(variance, scale) for _ in range(n)]


def exponential_choice(scores: Sequence[int], epsilon: Fraction) -> int:
    """Return the place of one of the scores: place k with probability proportional to exp(epsilon / 2 * scores[k]).

    The exponential mechanism, (epsilon^2 / 8)-zCDP if one row changes each score by at most 1 (Cesar, Rogers 2021,
    arXiv 2004.07223). A place drawn evenly is accepted with probability exp(-epsilon / 2 * its distance to the best),
    exactly.
    """
    best = max(scores)
    while True:
        at = secrets.randbelow(len(scores))
        if _bernoulli_exp(epsilon / 2 * (best - scores[at])):
            return at


def _gaussian(variance: Fraction, scale: int) -> int:
    while True:
        drawn = _laplace(scale)
        away = abs(drawn) - variance / scale
        if _bernoulli_exp(away * away / (2 * variance)):
            return drawn


def _laplace(scale: int) -> int:
    while True:
        part = secrets.randbelow(scale)
        if not _bernoulli_exp(Fraction(part, scale)):
            continue
        whole = 0
        while _bernoulli_exp_below_one(1, 1):
            whole += 1
        size = part + scale * whole
        negative = secrets.randbits(1)
        if size or not negative:
            return -size if negative else size


def _bernoulli_exp(x: Fraction) -> bool:
    """Return True with probability exp(-x) for x >= 0."""
    for _ in range(int(x)):
        if not _bernoulli_exp_below_one(1, 1):
            return False
    return _bernoulli_exp_below_one(x.numerator % x.denominator, x.denominator)


def _bernoulli_exp_below_one(numerator: int, denominator: int) -> bool:
    """Return True with probability exp(-numerator / denominator), which is from 0 to 1."""
    k = 1
    while secrets.randbelow(denominator * k) < numerator:
        k += 1
    return bool(k % 2)
