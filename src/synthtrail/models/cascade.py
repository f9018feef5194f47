"""A generator that draws columns in a few stages, so that what is drawn later fits what was drawn before.

    noise (B, Z), one-hot class (B, L)  ->  hidden (B, H)
    each stage:  hidden -> logits (B, W_s) -> one code a column, by Gumbel noise -> back into hidden
    out: the one-hot columns of all stages side by side, and the class last where the target is a column

Drawn all at once, columns hang together only through the noise, and two that belong together (a school and its years)
come out right only with logits sharp enough for a network long trained. Stages make that easy, and cost little.

A column that has a parent (`drawing_order`) gets beside its own logits those that the parent's code gives it, from a
table (K_parent, K) in `pairs`, learnt like all else. `bias` (L, W) is added to the logits of each class. Where both
start, `pair_start` says; training leaves the bias alone, and `calibration` sets it afterwards.

A choice is the one-hot vector of the greatest logit plus Gumbel noise; backward it counts as the softmax at
`temperature` (Jang, Gu, Poole 2017, arXiv 1611.01144).
"""

import itertools
import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from synthtrail.models.dependence_tree import ROOT
from synthtrail.models.drawing_order import DrawingOrder

BELL = 1.0  # deviation of a numeric column's bell before training, in ranks' standard deviations: a wide one
FAINT = 0.1  # of their usual weights is what a stage's logits begin with, so that bias and pairs are heard
HEARD = 0.5  # deviation of the weights by which a stage hears the codes before it


class Choice(torch.autograd.Function):
    """One code a column: logits and Gumbel noise (B, W) -> one-hot (B, W), with straight-through gradients."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, drawn: Tensor, temperature: float, sizes: list[int]) -> Tensor:
        """Choose; columns have `sizes` codes each."""
        scores = logits + drawn
        hard, soft = torch.zeros_like(scores), torch.empty_like(scores)
        for score, one, share in zip(*(_blocks(part, sizes) for part in (scores, hard, soft)), strict=True):
            one.scatter_(2, score.argmax(2, keepdim=True), 1.0)
            share.copy_((score / temperature).softmax(2))
        ctx.save_for_backward(soft)
        ctx.temperature, ctx.sizes = temperature, sizes
        return hard

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """Return the gradient of the softmax."""
        (soft,) = ctx.saved_tensors
        weighed = gradients[0] * soft
        for part, share in zip(*(_blocks(x, ctx.sizes) for x in (weighed, soft)), strict=True):
            part.addcmul_(share, part.sum(2, keepdim=True), value=-1.0)
        return weighed.div_(ctx.temperature), None, None, None


def _blocks(rows: Tensor, sizes: list[int]) -> list[Tensor]:
    """Return views (B, C_r, K) of neighbouring columns of one size: fewer and larger operations than column by column.

    >>> [tuple(block.shape) for block in _blocks(torch.zeros(5, 7), [2, 2, 3])]
    [(5, 2, 2), (5, 1, 3)]
    """
    runs = [(size, len(list(run))) for size, run in itertools.groupby(sizes)]
    parts = torch.split(rows, [size * count for size, count in runs], 1)
    return [part.view(len(part), count, size) for part, (size, count) in zip(parts, runs, strict=True)]


def choose(logits: Tensor, drawn: Tensor, temperature: float, sizes: list[int]) -> Tensor:
    """Return one-hot rows (B, W) from logits and Gumbel noise (see `Choice`)."""
    chosen: Tensor = Choice.apply(logits, drawn, temperature, sizes)  # type: ignore[no-untyped-call]
    return chosen


class Stage(nn.Module):
    """The columns that are drawn together: hidden (B, H) -> logits (B, W_s), and what was chosen back into hidden.

    A numeric column gets its logits from a bell around a place of its own on the scale of ranks, plus free ones:
    columns of a stage are drawn independently, so rows hold together only if the bells are narrow, and that is learnt
    sooner than W_s sharp logits. A stage that is `alone` gets two layers instead of one.
    """

    ranks: Tensor
    ranked: Tensor

    def __init__(self, width: int, start: int, sizes: list[int], ranks: Tensor, ranked: Tensor, *, alone: bool) -> None:
        super().__init__()
        self.sizes, self.start, self.end = sizes, start, start + sum(sizes)
        numeric = ranked[start : self.end].sum(0) > 0
        self.register_buffer("ranks", ranks[start : self.end].sum(1), persistent=False)
        self.register_buffer("ranked", ranked[start : self.end, numeric].T.contiguous(), persistent=False)
        numbers = int(numeric.sum())
        self.block = _block(width) if alone else nn.Sequential(nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, width))
        self.last = nn.Linear(width, self.end - start)
        with torch.no_grad():
            self.last.weight.mul_(FAINT)
        nn.init.zeros_(self.last.bias)
        self.place = nn.Linear(width, numbers) if numbers else None
        self.log_width = nn.Parameter(torch.full((numbers,), math.log(BELL)))
        self.hear = nn.Linear(self.end - start, width, bias=False)
        nn.init.normal_(self.hear.weight, std=HEARD)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.last(hidden)
        if self.place is None:
            return logits
        away = self.ranks - self.place(hidden) @ self.ranked
        logits = logits - away.square() * ((-2 * self.log_width).exp() @ self.ranked) / 2
        return logits


class Cascade(nn.Module):
    """The generator of the module docstring for columns in a given `order`.

    `ranks` and `ranked` (W, M) are those of `one_hot.ranks_of_codes`, in the same order.
    """

    bias: Tensor

    def __init__(
        self,
        inputs: tuple[int, int],
        width: int,
        order: DrawingOrder,
        ranks: Tensor,
        ranked: Tensor,
        temperature: float,
    ) -> None:
        super().__init__()
        noise, labels = inputs
        self.temperature, self.order, self.runs = temperature, order, order.runs()
        self.first = nn.Linear(noise + labels, width)
        self.block = _block(width)
        self.stages = nn.ModuleList()
        start = 0
        for columns in order.columns():
            sizes = [order.sizes[at] for at in columns]
            stage = Stage(width, start, sizes, ranks, ranked, alone=len(order.stages) == 1)
            self.stages.append(stage)
            start = stage.end
        self.width = start
        self.register_buffer("bias", torch.zeros(labels, start))
        self.pairs = nn.ParameterDict(
            {str(at): torch.zeros(order.sizes[parent], order.sizes[at]) for at, parent in order.edges()}
        )

    def forward(self, noise: Tensor, label: Tensor, drawn: Tensor) -> Tensor:
        """Return one-hot rows from noise (B, Z), one-hot classes (B, L) and Gumbel noise (B, `width`)."""
        rows = [part for part, _ in self.steps(noise, label, drawn)]
        return torch.cat([*rows, label] if self.order.labelled else rows, 1)

    def parts(self) -> list[Stage]:
        """Return the stages."""
        return [cast("Stage", stage) for stage in self.stages]

    def steps(self, noise: Tensor, label: Tensor, drawn: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return for each stage the one-hot choices and the logits that they were drawn from, (B, W_s) each."""
        hidden = self.first(torch.cat([noise, label], 1))
        hidden = hidden + self.block(hidden)
        bias, found = label @ self.bias, []
        known = {len(self.order.sizes) - 1: label} if self.order.labelled else {}
        for stage, runs in zip(self.parts(), self.runs, strict=True):
            hidden = hidden + stage.block(hidden)
            logits = stage(hidden) + bias[:, stage.start : stage.end]
            chosen, logits = self.chosen(logits, drawn[:, stage.start : stage.end], runs, known)
            found.append((chosen, logits))
            hidden = hidden + stage.hear(chosen)
        return found

    def chosen(
        self, logits: Tensor, drawn: Tensor, runs: list[list[int]], known: dict[int, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Choose a stage's codes, one run of columns after the other; return choices and logits (B, W_s) with parents'.

        `known` holds the one-hot codes (B, K) of the columns drawn before, and is given those drawn now.
        """
        choices, told = [], []
        sizes = [[self.order.sizes[at] for at in run] for run in runs]
        widths = [sum(size) for size in sizes]
        parts = zip(runs, sizes, torch.split(logits, widths, 1), torch.split(drawn, widths, 1), strict=True)
        for run, size, own, noise in parts:
            heard = torch.cat(
                [self.heard(at, mine, known) for at, mine in zip(run, torch.split(own, size, 1), strict=True)], 1
            )
            choice = choose(heard, noise, self.temperature, size)
            known.update(zip(run, torch.split(choice, size, 1), strict=True))
            choices.append(choice)
            told.append(heard)
        return torch.cat(choices, 1), torch.cat(told, 1)

    def heard(self, at: int, logits: Tensor, known: dict[int, Tensor]) -> Tensor:
        """Return the logits (B, K) of column `at` with what its parent's code gives."""
        parent = self.order.parents[at]
        return logits if parent == ROOT else torch.addmm(logits, known[parent], self.pairs[str(at)])


def _block(width: int) -> nn.Module:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
