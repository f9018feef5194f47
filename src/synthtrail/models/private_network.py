"""What the synthesizers of tables share whose network learns under differential privacy.

A tenth of the budget pays a count of each column, from which its codes follow (`private_columns`) and at which the
network starts: before the first step each column is drawn by itself. The rest pays for the steps (`dp_training`), whose
number, rate and clipping are settings, since a check on real rows would have to be paid for as well. The guarantee, its
terms and what it does not cover stand in `privacy`.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthtrail.models import private_terms
from synthtrail.models.dp_audit import Audit, audit
from synthtrail.models.private_audit import attack_counts
from synthtrail.models.private_columns import PrivateColumns, grouping_state, groupings_from
from synthtrail.models.private_counts import Taken
from synthtrail.models.private_domain import Grouping
from synthtrail.models.private_settings import PrivateSettings, plan, terms
from synthtrail.models.synthesizer import Training
from synthtrail.models.table_model import SHOWN
from synthtrail.models.table_network import TableNetwork

if TYPE_CHECKING:
    from synthtrail.models.dp_training import RowLosses

SettingsT = TypeVar("SettingsT", bound=PrivateSettings)
INNER = "network."  # prefix of the tensors that are the network's
AUDITED_WIDTH, AUDITED_ROWS = 16, 200  # of the network and the rows of nobody among which canaries are planted


class PrivateNetwork(PrivateColumns, TableNetwork[SettingsT]):
    """A network that learns by DP-SGD on coarse codes; a child says what the network is, and a row's loss."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(given)
        private_terms.asked(self.settings.epsilon, self.settings.delta)

    @abstractmethod
    def objective(self, codes: Tensor) -> "RowLosses":
        """Return what the network is trained on: the losses of rows of coarse codes (N, C)."""

    @property
    def privacy(self) -> Mapping[str, object]:
        """The guarantee, its terms, and what it does not cover."""
        return terms(self.settings, self.facts)

    def learn(self, data: pd.DataFrame, training: Training) -> NDArray[np.float64]:
        """Train; return the noisy share of each class."""
        from synthtrail.models.dp_training import learn_privately, schedule_for  # noqa: PLC0415 - Lightning

        planned = plan(len(data), self.settings)
        schedule = schedule_for(planned, self.settings)
        codes = self.count_columns(data, schedule.rho, self.settings.bins)
        self.facts = planned | {"noise": schedule.noise}
        self.network = self.fresh(training.seed)
        sample = partial(self.shown, self.shown_classes(SHOWN), training.seed)
        learnt = learn_privately(self.objective(torch.from_numpy(codes)), schedule, training, sample)
        super().restore(learnt)
        self.facts |= {"audit": self.audited().to_json()}
        return self.class_shares()

    def audited(self) -> Audit:
        """Return what attacks prove of counts and steps like the fit's; `ModelError` if the promise is broken."""
        from synthtrail.models.dp_canaries import attack_steps  # noqa: PLC0415 - Lightning
        from synthtrail.models.dp_training import schedule_for  # noqa: PLC0415 - Lightning

        other, schedule = type(self)(asdict(self.settings)), schedule_for(self.facts, self.settings)
        other.codec = self.codec

        def count(rows: pd.DataFrame) -> tuple[list[Taken], list[Grouping]]:
            other.count_columns(rows, schedule.rho, self.settings.bins)
            return other.taken, other.groupings

        counts = attack_counts(self.codec, self.facts["rows"], count)
        other.facts = self.facts | {"width": AUDITED_WIDTH, "layers": 1}
        other.network = other.fresh(0)
        rng = np.random.default_rng()
        rows = np.stack([rng.integers(0, size, AUDITED_ROWS) for size in other.sizes], 1)
        steps = attack_steps(other.objective(torch.from_numpy(rows)), schedule)
        return audit([steps, counts], self.settings.epsilon, self.settings.delta)

    def state(self) -> dict[str, Tensor]:
        """Return the network's weights, and how codes are merged."""
        weights = {f"{INNER}{name}": value for name, value in super().state().items()}
        return weights | grouping_state(self.groupings)

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take what `state` gave."""
        self.groupings = groupings_from(state)
        super().restore({name.removeprefix(INNER): value for name, value in state.items() if name.startswith(INNER)})
