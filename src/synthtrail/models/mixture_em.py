"""Mixtures of products of categoricals, fitted by expectation and maximisation (Dempster, Laird, Rubin 1977).

    codes (N, C), offsets added so that each column's codes are places 0 <= w < W of one table
    p(row) = sum over k of weight[k] * product over columns of table[place, k]

Each round gives every row a share in every component, then sets weights and tables to the shares' means. Tables are
drawn towards the columns' own frequencies by `smoothing` rows' worth, and a component that has fewer than `least`
rows' worth is given up, so that none stands for a single row. Rounds go on until rows held back are no longer better
explained.

    >>> codes = torch.tensor([[0, 0], [1, 1]] * 50)
    >>> em = fit(codes, codes, (2, 2), 2, Rules(), np.random.default_rng(0))
    >>> round(em.score, 1)  # two kinds of rows, one as frequent as the other: log(1/2)
    -0.7
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

CHUNK = 65_536  # rows at once
ROUNDS = 200
ENOUGH = 1e-4  # mean log-likelihood that a round must gain
PATIENCE = 3  # rounds without such a gain
MORE = 2e-3  # mean log-likelihood that more components must gain


@dataclass(frozen=True)
class Rules:
    """How components are kept from single rows (module docstring)."""

    smoothing: float = 5.0
    least: int = 10


@dataclass(frozen=True)
class Fit:
    """`weights` (K,), `table` (W, K), and the mean log-likelihood of the rows held back."""

    weights: Tensor
    table: Tensor
    score: float


def choose(
    rows: Tensor, held: Tensor, sizes: tuple[int, ...], numbers: tuple[int, ...], rules: Rules, seed: int
) -> Fit:
    """Return the fit that explains the rows `held` best; ever more components are tried until they no longer help."""
    best = Fit(torch.ones(1), torch.ones(sum(sizes), 1), -np.inf)
    for number in numbers:
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, number])))
        found = fit(rows, held, sizes, number, rules, rng)
        if found.score <= best.score + MORE:
            break
        best = found
    return best


def fit(rows: Tensor, held: Tensor, sizes: tuple[int, ...], number: int, rules: Rules, rng: np.random.Generator) -> Fit:
    """Fit `number` components to codes (N, C); stop by the rows `held` (M, C)."""
    offsets = torch.tensor([0, *np.cumsum(sizes)[:-1].tolist()])
    rows, held = rows + offsets, held + offsets
    base = torch.bincount(rows.flatten(), minlength=sum(sizes)).float() / len(rows)
    at = Fit(torch.full((number,), 1 / number), _begin(rows, base, sizes, number, rng), -np.inf)
    best, since = at, 0
    for _ in range(ROUNDS):
        at = _round(rows, base, sizes, at, rules)
        at = Fit(at.weights, at.table, _score(held, at))
        since = 0 if at.score > best.score + ENOUGH else since + 1
        best = at if at.score > best.score else best
        if since == PATIENCE:
            break
    return best


def _begin(rows: Tensor, base: Tensor, sizes: tuple[int, ...], number: int, rng: np.random.Generator) -> Tensor:
    """Return tables (W, K) near the columns' frequencies, each drawn towards a row."""
    picked = rows[torch.from_numpy(rng.integers(0, len(rows), number))]
    table = 0.6 * base[:, None] * torch.from_numpy(rng.uniform(0.95, 1.05, (len(base), number))).float()
    table += 0.4 * functional.one_hot(picked, len(base)).sum(1).T
    return _normal(table, sizes)


def _round(rows: Tensor, base: Tensor, sizes: tuple[int, ...], at: Fit, rules: Rules) -> Fit:
    counts = torch.zeros_like(at.table)
    for part in torch.split(rows, CHUNK):
        share = _joint(part, at).softmax(1)
        for column in part.T:
            counts.index_add_(0, column, share)
    held = counts[: sizes[0]].sum(0)  # a component's rows: each row has one code of the first column
    kept = held >= min(rules.least, float(held.max()))
    table = counts[:, kept] + rules.smoothing * base[:, None]
    return Fit(held[kept] / held[kept].sum(), _normal(table, sizes), 0.0)


def _joint(part: Tensor, at: Fit) -> Tensor:
    """Return the log of each row's probability in each component, weight included (n, K)."""
    logs = at.table.clamp(min=1e-30).log()
    return functional.embedding_bag(part, logs, mode="sum") + at.weights.log()


def _score(rows: Tensor, at: Fit) -> float:
    found = sum(float(_joint(part, at).logsumexp(1).sum(dtype=torch.float64)) for part in torch.split(rows, CHUNK))
    return found / len(rows)


def _normal(table: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Return the table with each column's codes adding up to 1."""
    return torch.cat([part / part.sum(0) for part in torch.split(table, list(sizes))])
