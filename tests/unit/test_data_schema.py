"""Schemas say what released tables must look like; the round trips hold for every kind of column."""

import json

import numpy as np
import pandas as pd
import pytest

from synthtrail.data.errors import SchemaError
from synthtrail.data.schema import Schema, bounds, check, infer, numbers, restore


def mixed(rows: int = 200) -> pd.DataFrame:
    """Return a table with every kind of column, missing values in most."""
    rng = np.random.default_rng(0)
    days = pd.Series(pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), unit="D"))
    table = pd.DataFrame(
        {
            "price": np.round(rng.lognormal(3, 1, rows), 2),
            "raw": rng.normal(0, 1, rows),
            "narrow": rng.normal(0, 1, rows).astype(np.float32),
            "count": pd.array(rng.integers(0, 9, rows), dtype="Int64"),
            "age": rng.integers(0, 100, rows),
            "flag": rng.random(rows) < 0.5,
            "maybe": pd.array(rng.random(rows) < 0.5, dtype="boolean"),
            "town": pd.Series(rng.choice(["Aalen", "Ulm", "Ürzig"], rows), dtype="str"),
            "grade": pd.Categorical(rng.choice(["a", "b"], rows)),
            "day": days,
            "moment": pd.Series(days + pd.to_timedelta(rng.integers(0, 86_400, rows), unit="s")).dt.tz_localize("UTC"),
            "constant": np.full(rows, 7),
            "never": pd.Series([None] * rows, dtype="float64"),
            "outcome": pd.Series(rng.choice(["no", "yes"], rows), dtype="str"),
        }
    )
    for name in ("price", "count", "maybe", "town", "grade", "day", "moment"):
        table.loc[rng.random(rows) < 0.1, name] = None
    return table


def test_kinds_are_told_apart() -> None:
    """Each kind of column is recognised with its facts."""
    schema = infer(mixed(), "outcome")
    kinds = {column.name: column.kind for column in schema}
    assert kinds == {
        "price": "continuous",
        "raw": "continuous",
        "narrow": "continuous",
        "count": "integer",
        "age": "integer",
        "flag": "boolean",
        "maybe": "boolean",
        "town": "category",
        "grade": "category",
        "day": "datetime",
        "moment": "datetime",
        "constant": "integer",
        "never": "continuous",
        "outcome": "boolean",
    }
    assert (schema.column("price").decimals, schema.column("raw").decimals) == (2, None)
    assert (schema.column("day").decimals, schema.column("moment").decimals) == (None, 0)
    assert schema.column("town").categories == ("Aalen", "Ulm", "Ürzig")
    assert schema.column("never").missing_rate == 1.0


def test_a_table_conforms_to_its_own_schema() -> None:
    """Inference and check agree on every kind of column."""
    assert check(mixed(), infer(mixed(), "outcome")) == []


def test_json_gives_back_an_equal_schema() -> None:
    """A schema survives its file, a salt in it included."""
    schema = infer(mixed(), "outcome")
    assert Schema.from_json(json.loads(json.dumps(schema.to_json())) | {"salt": "00"}) == schema


def test_numbers_and_restore_are_inverse() -> None:
    """Every numeric column comes back with its values, its type and its gaps."""
    table = mixed()
    for column in infer(table):
        if column.kind in ("continuous", "integer", "datetime") and column.name != "never":
            back = restore(numbers(table[column.name], column), column)
            pd.testing.assert_series_equal(back, table[column.name], check_names=False)


def test_whole_numbers_that_floats_cannot_tell_apart_come_back_exactly() -> None:
    """Beyond 2^53, and beyond 2^63 without sign, neighbours stay neighbours, gaps included."""
    at = np.arange(100)
    table = pd.DataFrame(
        {
            "wide": 2**53 + at % 17 * 3 + 1,
            "huge": pd.Series(2**63 + at.astype("uint64") % 7, dtype="uint64"),
            "low": -(2**60) + at % 5,
            "gaps": pd.Series(2**60 + at % 7, dtype="Int64").mask(pd.Series(at % 9 == 0)),
        }
    )
    for column in infer(table):
        back = restore(numbers(table[column.name], column), column)
        pd.testing.assert_series_equal(back, table[column.name], check_names=False)


def test_restored_numbers_keep_grid_and_range() -> None:
    """Arbitrary numbers become values that the check accepts."""
    table = mixed()
    schema = infer(table)
    wild = np.random.default_rng(1).normal(0, 1e6, len(table))
    for name in ("price", "age", "narrow", "day"):
        column = schema.column(name)
        low, high = bounds(column)
        restored = table.assign(**{name: restore(np.where(wild > 0, wild, (low + high) / 3), column)})
        assert check(restored, schema) == []


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("price", 1e9, "range"),
        ("price", 20.123, "decimals"),
        ("town", "Bonn", "categories"),
        ("age", 500, "range"),
        ("outcome", None, "missing"),
        ("day", pd.Timestamp("1999-01-01"), "range"),
    ],
)
def test_one_wrong_value_is_one_violation(column: str, value: object, rule: str) -> None:
    """Each rule is broken alone and named, with its column."""
    table = mixed()
    schema = infer(table, "outcome")
    table[column] = table[column].where(table.index != 3, value)
    found = check(table, schema)
    assert [(v.column, v.rule, v.count) for v in found] == [(column, rule, 1)]


def test_other_columns_and_types_are_violations() -> None:
    """A table of another shape is said to be one."""
    schema = infer(mixed())
    assert check(mixed().drop(columns="age"), schema)[0].message == "columns differ: age"
    assert check(mixed()[list(schema.names[::-1])], schema)[0].message == "columns stand in another order"
    assert check(mixed().astype({"age": "float64"}), schema)[0].rule == "type"


@pytest.mark.parametrize(
    ("table", "target", "message"),
    [
        (pd.DataFrame({"a": []}), None, "the table has no rows or no columns; check the source"),
        (pd.DataFrame({"a": [1]}), "b", "no target column 'b'; there are: a"),
        (
            pd.DataFrame({"a": ["x", None]}),
            "a",
            "target 'a' has missing values; drop those rows in the source",
        ),
        (
            pd.DataFrame({"a": [1.0, np.inf]}),
            None,
            "column 'a' holds 1 infinities; correct them, or say `columns: {a: {infinite: missing}}`",
        ),
        (
            pd.DataFrame({"a": pd.Series(["x", 1], dtype=object)}),
            None,
            "column 'a' mixes texts with other values; make it one type",
        ),
        (
            pd.DataFrame({"name": [f"{chr(97 + i % 26)} person {i * i}" for i in range(60)]}),
            None,
            "identifiers or free text, which must not be released: 'name' (60 different texts in 60 rows); leave them "
            "out with `drop: [name]`, or name a kind for each under `columns:` (identifier: made anew; category)",
        ),
    ],
)
def test_bad_tables_are_refused_in_one_line(table: pd.DataFrame, target: str | None, message: str) -> None:
    """The message says what, where, and what to do."""
    with pytest.raises(SchemaError) as caught:
        infer(table, target)
    assert str(caught.value) == message


def test_a_file_that_is_no_schema_is_refused() -> None:
    """Unknown or missing fields are not passed over."""
    with pytest.raises(SchemaError, match="run preprocess again"):
        Schema.from_json({"columns": [{"name": "a"}], "target": None})
