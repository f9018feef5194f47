"""What a released table must conform to, as Great Expectations suites: built from the schema, kept in git, run here.

A rule is a plain mapping, `{"type": "expect_column_values_to_be_between", "kwargs": {"column": "age", ...}}`, so
suites are compared, stored and read without the library. `table_rules` makes them from a table's schema,
`image_rules` for the table of facts about images that `image_facts` returns. `suite_text` is the copy for git: no
generated ids, sorted keys, the same suite always the same bytes. Of a confidential source it tells the structure
only: columns, order, types, nullability; bounds, categories and rates come from real values and are withheld.

`run` validates through a checkpoint in a context that leaves nothing on disk and contacts nobody, and returns plain
JSON with counts: never a value from a row.

    {"success": false, "evaluated": 3, "successful": 2, "results": [
      {"type": "expect_column_values_to_be_between", "column": "age", "success": false,
       "kwargs": {"min_value": 18, "max_value": 90}, "unexpected_count": 2, "element_count": 150}, ...]}

This module alone imports Great Expectations, and late: it takes two seconds to load.
"""

import hashlib
import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synthtrail.data import constraints
from synthtrail.data.schema import Column, Identifier, Schema
from synthtrail.data.values import offset

Rule = Mapping[str, Any]

MISSING_BAND = 0.05  # how far a missing rate may be from the real one
MANY_NUMBERS = 3  # with so many continuous columns, repeated rows are a sign of collapse
MOSTLY_UNIQUE = 0.9
VALUE_BEARING = frozenset({"min_value", "max_value", "value_set", "mostly", "value"})
PHRASES = {
    "expect_table_columns_to_match_ordered_list": "the columns of the schema, in its order",
    "expect_table_row_count_to_equal": "exactly {value} rows",
    "expect_table_row_count_to_be_between": "at least {min_value} row",
    "expect_column_values_to_be_of_type": "type {type_}",
    "expect_column_values_to_be_in_set": "one of {value_set}",
    "expect_column_distinct_values_to_equal_set": "every one of {value_set}, and nothing else",
    "expect_column_values_to_be_between": "from {min_value} to {max_value}",
    "expect_column_values_to_not_be_null": "never missing",
    "expect_column_proportion_of_non_null_values_to_be_between": "present in a share of {min_value} to {max_value}",
    "expect_column_values_to_be_unique": "unique, for a share of at least {mostly}",
    "expect_compound_columns_to_be_unique": "no repeated rows, for a share of at least {mostly}",
}
COUNTS = ("element_count", "unexpected_count", "unexpected_percent", "missing_count")


def table_rules(schema: Schema, count: int | None = None) -> list[Rule]:
    """Return the rules for a table of `schema`; `count` is the number of rows asked for, if known."""
    names = list(schema.order)
    continuous = [column.name for column in schema if column.kind == "continuous"]
    found = [_rule("expect_table_columns_to_match_ordered_list", column_list=names), _row_count(count)]
    for column in schema:
        found += _column_rules(column)
    for key in schema.identifiers:
        found += _identifier_rules(key)
    if len(continuous) >= MANY_NUMBERS:  # identifiers are unique of themselves
        learnt = list(schema.names)
        found.append(_rule("expect_compound_columns_to_be_unique", column_list=learnt, mostly=MOSTLY_UNIQUE))
    return found + [_constraint(text) for text in schema.constraints]


def image_rules(size: tuple[int, int, int], labels: Sequence[str], count: int | None = None) -> list[Rule]:
    """Return the rules for `image_facts` of images of `size` (height, width, channels) with those labels."""
    facts = dict(zip(("height", "width", "channels"), size, strict=True))
    found = [_row_count(count)]
    found += [
        _rule("expect_column_values_to_be_in_set", column=name, value_set=[value]) for name, value in facts.items()
    ]
    found.append(_rule("expect_column_distinct_values_to_equal_set", column="label", value_set=sorted(labels)))
    found.append(_rule("expect_column_values_to_be_in_set", column="decodable", value_set=[True]))
    found.append(_rule("expect_column_values_to_be_unique", column="sha256", mostly=MOSTLY_UNIQUE))
    found.append(_rule("expect_column_values_to_be_between", column="levels", min_value=2, max_value=256))
    return found


def image_facts(pixels: NDArray[Any], labels: Sequence[str]) -> pd.DataFrame:
    """Return one row of facts per image of (N, H, W, C): size, label, decodable, levels used, SHA-256 of its pixels."""
    _, height, width, channels = pixels.shape
    whole = bool(pixels.dtype == np.uint8)
    frame = pd.DataFrame({"label": list(labels)})
    return frame.assign(
        height=height, width=width, channels=channels, decodable=whole,
        levels=[int(np.unique(image).size) for image in pixels],
        sha256=[hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest() for image in pixels],
    )  # fmt: skip


def suite_text(name: str, rules: Sequence[Rule], data_class: str) -> str:
    """Return the suite as the text that git keeps; of a `confidential` source the structure only."""
    kept = [dict(rule) for rule in rules] if data_class == "public" else [_structure(rule) for rule in rules]
    suite = {"name": name, "meta": {"class": data_class}, "expectations": kept}
    return json.dumps(suite, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def run(
    table: pd.DataFrame, name: str, rules: Sequence[Rule], data_class: str, schema: Schema | None = None
) -> dict[str, Any]:
    """Validate `table` through a checkpoint; return counts as plain JSON, in the order of `rules`.

    Rules with a `constraint` are about whether each row keeps it, which takes the `schema`, and come last.
    """
    of_columns = [rule for rule in rules if "constraint" not in rule]
    of_rows = [rule for rule in rules if "constraint" in rule]
    with _quiet():
        found = _run_checkpoint(table, name, of_columns)
        if of_rows and schema is not None:
            found += _run_checkpoint(_kept(table, of_rows, schema), name, of_rows)
    rules = [*of_columns, *(of_rows if schema is not None else [])]
    shown = [_outcome(rule, one, data_class) for rule, one in zip(rules, found, strict=True)]
    passed = sum(one["success"] for one in shown)
    return {
        "suite": name,
        "success": bool(shown) and passed == len(shown),
        "evaluated": len(shown),
        "successful": passed,
        "results": shown,
    }


def _run_checkpoint(table: pd.DataFrame, name: str, rules: Sequence[Rule]) -> list[dict[str, Any]]:
    import great_expectations as gx  # noqa: PLC0415 - see the module docstring
    from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration  # noqa: PLC0415

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    # One after another through `add_expectation` would store the growing suite each time.
    asked = [
        ExpectationConfiguration(rule["type"], dict(_typed(rule, table)), meta={"rule": i})
        for i, rule in enumerate(rules)
    ]
    suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=asked))
    asset = context.data_sources.add_pandas("memory").add_dataframe_asset("synthetic")
    batch = asset.add_batch_definition_whole_dataframe("all rows")
    definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
    checkpoint = gx.Checkpoint(
        name=name,
        validation_definitions=[context.validation_definitions.add(definition)],
        result_format={"result_format": "SUMMARY"},
    )
    outcome = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": table})
    (validated,) = outcome.run_results.values()
    results = [result.to_json_dict() for result in validated.results]
    return sorted(results, key=lambda result: int(result["expectation_config"]["meta"]["rule"]))


def words(rule: Mapping[str, Any]) -> str:
    """Return an expectation in words; bounds of a confidential source read "(withheld)".

    >>> words({"type": "expect_column_values_to_be_between", "kwargs": {"min_value": 0, "max_value": 0.25}})
    'from 0 to 0.25'
    """
    kwargs = _Withheld({key: _plain(value) for key, value in rule["kwargs"].items()})
    kind = str(rule["type"])
    if rule["kwargs"].get("value_set") == [True]:
        return "kept by every row"
    return PHRASES.get(kind, kind.removeprefix("expect_").replace("_", " ")).format_map(kwargs)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Great Expectations from reporting home, and its own deprecations and progress from the user's terminal."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _rule(kind: str, **kwargs: object) -> Rule:
    return {"type": kind, "kwargs": kwargs}


def _constraint(text: str) -> Rule:
    """Return the rule that every row keeps a constraint: its column holds True."""
    return {**_rule("expect_column_values_to_be_in_set", column=text, value_set=[True]), "constraint": text}


def _kept(table: pd.DataFrame, rules: Sequence[Rule], schema: Schema) -> pd.DataFrame:
    """Return a column of booleans for each constraint: whether each row (N,) keeps it."""
    columns: dict[str, Any] = {}
    for rule in rules:
        try:
            columns[rule["constraint"]] = ~constraints.parse(rule["constraint"]).broken(table, schema)
        except (KeyError, ValueError, TypeError):  # a column is absent or of another type, which other rules find
            columns[rule["constraint"]] = np.zeros(len(table), dtype=bool)
    return pd.DataFrame(columns, index=table.index)


def _identifier_rules(key: Identifier) -> list[Rule]:
    typed = _rule("expect_column_values_to_be_of_type", column=key.name, type_=_type_name(key.dtype))
    found = [typed, _missing(key)]
    return (
        [*found, _rule("expect_column_values_to_be_unique", column=key.name, mostly=1.0)]
        if key.distinct == 1
        else found
    )


def _row_count(count: int | None) -> Rule:
    if count is None:
        return _rule("expect_table_row_count_to_be_between", min_value=1)
    return _rule("expect_table_row_count_to_equal", value=count)


def _column_rules(column: Column) -> list[Rule]:
    found = [_rule("expect_column_values_to_be_of_type", column=column.name, type_=_type_name(column.dtype))]
    if column.categories:
        found.append(_rule("expect_column_values_to_be_in_set", column=column.name, value_set=list(column.categories)))
    # Times are texts, and the library compares whole numbers as floats, which are too coarse for the largest.
    if column.minimum is not None and column.kind != "time" and not offset(column):
        span = {"min_value": column.minimum, "max_value": column.maximum}
        found.append(_rule("expect_column_values_to_be_between", column=column.name, **span))
    return [*found, _missing(column)]


def _missing(column: Column | Identifier) -> Rule:
    if not column.missing_rate:
        return _rule("expect_column_values_to_not_be_null", column=column.name)
    present = 1.0 - column.missing_rate
    span = {"min_value": max(0.0, present - MISSING_BAND), "max_value": min(1.0, present + MISSING_BAND)}
    return _rule("expect_column_proportion_of_non_null_values_to_be_between", column=column.name, **span)


def _type_name(name: str) -> str:
    """Return the library's name for a pandas dtype, which it looks up in NumPy and in pandas."""
    dtype = pd.api.types.pandas_dtype(name)
    if isinstance(dtype, pd.CategoricalDtype | pd.DatetimeTZDtype):
        return dtype.type.__name__
    return "str" if dtype.type is str else np.dtype(dtype.type).name


def _typed(rule: Rule, table: pd.DataFrame) -> Mapping[str, Any]:
    """Return the arguments with ISO 8601 bounds as timestamps, which is what dates are compared with."""
    kwargs: dict[str, Any] = rule["kwargs"]
    if not isinstance(kwargs.get("min_value"), str):
        return kwargs
    zone = getattr(table[kwargs["column"]].dtype, "tz", None)
    ends = {key: pd.Timestamp(kwargs[key]) for key in ("min_value", "max_value")}
    return {**kwargs, **{key: end.tz_convert(zone) if end.tz and zone else end for key, end in ends.items()}}


def _structure(rule: Rule) -> dict[str, Any]:
    if "constraint" in rule:  # which a person wrote
        return dict(rule)
    kept = {key: value for key, value in rule["kwargs"].items() if key not in VALUE_BEARING}
    withheld = sorted(set(rule["kwargs"]) - set(kept))
    return {"type": rule["type"], "kwargs": kept, **({"withheld": withheld} if withheld else {})}


def _outcome(rule: Rule, found: Mapping[str, Any], data_class: str) -> dict[str, Any]:
    shown = dict(rule) if data_class == "public" else _structure(rule)
    kwargs = dict(shown["kwargs"])
    result = found.get("result", {})
    outcome = {
        "type": rule["type"],
        "column": kwargs.pop("column", None),
        "kwargs": kwargs,
        "success": bool(found["success"]),
        **{name: result[name] for name in COUNTS if result.get(name) is not None},
    }
    error = next((str(e.get("exception_message")) for e in _exceptions(found) if e.get("raised_exception")), None)
    return (
        outcome if error is None else {**outcome, "error": error if data_class == "public" else "could not be checked"}
    )


def _exceptions(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    info = found.get("exception_info") or {}
    return [info] if "raised_exception" in info else [one for one in info.values() if isinstance(one, Mapping)]


class _Withheld(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "(withheld)"


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value[:8]) + (f", … ({len(value)} in all)" if len(value) > 8 else "")
    return f"{value:.6g}" if isinstance(value, float) else str(value)
