"""Made-up identifiers: they look like the real ones, differ from each other, and come the same in whatever batches."""

import random
import uuid

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from synthtrail.data.identifiers import make, pattern_of
from synthtrail.data.schema import infer
from synthtrail.data.texts import Marks, typed

ROWS = 60
DRAWN = random.Random(0)  # noqa: S311 - keys of nobody
KINDS = {
    "uuid": ([str(uuid.UUID(int=DRAWN.getrandbits(128))) for _ in range(ROWS)], r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-.{12}"),
    "upper hex": ([f"{DRAWN.getrandbits(128):032X}" for _ in range(ROWS)], r"[0-9A-F]{32}"),
    "sha-256": ([f"{DRAWN.getrandbits(256):064x}" for _ in range(ROWS)], r"[0-9a-f]{64}"),
    "19 digits": ([str(DRAWN.randrange(10**18, 10**19)) for _ in range(ROWS)], r"[1-9]\d{18}"),
    "25 digits": ([str(10**24 + 7 * i) for i in range(ROWS)], r"[1-9]\d{24}"),
    "account": ([f"DE{DRAWN.randrange(10**20):020d}" for _ in range(ROWS)], r"DE\d{20}"),
    "short": ([f"P{i:05d}" for i in range(ROWS)], r"P\d{5}"),
    "running": ([f"P{i}" for i in range(ROWS)], r"P\d+"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_made_identifiers_look_like_the_real_ones(kind: str) -> None:
    """They have the form of the real ones, all differ, and no batch or other seed changes or repeats them."""
    real, form = KINDS[kind]
    table = pd.DataFrame({"x": np.arange(ROWS) % 7, "key": real})
    (identifier,) = infer(table).identifiers
    assert identifier.pattern == pattern_of(table["key"])
    made = make(identifier, 500, first=0, seed=1)
    assert made.str.fullmatch(form).all()
    assert made.is_unique
    halves = [make(identifier, 250, first=first, seed=1) for first in (0, 250)]
    assert pd.concat(halves, ignore_index=True).equals(made)
    if kind not in ("short", "running"):
        assert not set(make(identifier, 500, first=0, seed=2)) & set(made)


def test_a_pattern_that_is_used_up_goes_on_with_a_number() -> None:
    """A letter and a digit make 260 different keys; those after them are longer."""
    table = pd.DataFrame({"x": np.arange(40) % 7, "key": [f"{a}{b}" for a in "ABCD" for b in range(10)]})
    (identifier,) = infer(table).identifiers
    made = make(identifier, 1_000, first=0, seed=0)
    assert made.is_unique
    assert [made[:260].str.len().max(), made[260:].str.len().min()] == [2, 3]


def test_whole_numbers_that_do_not_fit_64_bits_are_codes() -> None:
    """A column of nothing else is read as texts, without complaint."""
    column, _ = typed(pa.chunked_array([KINDS["25 digits"][0]]), "key", Marks())
    assert column.tolist() == KINDS["25 digits"][0]
