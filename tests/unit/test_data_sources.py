"""Sources are what they are declared to be, or are refused in one line."""

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from synthtrail.data import sources
from synthtrail.data.errors import SourceError
from synthtrail.data.image import ImageSet

CATALOG = Path(__file__).parents[2] / "catalog" / "sources"


@pytest.mark.parametrize(
    ("name", "rows", "target", "classes"),
    [
        ("breast_cancer", 569, "diagnosis", {"benign", "malignant"}),
        ("iris", 150, "species", {"setosa", "versicolor", "virginica"}),
        ("wine", 178, "cultivar", {"cultivar_1", "cultivar_2", "cultivar_3"}),
    ],
)
def test_built_in_tables(name: str, rows: int, target: str, classes: set[str]) -> None:
    """The installed package holds the declared content."""
    source = sources.read(CATALOG / f"{name}.yaml")
    assert isinstance(source.data, pd.DataFrame)
    assert (source.modality, source.target, len(source.data)) == ("tabular", target, rows)
    assert set(source.data[target]) == classes
    assert source.facts["licence"] == "CC-BY-4.0"


def test_the_digits() -> None:
    """1,797 grey images of 8 x 8 that use the whole range."""
    source = sources.read(CATALOG / "digits.yaml")
    assert isinstance(source.data, ImageSet)
    assert source.data.pixels.shape == (1797, 8, 8, 1)
    assert (source.data.pixels.max(), sorted(set(source.data.labels))) == (255, list("0123456789"))


def test_the_digest_can_be_redone() -> None:
    """A table's content digest is that of its CSV, as documented."""
    table = pd.DataFrame({"x": [0.1, 2.0], "y": ["a", "b"]})
    assert sources.content_sha256(table) == hashlib.sha256(b"x,y\n0.1,a\n2.0,b\n").hexdigest()


def descriptor(tmp_path: Path, old: str, new: str) -> Path:
    """Return iris's descriptor with one text replaced."""
    path = tmp_path / "iris.yaml"
    path.write_text((CATALOG / "iris.yaml").read_text().replace(old, new))
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sha256: b6", "sha256: 00", "the installed scikit-learn holds other data"),
        ("load_iris", "fetch_openml", "loader 'fetch_openml' is not a data set inside scikit-learn"),
        ("licence:", "license:", "missing or unknown: licence, license"),
        ("modality: tabular", "modality: audio", "modality 'audio'; known are"),
        ("kind: scikit-learn", "kind: [", "not YAML; correct it"),
    ],
)
def test_a_wrong_descriptor_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    """One fault, one line that names the file and the fault."""
    path = descriptor(tmp_path, old, new)
    with pytest.raises(SourceError, match=r"iris\.yaml: ") as caught:
        sources.read(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_own_csv(tmp_path: Path) -> None:
    """Types, dates and gaps of a CSV are recognised."""
    path = tmp_path / "own.csv"
    path.write_bytes("\ufeffage,town,seen\n31,Ürzig,2020-01-31\n,NA,\n".encode())
    source = sources.read(path, "town")
    assert isinstance(source.data, pd.DataFrame)
    assert source.target == "town"
    assert source.data["seen"].tolist()[0] == pd.Timestamp("2020-01-31")
    assert source.data.isna().sum().tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", None, "no such file; put it there or correct `source:`"),
        ("a.odt", b"", "'.odt' is none of .csv, .tsv, .xlsx, .parquet, .yaml; convert it"),
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b"x,y\n1,2\n1,2,3,4\n", "row 3 has 4 fields, the first line 2"),
        ("a.csv", b"x,z\n1,2\n", "no target column 'y'; there are: x, z"),
        ("a.parquet", b"junk", "not a readable Parquet file"),
    ],
)
def test_an_unusable_file_is_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    """The message names the file, the fault and what to do."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        sources.read(path, "y")
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
