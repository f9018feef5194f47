"""Expectations: the training data keep the rules made from them, every broken rule is found, and nothing real leaks."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthtrail.data.constraints import bound
from synthtrail.data.schema import infer
from synthtrail.evaluation.expectations import image_facts, image_rules, run, suite_text, table_rules, words

N = 60


def every_type() -> pd.DataFrame:
    """One column of each type that a table can have, some with missing values."""
    rng = np.random.default_rng(0)
    days = pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 100, N), "D"))
    table = pd.DataFrame(
        {
            "float": rng.normal(size=N), "single": rng.normal(size=N).astype("float32"), "int": rng.integers(0, 9, N),
            "tiny": rng.integers(0, 9, N).astype("int8"), "text": pd.Series(rng.choice(["a", "b"], N), dtype="str"),
            "object": pd.Series(rng.choice(["a", "b"], N), dtype=object),
            "factor": pd.Categorical(["u", "v"] * (N // 2)),
            "bool": rng.random(N) > 0.5, "day": days, "zone": days.dt.tz_localize("Europe/Berlin"),
        }
    )  # fmt: skip
    gaps = np.arange(N) % 3 == 0
    return table.assign(
        nullable=pd.array([None, 4, 5] * (N // 3), dtype="Int64"),
        maybe=pd.array([None, True, False] * (N // 3), dtype="boolean"),
        gap=table["float"].mask(gaps),
        gap_text=table["text"].mask(gaps),
        gap_day=days.mask(gaps),
    )


def broken(result: dict[str, Any]) -> list[tuple[str | None, str]]:
    return [(one["column"], one["type"]) for one in result["results"] if not one["success"]]


def test_the_training_rows_keep_their_own_rules() -> None:
    """Of every type, with missing values: not one rule is broken by the table that it was made from."""
    table = every_type()
    result = run(table, "all", table_rules(infer(table), N), "public")
    assert broken(result) == []
    assert result["success"]
    assert result["evaluated"] == result["successful"] > 3 * table.shape[1]


def test_every_broken_rule_is_found() -> None:
    """One fault each: out of range, unknown category, wrong type, missing value, too many gaps, too few rows, order."""
    table = every_type()
    rules = table_rules(infer(table), N)
    bad = table.assign(
        float=table["float"].where(table.index > 1, 99.0),
        text=table["text"].where(table.index > 0, "zzz"),
        tiny=table["tiny"].astype("int64"),
        int=table["int"].astype("float64").mask(table.index < 1),
        gap=np.nan,
        day=table["day"] + pd.Timedelta(days=1000),
    ).iloc[:-1, ::-1]
    found = broken(run(bad, "all", rules, "public"))
    assert ("float", "expect_column_values_to_be_between") in found
    assert ("text", "expect_column_values_to_be_in_set") in found
    assert ("tiny", "expect_column_values_to_be_of_type") in found
    assert ("int", "expect_column_values_to_not_be_null") in found
    assert ("gap", "expect_column_proportion_of_non_null_values_to_be_between") in found
    assert ("day", "expect_column_values_to_be_between") in found
    assert (None, "expect_table_row_count_to_equal") in found
    assert (None, "expect_table_columns_to_match_ordered_list") in found


def test_a_collapsed_generator_breaks_uniqueness() -> None:
    """One row repeated is within every range; the rule on repeated rows finds it."""
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(N, 3)), columns=list("abc"))
    result = run(table.iloc[[0] * N].reset_index(drop=True), "rows", table_rules(infer(table)), "public")
    assert broken(result) == [(None, "expect_compound_columns_to_be_unique")]


@pytest.mark.parametrize("data_class", ["public", "confidential"])
def test_results_hold_counts_and_never_values(data_class: str) -> None:
    """A value that breaks a rule is counted, and not repeated in the result."""
    table = pd.DataFrame({"name": pd.Series(["Ann", "Bob"] * 30, dtype="str"), "age": [31.25, 64.5] * 30})
    rules = table_rules(infer(table))
    odd = table.assign(name=table["name"].replace("Bob", "Eve Secret"), age=table["age"] + 1000.125)
    result = run(odd, "people", rules, data_class)
    text = json.dumps(result, allow_nan=False)
    assert "Eve Secret" not in text
    assert "1031.375" not in text
    counted = {one["type"]: one.get("unexpected_count") for one in result["results"] if not one["success"]}
    assert counted["expect_column_values_to_be_in_set"] == 30
    assert ("Bob" in text) == (data_class == "public")


def test_the_copy_for_git_of_a_confidential_source_has_no_value_in_it() -> None:
    """Columns, order, types and nullability stay; bounds, categories and rates are withheld, and it says so."""
    rules = table_rules(infer(every_type()), N)
    public, private = (json.loads(suite_text("t", rules, kind)) for kind in ("public", "confidential"))
    assert public["expectations"] == json.loads(json.dumps(list(rules)))
    assert len(private["expectations"]) == len(rules)
    kept = {key for rule in private["expectations"] for key in rule["kwargs"]}
    assert kept == {"column", "column_list", "type_"}
    assert {
        "type": "expect_column_values_to_be_in_set",
        "kwargs": {"column": "text"},
        "withheld": ["value_set"],
    } in private["expectations"]


def test_the_copy_for_git_is_the_same_every_time() -> None:
    """No generated id, no date: the same schema gives the same bytes, ending in a newline."""
    first, again = (suite_text("t", table_rules(infer(every_type())), "public") for _ in range(2))
    assert first == again
    assert first.endswith("}\n")
    assert '"id"' not in first


def test_constraints_and_identifiers_are_expectations() -> None:
    """A broken rule between columns and a repeated identifier are found; the sound table keeps both."""
    low = np.random.default_rng(0).integers(0, 50, N)
    table = pd.DataFrame({"row_id": [f"P{i * 7:04}" for i in range(N)], "low": low, "high": low + np.arange(N) % 9})
    schema = bound(["low <= high"], infer(table), table, least=1)
    rules = table_rules(schema, N)
    assert broken(run(table, "t", rules, "confidential", schema)) == []
    bad = table.assign(row_id=table["row_id"].where(table.index > 1, "P0000"), high=table["high"].clip(upper=20))
    found = run(bad, "t", rules, "confidential", schema)
    assert broken(found) == [
        ("row_id", "expect_column_values_to_be_unique"),
        ("low <= high", "expect_column_values_to_be_in_set"),
    ]
    assert words(found["results"][-1]) == "kept by every row"
    assert "P0000" not in json.dumps(found)


def test_images_are_checked_by_their_facts() -> None:
    """Size, labels, decodability and digests: sound images hold, a repeated image and a foreign label do not."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1)).astype(np.uint8)
    rules = image_rules((8, 8, 1), ["0", "1"], 20)
    assert run(image_facts(pixels, ["0", "1"] * 10), "i", rules, "public")["success"]
    found = broken(run(image_facts(np.repeat(pixels[:1], 20, axis=0), ["0", "2"] * 10), "i", rules, "public"))
    assert {column for column, _ in found} == {"sha256", "label"}
    wide = image_facts(np.zeros((20, 8, 9, 1), np.uint8), ["0", "1"] * 10)
    assert {"width", "levels"} <= {column for column, _ in broken(run(wide, "i", rules, "public"))}


@pytest.mark.parametrize(
    ("kind", "kwargs", "said"),
    [
        ("expect_column_values_to_be_in_set", {"value_set": ["a", "b"]}, "one of a, b"),
        ("expect_column_values_to_be_in_set", {"value_set": list(range(20))}, "(20 in all)"),
        ("expect_column_values_to_be_between", {}, "from (withheld) to (withheld)"),
        ("expect_column_values_to_be_of_type", {"type_": "{x}"}, "type {x}"),
        ("expect_something_new", {}, "something new"),
    ],
)
def test_rules_are_told_in_words(kind: str, kwargs: dict[str, object], said: str) -> None:
    """Every rule has words, withheld bounds are named as such, and braces in data stay text."""
    assert said in words({"type": kind, "kwargs": kwargs})
