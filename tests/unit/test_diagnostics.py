"""The diagnostics page: what it shows, what it hides of confidential data, and that a browser agrees."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthtrail.data.image import ImageSchema, ImageSet
from synthtrail.data.schema import Schema, infer
from synthtrail.evaluation import diagnostics, drawing, gallery, tallies
from synthtrail.evaluation.canvas import LEAST_CELL
from synthtrail.evaluation.diagnostics import Subject
from synthtrail.evaluation.history import History, Snapshot

FACTS = {"Training (real)": "300 rows"}
CURVES = {"d_loss": [(50, 1.0), (100, 0.5)], "g_loss": [(50, 0.2), (100, 0.4)], "odd_one": [(50, 1.0), (100, 2.0)]}


def table(seed: int, rows: int = 300) -> pd.DataFrame:
    """A table of every kind of column."""
    rng = np.random.default_rng(seed)
    age = rng.integers(20, 80, rows)
    return pd.DataFrame(
        {
            "age": age,
            "dose": np.round(age * 0.5 + rng.normal(size=rows), 2),
            "ward": rng.choice(["a<b>", "north", "south"], rows),
            "seen": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 90, rows), unit="D"),
            "ill": rng.random(rows) < 0.3,
            "gap": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(size=rows)),
        }
    )


def planted(real: pd.DataFrame) -> pd.DataFrame:
    """The table with values that one row alone has: a number, a category, a date."""
    marked = real.copy()
    marked.loc[0, "dose"] = 98765.43
    marked.loc[1, "ward"] = "zz-the-only-one"
    marked.loc[2, "seen"] = pd.Timestamp("1931-07-14")
    marked.loc[3, "gap"] = 31415.926
    return marked


def page(data_class: str, real: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema | None = None) -> str:
    """The page of a table."""
    subject = Subject("ward <1>", data_class, FACTS)
    return diagnostics.table_page(
        subject, real, table(2, 80), synthetic, schema or infer(real, "ill"), History(CURVES, snapshots())
    )


def snapshots() -> tuple[Snapshot, ...]:
    """Two snapshots of one column."""
    counted = {"name": "age", "kind": "number", "edges": [20, 40, 80], "real": [100, 200], "synthetic": [150, 150]}
    content = {"rows": {"real": 300, "synthetic": 300}, "columns": [counted]}
    return (Snapshot(10, {**content, "step": 10}), Snapshot(100, {**content, "step": 100}))


def test_the_page_shows_training_columns_pairs_and_axes() -> None:
    """Every section is there, every column has a drawing; known curves share a chart, others have their own."""
    html = page("public", table(0), table(1))
    assert re.findall(r'<section id="(\w+)"', html) == ["training", "steps", "columns", "pairs", "correlations", "axes"]
    columns = html.split('id="columns"')[1].split("</section>")[0]
    assert columns.count("<svg") == 6
    training = html.split('id="training"')[1].split("</section>")[0]
    assert training.count("<svg") == 2
    assert "odd one" in training
    assert "missing 2" in columns


def test_text_from_data_is_escaped_and_nothing_is_fetched() -> None:
    """No tag comes from a name or a category; there is no script, and no address but the one of SVG's own words."""
    html = page("public", table(0), table(1))
    assert "ward &lt;1&gt;" in html
    assert "a&lt;b&gt;" in html
    assert "<b>" not in html
    assert "<script" not in html
    assert "http://" not in html.replace("http-equiv", "")
    assert "https://" not in html


def test_the_same_data_give_the_same_bytes() -> None:
    """Nothing in the page depends on time or chance."""
    assert page("confidential", table(0), table(1)) == page("confidential", table(0), table(1))


def test_a_confidential_page_tells_no_value_of_a_single_row() -> None:
    """Planted numbers, dates and categories appear nowhere, not even if the generator made them too."""
    real = planted(table(0))
    for synthetic in (table(1), planted(table(1))):
        html = page("confidential", real, synthetic, infer(real, "ill"))
        for secret in ("98765", "98.7", "zz-the-only", "1931", "31415", "31.4"):
            assert secret not in html, secret
        assert "groups of at least five" in html
    assert "zz-the-only" in page("public", real, table(1))


def test_confidential_cells_of_fewer_than_five_rows_are_empty() -> None:
    """Of the real sides each share told stands for five rows or more; synthetic rows are told as they are."""
    real = planted(table(0))
    parts = {"real": real, "held": table(2, 80), "made": table(1)}
    schema = infer(real, "ill")
    for column in schema:
        found = tallies.tally(parts, column, private=True)
        for side in ("real", "held"):
            present = int(parts[side][column.name].notna().sum())
            shares = found.shares[side]
            assert (shares[shares > 0] * present >= LEAST_CELL - 1e-9).all(), column.name
    for pair in tallies.pairs(parts, schema, private=True):
        shares = pair.cells["real"]
        assert (shares[shares > 0] * 200 >= LEAST_CELL * 200 / 300 - 1e-9).all()
    assert "held" not in pair.cells


def test_shares_add_up() -> None:
    """Of public data, the cells of a column hold every row that has a value."""
    parts = {"real": table(0), "held": table(2, 80), "made": table(1)}
    for column in infer(table(0), "ill"):
        found = tallies.tally(parts, column, private=False)
        assert all(shares.sum() == pytest.approx(1) for shares in found.shares.values()), column.name


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.0, 12345.0), (0.0007, 0.00093), (5.0, 5.0), (-1e9, 1e9)])
def test_axes_have_few_round_numbers_inside_their_span(low: float, high: float) -> None:
    """Whatever the span: at most six ticks, all inside it."""
    found = drawing.ticks(low, high)
    assert 1 <= len(found) <= 6
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)


@pytest.mark.parametrize("odd", ["constant", "empty", "one row", "one column"])
def test_odd_tables_are_drawn_too(odd: str) -> None:
    """A constant or empty column, a single row, a single column: fewer sections, and no error."""
    real, made = table(0), table(1)
    if odd == "constant":
        real["dose"] = made["dose"] = 1.5
    elif odd == "empty":
        real["gap"] = made["gap"] = np.nan
    elif odd == "one row":
        made = made.head(1)
    else:
        real, made = real[["age"]], made[["age"]]
        subject = Subject("x", "public", FACTS)
        assert "<svg" in diagnostics.table_page(subject, real, real.head(9), made, infer(real), History())
        return
    assert '<section id="columns"' in page("confidential", real, made, infer(real, "ill"))


def images(seed: int, count: int) -> ImageSet:
    """Images of two classes, the last of them all one shade that no other has."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 200, (count, 8, 8, 1)).astype(np.uint8)
    labels = np.array(["cat", "dog"], dtype=object)[np.arange(count) % 2]
    return ImageSet(pixels, labels, tuple(map(str, range(count))))


def test_confidential_images_appear_as_class_means_only() -> None:
    """A row of the sheet is one picture, the mean of at least five; a class of four is left empty."""
    schema = ImageSchema(8, 8, 1, ("cat", "dog"))
    side = images(0, 40)
    sheet = gallery.sheet(side, schema.classes, schema, means=True)
    assert sheet.shape == (17, 8, 1)
    assert (sheet[:8, :8] == side.pixels[side.labels == "cat"].mean(axis=0).astype(np.uint8)).all()
    assert gallery.sheet(images(0, 8), schema.classes, schema, means=True).sum() == 0
    html = gallery.image_page(Subject("x", "confidential", {}), side, images(1, 40), images(2, 40), schema, History())
    assert html.count("class means") >= 2
    networks = {"confusion", "mistakes", "discriminator", "attention"}
    assert {"samples", "classes", "pixels", "axes", *networks} == set(re.findall(r'<section id="(\w+)"', html))


def test_a_browser_finds_nothing_to_complain_of(tmp_path: Path) -> None:
    """No error on the console, no request, no sideways scrolling at 1,000 px, and links that a keyboard reaches."""
    from tests.browser.chromium import PROGRAM, Browser  # noqa: PLC0415 - only here

    if not Path(PROGRAM).exists():
        pytest.skip("no chromium on this machine, so no browser to render in")
    file = tmp_path / "page.html"
    file.write_text(page("confidential", table(0), table(1)), encoding="utf-8")
    with Browser(tmp_path / "profile") as browser:
        shown = browser.open(file)
        for width, dark in ((1000, False), (1000, True), (420, False)):
            shown.resize(width, 900, dark=dark)
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
        assert shown.complaints() == []
        assert [url for url in shown.requests() if not url.startswith(("file:", "data:"))] == []
        shown.press("Tab")
        assert shown.evaluate("document.activeElement.getAttribute('href')") == "#training"
        shown.press("Enter")
        assert shown.evaluate("location.hash") == "#training"
