"""Samples while training: counts are right, pictures are deterministic, and confidential ones tell of nobody."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from synthtrail.data.image import Images, ImageSet
from synthtrail.data.schema import infer
from synthtrail.stages import pictures
from synthtrail.stages.histograms import LEAST, Histograms, round_edges
from synthtrail.stages.parts import FILM
from synthtrail.stages.samples import ImageView, Samples, TableView
from synthtrail.storage.salt import no_salt


class Live:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, bytes]] = []

    def show(self, step: int, picture: bytes) -> None:
        """Remember."""
        self.seen.append((step, picture))


def ward() -> pd.DataFrame:
    """Return 60 patients, one of them with a rare illness and a rare age."""
    ages = [20.5 + n % 40 for n in range(59)] + [103.7]
    ill = ["flu"] * 30 + ["cold"] * 29 + ["Zanzibar fever"]
    return pd.DataFrame({"age": ages, "ill": ill, "score": [np.nan, *range(59)]})


def told(data: pd.DataFrame, *, private: bool) -> dict[str, Any]:
    """Return the histograms of a table beside itself."""
    return Histograms(data, infer(data), private=private).beside(data)


def test_counts_are_those_of_the_rows() -> None:
    """Of public data every row is counted once in each column, missing values apart."""
    value = told(ward(), private=False)
    assert value["rows"] == {"real": 60, "synthetic": 60}
    for column in value["columns"]:
        missing = column["missing"]["real"]
        assert sum(column["real"]) + missing == 60
        assert column["real"] == column["synthetic"]
    age, ill, score = value["columns"]
    assert ill["labels"] == ["flu", "cold", "Zanzibar fever", "(other)"]
    assert score["missing"] == {"real": 1, "synthetic": 1}
    assert len(age["edges"]) == len(age["real"]) + 1


def test_confidential_counts_tell_of_nobody() -> None:
    """Cells of fewer than five are empty, rare categories have no name, and no edge is the rare age."""
    value = told(ward(), private=True)
    text = json.dumps(value)
    assert "Zanzibar" not in text
    assert "103.7" not in text
    assert value["least"] == LEAST
    cells = [n for c in value["columns"] for side in ("real", "synthetic") for n in (*c[side], c["missing"][side])]
    assert all(n == 0 or n >= LEAST for n in cells)
    assert max(value["columns"][0]["edges"]) <= 70


@pytest.mark.parametrize(("low", "high"), [(0, 0), (3.2, 3.2), (-5e9, 7e9), (1e-9, 2e-9), (17.2, 90), (0, 1)])
def test_edges_are_round_and_hold_the_range(low: float, high: float) -> None:
    """They rise evenly from below the lowest to above the highest, a few dozen at most."""
    edges = round_edges(low, high)
    assert edges[0] <= low
    assert edges[-1] >= high
    assert 2 <= len(edges) <= 30
    assert (np.diff(edges) > 0).all()


def test_values_beyond_the_edges_are_in_the_open_bins() -> None:
    """A generator may leave the real range; its rows are counted all the same."""
    real = pd.DataFrame({"x": np.linspace(0, 1, 50)})
    made = pd.DataFrame({"x": [-9.0, 0.5, 99.0]})
    (column,) = Histograms(real, infer(real), private=False).beside(made)["columns"]
    assert (column["synthetic"][0], column["synthetic"][-1], sum(column["synthetic"])) == (1, 1, 3)


def test_pictures_are_shown_kept_and_salted() -> None:
    """Each step leaves a picture and its numbers, the same bytes every time, with the salt of each inside."""
    live, data = Live(), ward()
    salts = lambda name: name.encode()  # noqa: E731
    samples = Samples(TableView(data, infer(data), private=True), live, salts)
    files = samples.draw(100, 600, data)
    assert sorted(files) == ["step-000100.json", "step-000100.png"]
    assert samples.draw(100, 600, data) == files
    assert live.seen[0] == (100, files["step-000100.png"])
    assert json.loads(files["step-000100.json"])["salt"] == b"step-000100.json".hex()
    picture = Image.open(io.BytesIO(files["step-000100.png"]))
    assert picture.info["synthtrail.salt"] == b"step-000100.png".hex()
    again = Live()
    Samples(TableView(data, infer(data), private=True), again, salts).keep(files)
    assert again.seen == [(100, files["step-000100.png"])]


def digits(each: int) -> ImageSet:
    """Return `each` images of "a" and of "b", and two of "c"."""
    labels = np.array(["a"] * each + ["b"] * each + ["c"] * 2, object)
    pixels = np.random.default_rng(0).integers(0, 256, (len(labels), 4, 4, 1)).astype(np.uint8)
    return ImageSet(pixels, labels, tuple(map(str, range(len(labels)))))


def test_public_images_are_a_grid() -> None:
    """A row of images for each class, as many as every class has, enlarged whole pixels."""
    data = digits(9)
    view = ImageView(data, Images().infer(data), private=False)
    value, pixels = view.look(data)
    assert (value["rows"], value["columns"], value["shows"]) == (["a", "b", "c"], 2, "samples")
    picture = Image.open(io.BytesIO(view.picture(value, pixels, None)))
    assert picture.size == (2 * 49 + 1, 3 * 49 + 1)


def test_confidential_images_are_means() -> None:
    """Only class means of at least five images are shown: no image of the two in "c", nor any single one."""
    data = digits(9)
    view = ImageView(data, Images().infer(data), private=True)
    value, pixels = view.look(data)
    assert (value["rows"], value["columns"], value["shows"]) == (["a", "b"], 2, "class means")
    assert pixels.shape == (4, 4, 4, 1)
    assert not any((shown == image).all() for image in data.pixels for shown in pixels)


def test_images_leave_a_film_that_can_be_played(tmp_path: Path) -> None:
    """A frame for each step in order, the last one longest; confidential ones carry their salt; tables leave none."""
    data = digits(9)
    salts = lambda name: name.encode()  # noqa: E731
    for private in (False, True):
        view = ImageView(data, Images().infer(data), private=private)
        samples = Samples(view, Live(), salts if private else no_salt)
        for step in (10, 30, 100):
            noisy = np.random.default_rng(step).integers(0, 256, data.pixels.shape).astype(np.uint8)
            samples.draw(step, 100, ImageSet(noisy, data.labels, data.names))
        samples.keep({"layers-000100.json": b'{"v": 1}\n'})
        samples.write(tmp_path)
        with Image.open(tmp_path / FILM) as film:
            assert (film.format, film.n_frames) == ("GIF", 3)  # type: ignore[attr-defined]
            durations = []
            for frame in range(3):
                film.seek(frame)
                durations.append(film.info["duration"])
            assert durations == [700, 700, 2500]
            film.seek(0)
            assert (FILM.encode().hex() in str(film.info.get("comment", b""))) == private
        kept = json.loads((tmp_path / "layers-000100.json").read_bytes())
        assert kept == {"v": 1} | ({"salt": b"layers-000100.json".hex()} if private else {})
    table = pd.DataFrame({"a": [1.0, 2.0] * 10})
    alone = Samples(TableView(table, infer(table), private=False), Live(), no_salt)
    alone.draw(1, 2, table)
    alone.write(tmp_path / "table")
    assert not (tmp_path / "table" / FILM).exists()


def test_a_column_name_is_only_text() -> None:
    """Control characters and great length do not break the picture."""
    data = pd.DataFrame({"a\nb\x00" + "ü" * 300: [1.0, 2.0, 3.5] * 10, "名前": ["x", "y", "z"] * 10})
    value = told(data, private=False) | {"step": 1, "steps": 2}
    assert pictures.histograms(value).startswith(b"\x89PNG")
    assert Samples(TableView(data, infer(data), private=False), Live(), no_salt).draw(1, 2, data)
