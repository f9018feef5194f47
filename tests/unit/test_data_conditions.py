"""Conditions on what is generated: every form, and one clear line for what the schema does not know."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthtrail.data.conditions import parse
from synthtrail.data.errors import WantedError
from synthtrail.data.image import ImageSchema, ImageSet
from synthtrail.data.schema import infer

DAYS = pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"])
TABLE = pd.DataFrame(
    {
        "age": [20, 40, 60, 80],
        "weight": [50.5, None, 70.0, 80.25],
        "sex": ["f", "m", "f", None],
        "smoker": [True, False, True, False],
        "day": DAYS,
        "state": ["ill", "well", "ill", "well"],
    }
)
SCHEMA = infer(TABLE, "state")


def kept(**asked: Any) -> list[int]:
    """Return the rows of the table that the filters of a condition keep."""
    wanted = parse(asked, SCHEMA)
    fits = np.logical_and.reduce([np.ones(len(TABLE), dtype=bool), *(item.keep(TABLE) for item in wanted.filters)])
    return [int(row) for row in np.flatnonzero(fits)]


@pytest.mark.parametrize(
    ("asked", "rows"),
    [
        ({"age": {"min": 40, "max": 60}}, [1, 2]),
        ({"age": "40..60"}, [1, 2]),
        ({"age": "60.."}, [2, 3]),
        ({"age": {"max": 20}}, [0]),
        ({"age": 60}, [2]),
        ({"weight": "..75"}, [0, 2]),  # a missing weight is in no range
        ({"sex": "f"}, [0, 2]),
        ({"sex": ["f", "m"]}, [0, 1, 2]),  # a missing sex is none of them
        ({"sex": "f,m"}, [0, 1, 2]),
        ({"smoker": True}, [0, 2]),
        ({"smoker": "true"}, [0, 2]),
        ({"day": {"min": "2026-01-02", "max": "2026-01-03"}}, [1, 2]),
        ({"day": "2026-01-04.."}, [3]),
        ({"age": "40..", "smoker": "false"}, [1, 3]),
        ({"target": ["ill", "well"]}, [0, 1, 2, 3]),
    ],
)
def test_filters_keep_the_rows_that_fit(asked: dict[str, Any], rows: list[int]) -> None:
    """Each form keeps what it says, both ends of a range belonging to it."""
    assert kept(**asked) == rows


@pytest.mark.parametrize("key", ["target", "state"])
def test_classes_of_the_target_are_left_to_the_model(key: str) -> None:
    """One class or exact counts are no filters; `target` stands for the target's own name."""
    assert parse({key: "ill"}, SCHEMA).one_class == "ill"
    for form in ({"ill": 3, "well": 7}, "ill:3,well:7"):
        wanted = parse({key: form}, SCHEMA)
        assert wanted.counts == {"ill": 3, "well": 7}
        assert wanted.filters == ()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"target": "il"}, "'state' has no category 'il' (did you mean 'ill'?)"),
        ({"target": {"weell": 3}}, "'state' has no category 'weell' (did you mean 'well'?)"),
        ({"agee": 3}, "no column 'agee' (did you mean 'age'?)"),
        ({"age": "old"}, "'age': 'old' is not a number"),
        ({"age": {"from": 3}}, "'age' is a number: write {min: ..., max: ...} or LOW..HIGH"),
        ({"age": "90.."}, "'age': nothing is made outside the range of the training rows"),
        ({"age": "60..40"}, "'age': min is above max"),
        ({"day": "soon.."}, "'day': 'soon' is not a date"),
        ({"sex": {"f": 3, "m": 4}}, "exact counts of 'sex', but only the target's can be asked for"),
        ({"target": {"ill": -1}}, "'state': a count is a whole number from 0 on, not -1"),
        ({"sex": []}, "'sex': no category is named"),
        ({"smoker": "perhaps"}, "'smoker' has no category 'perhaps'"),
    ],
)
def test_what_the_schema_does_not_know_is_one_clear_line(asked: dict[str, Any], said: str) -> None:
    """The column, the nearest class or the range is named, and nothing of a row."""
    with pytest.raises(WantedError) as error:
        parse(asked, SCHEMA)
    assert str(error.value).startswith("conditions: ")
    assert said in str(error.value)


def test_a_table_without_a_target_has_no_target_to_ask_for() -> None:
    """The message says what to write instead."""
    with pytest.raises(WantedError, match="no target column"):
        parse({"target": "ill"}, infer(TABLE, None))


def test_images_are_asked_for_by_label() -> None:
    """The label is the one column of images."""
    schema = ImageSchema(8, 8, 1, ("0", "1", "7"))
    assert parse({"label": 7}, schema).one_class == "7"
    batch = ImageSet(np.zeros((3, 8, 8, 1), np.uint8), np.array(["0", "7", "1"], dtype=object), ("a", "b", "c"))
    assert parse({"label": ["1", "7"]}, schema).filters[0].keep(batch).tolist() == [False, True, True]
    with pytest.raises(WantedError, match="no category '8'"):
        parse({"label": "8"}, schema)
