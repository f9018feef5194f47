"""The expectations of related tables: those of each table alone, and its keys.

Rules, results and the suite that git keeps are those of `expectations`, table by table; in results the column is called
`<table>.<column>`.
"""

import json
from collections.abc import Mapping
from typing import Any

from synthtrail.data.relations import Relations
from synthtrail.data.relationschema import RelationalSchema
from synthtrail.evaluation import expectations
from synthtrail.evaluation.expectations import Rule


def rules(schema: RelationalSchema, count: int | None = None) -> dict[str, list[Rule]]:
    """Return the rules of each table; `count` is the number of subjects asked for, if known.

    A table below another may be empty: nobody has to have children.
    """
    found = {}
    for link in schema.links:
        top = link.parent is None
        listed = expectations.table_rules(schema.tables[link.name], count if top else None)
        found[link.name] = [rule for rule in listed if top or rule["type"] != "expect_table_row_count_to_be_between"]
    return found


def suite_text(name: str, schema: RelationalSchema, data_class: str, count: int | None = None) -> str:
    """Return the suites of all tables as the text that git keeps."""
    suites = {
        table: json.loads(expectations.suite_text(f"{name}.{table}", listed, data_class))
        for table, listed in rules(schema, count).items()
    }
    suite = {"name": name, "meta": {"class": data_class}, "tables": suites}
    return json.dumps(suite, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def run(made: Relations, name: str, schema: RelationalSchema, data_class: str, count: int | None) -> dict[str, Any]:
    """Validate every table; return what was found as `expectations.run` does, for all of them together."""
    results: list[Mapping[str, Any]] = []
    for table, listed in rules(schema, count).items():
        if len(made.tables[table]):
            found = expectations.run(made.tables[table], f"{name}.{table}", listed, data_class, schema.tables[table])
            results += [renamed(one, table) for one in found["results"]]
    passed = sum(bool(one["success"]) for one in results)
    return {
        "suite": name,
        "success": bool(results) and passed == len(results),
        "evaluated": len(results),
        "successful": passed,
        "results": results,
    }


def renamed(result: Mapping[str, Any], table: str) -> dict[str, Any]:
    """Return a result with its table before its column's name."""
    column = result["column"]
    return {**result, "column": table if column is None else f"{table}.{column}"}
