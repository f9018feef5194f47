"""Drawing until enough rows fit: exact numbers, the same rows for the same seed, and an end to what is too rare."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthtrail.data.conditions import Wanted, parse
from synthtrail.data.errors import WantedError
from synthtrail.data.image import ImageSet, numbered
from synthtrail.data.registry import MODALITIES
from synthtrail.data.schema import infer
from synthtrail.models import labels
from synthtrail.stages.draw import Draw, Sieve

SCHEMA = infer(pd.DataFrame({"age": [0, 99], "state": ["ill", "well"]}), "state")
BATCH = 512


class Model:
    """A model of two columns: age uniform, a class drawn as asked for."""

    def sample(self, n: int, conditions: Any = None, seed: int = 0) -> Iterator[pd.DataFrame]:
        """Yield rows in batches."""
        counts = labels.counts_for(conditions, n, "state", ("ill", "well"))
        for number, classes in enumerate(labels.draw(n, np.array([0.5, 0.5]), counts, seed, BATCH)):
            rng = np.random.default_rng([seed, number])
            names = np.array(["ill", "well"], dtype=object)[classes]
            yield pd.DataFrame({"age": rng.integers(0, 100, len(classes)), "state": pd.Series(names, dtype="str")})


def draw(asked: dict[str, Any], count: int, seed: int = 1, sieves: list[Sieve] | None = None) -> Draw:
    """Return a drawing from the model above."""
    wanted = parse(asked, SCHEMA)
    if sieves is None:
        sieves = [Sieve("conditions", lambda rows: rows[wanted.filters[0].keep(rows)])] if wanted.filters else []
    return Draw(Model(), wanted, count=count, seed=seed, sieves=sieves, modality=MODALITIES["tabular"])  # type: ignore[arg-type]


def rows_of(drawing: Draw) -> pd.DataFrame:
    """Return all rows of a drawing."""
    found: pd.DataFrame = pd.concat(list(drawing.batches()), ignore_index=True)
    return found


def test_without_conditions_it_is_the_models_own_sample() -> None:
    """No batch is touched, and no fact is told."""
    drawing = draw({}, 1300)
    pd.testing.assert_frame_equal(rows_of(drawing), pd.concat(list(Model().sample(1300, seed=1)), ignore_index=True))
    assert drawing.facts() == {}


def test_what_a_sieve_drops_is_drawn_again() -> None:
    """Exactly as many rows as asked for fit, and the facts tell what it took."""
    drawing = draw({"age": "0..9"}, 700)
    found = rows_of(drawing)
    assert len(found) == 700
    assert found["age"].between(0, 9).all()
    facts: Any = drawing.facts()
    assert facts["drawn"] - facts["dropped"]["conditions"] >= 700
    assert facts["dropped"]["conditions"] > 5000  # nine of ten


def test_exact_counts_stay_exact_behind_a_sieve() -> None:
    """Each class is filled up by itself, and the facts tell what was given."""
    drawing = draw({"target": {"ill": 300, "well": 20}, "age": "0..9"}, 320)
    assert rows_of(drawing)["state"].value_counts().to_dict() == {"ill": 300, "well": 20}
    assert drawing.facts()["classes"] == {"ill": 300, "well": 20}


def test_the_same_seed_gives_the_same_rows_and_another_seed_others() -> None:
    """Later rounds are seeded too."""
    first, again, other = (rows_of(draw({"age": "0..4"}, 500, seed)) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_no_round_repeats_the_rows_of_an_earlier_one() -> None:
    """A later round with the first one's seed would draw the same rows twice."""
    drawing = draw({}, 5)
    assert len({drawing.seed_of(number) for number in range(50)}) == 50


@pytest.mark.parametrize("asked", [{}, {"target": {"ill": 5, "well": 5}}])
def test_what_is_too_rare_ends_with_one_line(asked: dict[str, Any]) -> None:
    """Where nothing fits, the search ends and says how little was found."""
    drawing = draw(asked, 10, sieves=[Sieve("rules", lambda rows: rows[:0])])
    with pytest.raises(WantedError, match=r"only 0 of 2\d,\d{3} rows.* \(rules\)"):
        rows_of(drawing)


def test_a_sieve_may_mend_rows() -> None:
    """What it returns is what is written."""
    drawing = draw({}, 600, sieves=[Sieve("mended", lambda rows: rows.assign(age=7))])
    found = rows_of(drawing)
    assert set(found["age"]) == {7}
    assert drawing.facts() == {"drawn": 600, "dropped": {"mended": 0}}


class Pictures:
    """A model of images whose rounds each begin to number at 0."""

    def sample(self, n: int, conditions: Any = None, seed: int = 0) -> Iterator[ImageSet]:
        """Yield one batch."""
        names = np.array(["0", "1"], dtype=object)[np.random.default_rng(seed).integers(0, 2, n)]
        yield ImageSet(np.zeros((n, 4, 4, 1), np.uint8), names, numbered(0, n))


def test_images_keep_names_of_their_own() -> None:
    """Rounds and gaps do not make two images share a name."""
    modality = MODALITIES["image"]
    sieve = Sieve("ones", lambda batch: modality.take(batch, np.flatnonzero(batch.labels == "1")))
    drawing = Draw(Pictures(), Wanted("label"), count=20, seed=0, sieves=[sieve], modality=modality)  # type: ignore[arg-type]
    assert [name for batch in drawing.batches() for name in batch.names] == list(numbered(0, 20))
