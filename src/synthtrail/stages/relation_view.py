"""What related tables show while or after a model is trained: the histograms of every table's learnt columns."""

from collections.abc import Mapping
from typing import Any

from synthtrail.data.relations import Relations
from synthtrail.data.relationschema import RelationalSchema
from synthtrail.data.unrolled import unroll
from synthtrail.stages import pictures
from synthtrail.stages.histograms import MOST_COLUMNS, Histograms


class RelationView:
    """Histograms of the columns of all tables, called `<table>.<column>`; spans in place of moments."""

    def __init__(self, real: Relations, schema: RelationalSchema, *, private: bool) -> None:
        self._schema = schema
        flats = unroll(real, schema)
        self._tables = {
            name: Histograms(flats[name].rows, learned, private=private)
            for name, learned in schema.learned.items()
            if learned.columns
        }

    def look(self, data: Relations) -> tuple[dict[str, Any], Any]:
        """Return the counts of each column."""
        flats = unroll(data, self._schema)
        parts = {name: view.beside(flats[name].rows) for name, view in self._tables.items()}
        columns = [
            {**column, "name": f"{name}.{column['name']}", **_per_mille(column, part["rows"])}
            for name, part in parts.items()
            for column in part["columns"]
        ]
        rows = dict.fromkeys(("real", "synthetic"), 1000)
        return {**next(iter(parts.values())), "rows": rows, "columns": columns[:MOST_COLUMNS]}, None

    def picture(self, told: Mapping[str, Any], more: Any, salt: bytes | None) -> bytes:
        """Return the histograms, drawn."""
        del more
        return pictures.histograms(told, salt)


def _per_mille(column: Mapping[str, Any], rows: Mapping[str, int]) -> dict[str, Any]:
    """Return the counts of a column for every thousand rows: tables differ in length, and are shown together."""
    shares = {side: [round(1000 * n / max(1, rows[side])) for n in column[side]] for side in rows}
    return {**shares, "missing": {side: round(1000 * n / max(1, rows[side])) for side, n in column["missing"].items()}}
