"""The table codec loses nothing that the schema promises and keeps no row; table files are reproducible."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthtrail.data.codec import LEAST_SHARED, TableCodec
from synthtrail.data.errors import CodecError, SourceError
from synthtrail.data.scaling import TableScaler
from synthtrail.data.schema import check, infer
from synthtrail.data.tabular import TableWriter, Tabular, read_table
from tests.unit.test_data_schema import mixed


def rng() -> np.random.Generator:
    """Return a fresh generator; the seed does not matter."""
    return np.random.default_rng(0)


@pytest.mark.parametrize("bins", [1, 3, 20, 1000])
def test_decoded_rows_conform_and_encode_to_the_same_codes(bins: int) -> None:
    """decode gives rows of the schema, and encode(decode(codes)) is codes wherever a bin is wider than its grid."""
    table = mixed()
    schema = infer(table, "outcome")
    codec = TableCodec.fit(table, schema, bins)
    codes = codec.encode(table)
    back = codec.decode(codes, rng())
    assert check(back, schema) == []
    assert (codes < np.array(codec.cardinalities)).all()
    exact = [i for i, column in enumerate(schema) if column.kind in ("category", "boolean")]
    assert (codec.encode(back)[:, exact] == codes[:, exact]).all()
    assert (back.isna() == table.isna()).all(axis=None)


def test_every_code_decodes_to_a_conforming_value() -> None:
    """No code, however unlikely, leaves the schema."""
    table = mixed()
    codec = TableCodec.fit(table, infer(table, "outcome"), 10)
    rows = max(codec.cardinalities)
    codes = np.stack([np.arange(rows) % k for k in codec.cardinalities], axis=1)
    assert check(codec.decode(codes, rng()), codec.schema) == []


def test_json_gives_back_an_equal_codec() -> None:
    """A codec survives its file exactly, floats included."""
    codec = TableCodec.fit(mixed(), infer(mixed(), "outcome"), 20)
    assert TableCodec.from_json(json.loads(json.dumps(codec.to_json()))) == codec


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, 1.5]), min_size=1, max_size=80),
    st.integers(1, 30),
)
def test_no_edge_is_a_value_and_no_rare_value_has_a_code(values: list[float], bins: int) -> None:
    """The codec tells no single row's number, the range's ends and constants apart."""
    table = pd.DataFrame({"x": values})
    column = TableCodec.fit(table, infer(table), bins).columns[0]
    counts = table["x"].value_counts()
    assert not set(column.edges[1:-1]) & set(values)
    assert len(counts) == 1 or all(counts[value] >= LEAST_SHARED for value in column.values)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60), st.integers(1, 12))
def test_integers_come_back_in_their_own_bin(values: list[int], bins: int) -> None:
    """Rounding inside a bin never crosses into the next one, heavy values inside it apart."""
    table = pd.DataFrame({"x": values})
    codec = TableCodec.fit(table, infer(table), bins)
    codes = codec.encode(table)
    back = codec.encode(codec.decode(codes, rng()))
    own = len(codec.columns[0].values)
    assert ((back == codes) | (back < own)).all()


def test_bins_are_about_equally_full() -> None:
    """Quantile bins of a skewed column hold similar shares of the rows."""
    table = pd.DataFrame({"x": rng().exponential(2, 1000)})
    codes = TableCodec.fit(table, infer(table), 10).encode(table)[:, 0]
    assert np.bincount(codes).tolist() == [100] * 10


def test_values_outside_the_training_range_are_clamped() -> None:
    """Holdout extremes fall into the outermost bins."""
    table = pd.DataFrame({"x": np.arange(100.0)})
    codec = TableCodec.fit(table, infer(table), 4)
    assert codec.encode(pd.DataFrame({"x": [-1e9, 1e9]}))[:, 0].tolist() == [0, 3]


def test_unseen_categories_and_missing_values_are_refused() -> None:
    """What has no code is an error that names the column, not a wrong code."""
    codec = TableCodec.fit(mixed(), infer(mixed(), "outcome"), 5)
    strange = mixed().assign(outcome="perhaps")
    with pytest.raises(CodecError, match=r"column 'outcome': 200 values are not a category of the training"):
        codec.encode(strange)
    with pytest.raises(CodecError, match=r"column 'age' has 200 missing values, the training rows had none"):
        codec.encode(mixed().assign(age=np.nan))


def test_codes_out_of_range_are_refused() -> None:
    """A model's mistake is not decoded into something."""
    codec = TableCodec.fit(pd.DataFrame({"x": [1, 2]}), infer(pd.DataFrame({"x": [1, 2]})), 2)
    with pytest.raises(CodecError, match="codes go from 0 to 1"):
        codec.decode(np.array([[2]]), rng())
    with pytest.raises(CodecError, match="do not fit 1 columns"):
        codec.decode(np.array([[0, 0]]), rng())


def test_the_scaled_view_comes_back() -> None:
    """Scaling and unscaling give the same rows, gaps and types included."""
    table = mixed()
    schema = infer(table, "outcome")
    scaler = TableScaler.fit(table, schema)
    scaled = scaler.encode(table)
    assert scaled.shape == (len(table), scaler.width)
    assert np.isfinite(scaled).all()
    back = scaler.decode(scaled)
    for name in ("price", "count", "age", "flag", "maybe", "town", "grade", "day", "constant", "never"):
        pd.testing.assert_series_equal(back[name], table[name], check_names=False)
    assert TableScaler.from_json(json.loads(json.dumps(scaler.to_json())), schema) == scaler


def test_one_hot_rows_have_a_limit() -> None:
    """A column of thousands of categories is refused by name where each would take a place of its own."""
    table = pd.DataFrame({"code": [f"c{i % 2500}" for i in range(6000)], "x": 1.5})
    with pytest.raises(CodecError, match=r"column 'code' has 2,500 categories, more than 2,000"):
        TableScaler.fit(table, infer(table))


def test_the_same_rows_give_the_same_bytes_and_types(tmp_path: Path) -> None:
    """A table file depends on nothing but its rows, and gives them back."""
    table = mixed()
    for name in ("a", "b"):
        Tabular().write(tmp_path, name, [table])
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    pd.testing.assert_frame_equal(Tabular().read(tmp_path, "a"), table)


def test_a_salt_changes_the_bytes_and_stands_in_the_metadata(tmp_path: Path) -> None:
    """Salted and plain files differ in digest, not in rows."""
    Tabular().write(tmp_path, "a", [mixed()])
    Tabular().write(tmp_path, "b", [mixed()], salt=bytes(range(32)))
    assert pq.read_metadata(tmp_path / "b.parquet").metadata[b"synthtrail.salt"] == bytes(range(32)).hex().encode()
    assert (tmp_path / "a.parquet").read_bytes() != (tmp_path / "b.parquet").read_bytes()
    pd.testing.assert_frame_equal(read_table(tmp_path / "a.parquet"), read_table(tmp_path / "b.parquet"))


def test_batches_with_gaps_in_some_are_one_table(tmp_path: Path) -> None:
    """The first batch sets the types for all."""
    table = mixed()
    batches = [table.iloc[start : start + 7] for start in range(0, len(table), 7)]
    assert Tabular().write(tmp_path, "t", batches) == len(table)
    pd.testing.assert_frame_equal(Tabular().read(tmp_path, "t"), table)


def test_an_error_while_writing_leaves_no_file(tmp_path: Path) -> None:
    """A table appears whole or not at all; one without rows is refused."""
    batches = (mixed() if number < 2 else mixed().drop(columns="age") for number in range(3))
    with pytest.raises(KeyError, match="age"):
        Tabular().write(tmp_path, "t", batches)
    with pytest.raises(CodecError, match="no rows to write"):
        Tabular().write(tmp_path, "t", [])
    assert list(tmp_path.iterdir()) == []


def test_a_long_table_is_written_batch_by_batch(tmp_path: Path) -> None:
    """The writer asks for a batch only when it has written the one before."""
    written = TableWriter(tmp_path / "t.parquet")
    batches = itertools.repeat(mixed(), 5)
    with written as writer:
        for number, batch in enumerate(batches, 1):
            writer.write(batch)
            assert writer.rows == number * 200
    assert pq.read_metadata(tmp_path / "t.parquet").num_row_groups == 5


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    """The message names the file."""
    (tmp_path / "t.parquet").write_bytes(b"not a table")
    with pytest.raises(SourceError, match=r"t\.parquet: not a readable Parquet file"):
        Tabular().read(tmp_path, "t")
