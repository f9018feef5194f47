"""What a record says of classes that were asked for: the training rows behind each, and which are too few."""

from types import SimpleNamespace

import numpy as np
import pytest

from synthtrail.data.conditions import Wanted
from synthtrail.stages.rebalance import behind, warnings

MODEL = SimpleNamespace(learnt_from=400, prior=np.array([0.03, 0.97]), classes=lambda: ("ill", "well"))


@pytest.mark.parametrize(
    ("wanted", "facts"),
    [
        (Wanted("outcome"), {}),
        (Wanted("outcome", counts={"ill": 3, "well": 97}), {"behind": {"ill": 12, "well": 388}}),
        (Wanted("outcome", counts={"well": 100}), {"behind": {"well": 388}}),
        (
            Wanted("outcome", one_class="ill"),
            {"behind": {"ill": 12}, "thin": "'ill': 100 from 12 training rows"},
        ),
    ],
    ids=["nothing asked", "as in training", "a frequent class", "a rare class"],
)
def test_the_rows_behind_a_class_are_told(wanted: Wanted, facts: dict[str, object]) -> None:
    """Nothing is said where nothing was asked for; few rows that are not multiplied are no fault."""
    assert behind(MODEL, wanted, 100) == facts


def test_a_model_that_keeps_no_count_tells_none() -> None:
    """Under differential privacy the number of rows is not told."""
    secret = SimpleNamespace(learnt_from=0, prior=MODEL.prior, classes=MODEL.classes)
    assert behind(secret, Wanted("outcome", one_class="ill"), 100) == {}


def test_the_user_is_warned_of_thin_classes() -> None:
    """One line, with both numbers; none without such a class."""
    (line,) = warnings({"thin": "'ill': 100 from 12 training rows"})
    assert line.startswith("'ill': 100 from 12 training rows: more rows tell no more")
    assert warnings({"items": "100"}) == []
