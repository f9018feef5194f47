"""Rows as texts, spelt as the source spelt them: moments, truth values and missing ones.

A column's `format` is a strftime format (`%-d` without a leading zero, `%^b` in capitals) or, of truth values, the two
words for false and true: `FALSE|TRUE`. `absent` is the word for a missing value.

    >>> import pyarrow as pa
    >>> batch = pa.record_batch({"seen": pa.array([0, None], pa.date32()), "ill": [True, None]})
    >>> columns(batch, {"seen": {"format": "%-d.%-m.%Y", "absent": "."}, "ill": {"format": "no|yes"}})
    [['1.1.1970', '.'], ['yes', '']]
"""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

Spelling = Mapping[str, Mapping[str, str]]


def columns(batch: pa.RecordBatch, spelling: Spelling) -> list[list[str]]:
    """Return the texts of each column."""
    return [_texts(batch.column(name), spelling.get(name, {})) for name in batch.schema.names]


def _texts(column: pa.Array, how: Mapping[str, str]) -> list[str]:
    form, absent = how.get("format", ""), how.get("absent", "")
    kind = column.type
    if form and pa.types.is_boolean(kind):
        no, _, yes = form.partition("|")
        found = pc.if_else(column, yes, no).to_pylist()
    elif form and (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        found = _moments(column, form)
    else:
        if pa.types.is_floating(kind):
            column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
        found = column.cast(pa.string()).to_pylist()
    return [absent if text is None else text for text in found]


def _moments(column: pa.Array, form: str) -> list[str | None]:
    capitals, plain = "%^" in form, form.replace("%^", "%")
    moments = [None if value is None else value.strftime(plain) for value in column.to_pylist()]
    return [None if text is None else text.upper() if capitals else text for text in moments]
