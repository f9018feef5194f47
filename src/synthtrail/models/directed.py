"""Drawing rows that meet conditions on any columns without throwing rows away, with a network of any order.

Columns with conditions are drawn first, one after the other, each only among the codes that meet its condition. Drawn
so, a start that leads into a corner where the next condition is rarely met comes as often as any other. So there are
`PARTICLES` starts or more; each is weighted by the product over its columns of the probability of the condition given
what was drawn before, and of them as many as rows are wanted are drawn again by weight (sampling and importance
resampling, Rubin 1988). All other columns follow given the start, each row's by itself. The mean weight estimates which
share of the model's rows meets the conditions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from synthtrail.models.digits import Digits
from synthtrail.models.errors import ConditionError

PARTICLES = 2_048  # starts, at least
EACH = 4  # starts for each row, at least
LEAST = 1e-6  # share of rows that meets the conditions, below which they are given up


class AnyOrder(Protocol):
    """A network that can be asked for any column given any others."""

    digits: Digits

    def column(self, codes: Tensor, hidden: Tensor, at: int) -> Tensor:
        """Return the logits (B, K) of digit `at`, from digits (B, D) of which some are hidden (B, D)."""
        ...


@dataclass
class Given:
    """What is asked for: by column the share of each code (K,) that meets it; `alike` if the class was asked for too.

    `shares` holds what was found of each batch: the share of the model's rows that meet the conditions.
    """

    codes: Mapping[int, Tensor]
    alike: bool
    shares: list[float] = field(default_factory=list)

    def starts(
        self, network: AnyOrder, codes: Tensor, hidden: Tensor, random: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return codes (B, C) with the columns asked for drawn, where they were hidden, and what is hidden now.

        Raises `ConditionError` if next to nothing of the model's rows meets the conditions.
        """
        times = max(EACH, -(-PARTICLES // len(codes)))
        kinds = torch.arange(len(codes)).repeat(times)
        digits = network.digits
        values, away = digits.split(codes)[kinds], digits.repeated(hidden)[kinds]
        weights = torch.zeros(len(kinds), dtype=torch.float64)
        for column in self.codes:
            for place in digits.places[column]:
                weights += self._draw(network, values, away, column, place, random)
        self._note(float(weights.exp().mean()))
        chosen = self._chosen(weights, codes[kinds], len(codes), random)
        open_now = hidden.clone()
        open_now[:, list(self.codes)] = False
        return digits.join(values)[chosen], open_now

    def _draw(
        self, network: AnyOrder, values: Tensor, away: Tensor, column: int, place: int, random: torch.Generator
    ) -> Tensor:
        """Draw one digit of the rows in place; return the log of the probability of the condition (B,)."""
        digits = network.digits
        logits = network.column(values, away, place) + digits.forbidden(values, away, place)
        met = logits.double().softmax(1) * self._meeting(digits, values, column, place)
        share = met.sum(1)
        met[share == 0] = 1.0  # a start that leads nowhere, of weight 0, goes on somehow
        values[:, place] = torch.multinomial(met, 1, generator=random).squeeze(1)
        away[:, place] = False
        return share.log()

    def _meeting(self, digits: Digits, values: Tensor, column: int, place: int) -> Tensor:
        """Return for each value of a digit the share that meets the condition (B, K) or (1, K).

        A high digit may be drawn if any of its codes may.
        """
        met, radix, places = self.codes[column], digits.radix[column], digits.places[column]
        if not radix:
            return met[None]
        table = torch.zeros(digits.sizes[places[0]] * radix, dtype=met.dtype)
        table[: len(met)] = met
        table = table.reshape(-1, radix)
        return (table.amax(1) > 0).to(met.dtype)[None] if place == places[0] else table[values[:, places[0]]]

    def _note(self, share: float) -> None:
        self.shares.append(share)
        if share < LEAST:
            raise ConditionError(
                f"about {share:.1g} of the rows would meet the conditions together; fewer than one in "
                f"{1 / LEAST:,.0f} is given up: ask for less narrow ones"
            )

    def _chosen(self, weights: Tensor, codes: Tensor, count: int, random: torch.Generator) -> Tensor:
        """Return the starts to go on with: by weight among all, or among those of the row's own class."""
        scaled = (weights - weights.max()).exp()
        if not self.alike:
            return torch.multinomial(scaled, count, replacement=True, generator=random)
        chosen = torch.zeros(count, dtype=torch.int64)
        known = torch.unique(codes, dim=0, return_inverse=True)[1]
        for kind in known[:count].unique().tolist():
            rows, starts = (known[:count] == kind).nonzero().squeeze(1), (known == kind).nonzero().squeeze(1)
            own = (weights[starts] - weights[starts].max()).exp().nan_to_num(1.0)
            drawn = torch.multinomial(own, len(rows), replacement=True, generator=random)
            chosen[rows] = starts[drawn]
        return chosen
