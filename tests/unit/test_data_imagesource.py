"""Folders, zips, tables and arrays of pictures are read whole or refused by name, and divided as their source says."""

import gzip
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthtrail import params
from synthtrail.cli import main
from synthtrail.data import archives, dropped, encoded, imagestream, sources
from synthtrail.data.errors import SourceError
from synthtrail.data.image import Images
from synthtrail.data.imagehow import ImageHow
from synthtrail.data.imagestream import ImageStream
from synthtrail.stages import images
from synthtrail.storage.files import write_json
from tests.imports import ROOT
from tests.unit.pictures import class_folders, picture, with_table

SMALL = ImageHow(16, "rgb")
SHARED = Path(os.environ.get("SYNTHTRAIL_SHARED", ROOT.parent / "shared")) / "data"
PLAN = {"seed": 1, "holdout": 0.25, "target": "dx", "group": None, "bins": 20}


def stream(path: Path, target: str | None = None, how: ImageHow = SMALL, group: str | None = None) -> ImageStream:
    """Return the pictures of a source, not yet decoded."""
    found = sources.read(path, target, images=how, group=group).data
    assert isinstance(found, ImageStream)
    return found


def ingested(found: ImageStream, raw: Path) -> Path:
    """Write pictures as `ingest` does."""
    Images().write(raw, "images", found.batches())
    write_json(raw / "schema.json", found.schema.to_json())
    return raw


def test_class_folders(tmp_path: Path) -> None:
    """The folder is the class; hidden files and texts are passed over; the same folder gives the same bytes."""
    root = class_folders(tmp_path / "own", {"cat": 3, "dog": 2})
    (root / ".DS_Store").write_bytes(b"x")
    (root / "README.txt").write_text("about\n")
    found = stream(root)
    assert found.names == ("cat/0.png", "cat/1.png", "cat/2.png", "dog/0.png", "dog/1.png")
    back = Images().read(ingested(found, tmp_path / "a"), "images")
    assert (back.pixels.shape, back.labels.tolist()) == ((5, 16, 16, 3), ["cat"] * 3 + ["dog"] * 2)
    ingested(stream(root), tmp_path / "b")
    assert (tmp_path / "a/images-00000.parquet").read_bytes() == (tmp_path / "b/images-00000.parquet").read_bytes()


def test_the_same_pictures_in_a_zip(tmp_path: Path) -> None:
    """A zip is read as it lies; nothing is unpacked to disk."""
    root = class_folders(tmp_path / "own", {"cat": 2, "dog": 2})
    with zipfile.ZipFile(tmp_path / "own.zip", "w") as archive:
        for path in root.rglob("*.png"):
            archive.write(path, path.relative_to(root))
    one, other = stream(root), stream(tmp_path / "own.zip")
    assert one.names == other.names
    assert [b.png for b in one.batches()] == [b.png for b in other.batches()]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own", "own.zip"]


def test_a_table_keeps_every_column_and_groups_stay_together(tmp_path: Path) -> None:
    """Two zips and a CSV: class, gaps and further columns reach both parts; no lesion is on both sides."""
    found = stream(with_table(tmp_path / "own", 40), "dx", group="lesion")
    assert found.schema.classes == ("nv", "mel")
    raw = ingested(found, tmp_path / "raw")
    parts = images.divided(raw, PLAN | {"group": "lesion"})
    for name, batches in (("train", parts.train), ("holdout", parts.holdout)):
        Images().write(tmp_path / "split", name, batches)
    train, holdout = (Images().read(tmp_path / "split", name) for name in ("train", "holdout"))
    assert train.facts is not None
    assert holdout.facts is not None
    assert list(train.facts.columns) == ["lesion", "age", "site"]
    assert len(train) + len(holdout) == 40
    assert not set(train.facts["lesion"]) & set(holdout.facts["lesion"])
    assert int(train.facts["age"].isna().sum() + holdout.facts["age"].isna().sum()) == 6
    assert set(holdout.labels) == {"mel", "nv"}
    assert (parts.facts["groups"], parts.params["group"]) == (20, "lesion")
    taken = Images().take(train, np.array([1, 0]))
    assert taken.facts is not None
    assert taken.facts["age"].tolist()[0] == train.facts["age"].tolist()[1]


def test_a_source_with_its_own_test_set(tmp_path: Path) -> None:
    """Folders train and test say which part each picture belongs to."""
    for part, count in (("train", 4), ("test", 2)):
        class_folders(tmp_path / "own" / part, {"a": count, "b": count})
    parts = images.divided(ingested(stream(tmp_path / "own"), tmp_path / "raw"), PLAN | {"target": "label"})
    assert parts.counts == {"train": 8, "holdout": 4}
    assert parts.params["holdout"] == images.OWN_TEST_SET
    assert {name.split("/")[0] for batch in parts.holdout for name in batch.names} == {"test"}


def test_broken_pictures_are_all_named(tmp_path: Path) -> None:
    """Every file is tried; the first twenty broken ones are named, the others counted; nothing is written."""
    root = class_folders(tmp_path / "own", {"cat": 30, "dog": 3})
    for number in range(22):
        (root / f"cat/{number}.png").write_bytes(picture(number, kind="PNG")[:60])
    (root / "dog/1.png").write_bytes(b"")
    with pytest.raises(SourceError, match=r"23 of 33 pictures cannot be used: cat/0.png \(cannot") as caught:
        ingested(stream(root), tmp_path / "raw")
    assert "and 3 more; replace or remove them" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "raw").iterdir())


def test_processes_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoded here or in processes started afresh, the pictures are the same and in order; errors arrive too."""
    root = class_folders(tmp_path / "own", {"cat": 12, "dog": 3})
    one = [b.png for b in stream(root).batches()]
    monkeypatch.setattr(imagestream, "FEW", 5)
    monkeypatch.setattr(imagestream, "CHUNK", 4)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert [b.png for b in stream(root).batches()] == one
    (root / "dog/2.png").write_bytes(b"junk")
    with pytest.raises(SourceError, match=r"1 of 15 pictures cannot be used: dog/2.png"):
        list(stream(root).batches())


def rewritten(root: Path, old: str, new: str) -> None:
    """Change the table of a folder."""
    table = root / "meta.csv"
    table.write_text(table.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("L1,P_003,nv,23,back\n", "", "has no row for 1 pictures: P_003.jpg"),
        ("P_003", "P_099", "1 of its 12 rows have no picture: P_099"),
        ("P_003", "P_002", "1 of its 12 rows stand there twice: P_002"),
        ("L1,P_003,nv", "L1,P_003,", "no dx for P_003"),
        ("lesion,", "patient,", "no column 'lesion'"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    """Rows and pictures at fault are named, in one line."""
    root = with_table(tmp_path / "own", 12)
    rewritten(root, old, new)
    with pytest.raises(SourceError) as caught:
        stream(root, "dx", group="lesion")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folders_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    """No class, other formats, nothing at all, a group without a table."""
    root = class_folders(tmp_path / "own", {"cat": 2})
    with pytest.raises(SourceError, match=r"`group: lesion` is a column, and no table lies beside"):
        stream(root, group="lesion")
    (root / "x.png").write_bytes(picture(1, kind="PNG"))
    with pytest.raises(SourceError, match=r"1 pictures lie in no class folder .*: x.png; put each into a folder"):
        stream(root)
    (root / "y.gif").write_bytes(b"GIF89a")
    with pytest.raises(SourceError, match=r"1 files are not PNG, JPEG or DICOM: y.gif; convert them"):
        stream(root)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no pictures in it"):
        stream(tmp_path / "empty")


def test_a_table_without_its_class_column(tmp_path: Path) -> None:
    """A target that is missing or misspelt is asked for."""
    root = with_table(tmp_path / "own", 4)
    with pytest.raises(SourceError, match=r"of the tables meta\.csv, say with `target:` which column is the class"):
        stream(root)
    with pytest.raises(SourceError, match=r"of the tables meta\.csv, none has a column 'diagnosis'"):
        stream(root, "diagnosis")


def test_new_takes_a_folder_of_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`synthtrail new` reads it and writes a block of modality image; a folder that cannot be read is told at once."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("experiments: {}\n")
    with_table(tmp_path / "drop/moles", 4)
    stated = ["--licence", "x", "--legal-basis", "y", "--retention", "P1Y"]
    assert main.main(["new", "moles", "--source", "drop/moles", *stated]) == 2
    assert main.main(["new", "moles", "--source", "drop/moles", "--target", "dx", *stated]) == 0
    block = params.one(tmp_path / "params.yaml", "moles")
    assert (block.modality, block.target, block.model.name) == ("image", "dx", "latent_gan")


def zipped(path: Path, name: str, data: bytes, *, link: bool = False) -> Path:
    """Write a zip with one member."""
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16 if link else 0o644 << 16
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    return path


def test_hostile_zips_are_refused(tmp_path: Path) -> None:
    """Names that lead outside, links, members that unpack to far more than they are, and files that are no zip."""
    for name, data, words in (
        ("../../etc/x.png", b"x", "leads out of the archive"),
        ("/etc/x.png", b"x", "leads out of the archive"),
        ("a\\..\\..\\x.png", b"x", "leads out of the archive"),
        ("C:/x.png", b"x", "leads out of the archive"),
        ("a/x.png", bytes(50 << 20), "unpacks to 52,428,800 bytes"),
        ("a/line\nbreak.png", b"x", "cannot be printed"),
    ):
        with pytest.raises(SourceError, match=words) as caught:
            archives.inside(zipped(tmp_path / "bad.zip", name, data))
        assert "\n" not in str(caught.value)
    with pytest.raises(SourceError, match="is a link"):
        archives.inside(zipped(tmp_path / "bad.zip", "a/x.png", b"/etc/passwd", link=True))
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04junk")
    with pytest.raises(SourceError, match="not a whole zip archive"):
        archives.inside(tmp_path / "bad.zip")
    good = zipped(tmp_path / "two.zip", "a/x.png", picture(1, kind="PNG"))
    class_folders(tmp_path / "a", {"a": 1}).joinpath("a/0.png").rename(tmp_path / "a/x.png")
    (tmp_path / "bad.zip").write_bytes(good.read_bytes())
    with pytest.raises(SourceError, match=r"'a/x\.png' is there twice"):
        archives.inside(tmp_path)


def test_a_member_that_lies_about_its_size(tmp_path: Path) -> None:
    """A changed byte inside a zip is noticed by its checksum."""
    path = zipped(tmp_path / "a.zip", "a/x.png", picture(5, kind="PNG"))
    member = archives.inside(path)[0]
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(SourceError, match="cannot be read"):
        member.read()


def idx_file(array: np.ndarray) -> bytes:
    """Return an idx file of bytes."""
    return (
        bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()
    )


def arrays(folder: Path, *, packed: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Write a small MNIST: 12 training and 4 test images; return the pixels and labels of all."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (16, 10, 10), dtype=np.uint8), np.arange(16) % 3
    for part, rows in (("train", slice(0, 12)), ("t10k", slice(12, 16))):
        for kind, array in (("images-idx3", pixels[rows]), ("labels-idx1", labels[rows])):
            data, name = idx_file(array), f"{part}-{kind}-ubyte"
            (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(data) if packed else data)
    return pixels, labels


def test_idx_and_npz_are_one_data_set(tmp_path: Path) -> None:
    """Packed, unpacked and as npz: the same content, digest and division into training and test."""
    pixels, labels = arrays(tmp_path / "gz")
    arrays(tmp_path / "plain", packed=False)
    x_train, y_train, x_test, y_test = pixels[:12], labels[:12], pixels[12:], labels[12:]
    np.savez(tmp_path / "all.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    found = [sources.read(tmp_path / name) for name in ("gz", "plain", "all.npz")]
    assert len({source.sha256 for source in found}) == 1
    assert isinstance(found[0].data, ImageStream)
    raw = ingested(found[0].data, tmp_path / "raw")
    back = Images().read(raw, "images")
    assert np.array_equal(back.pixels[..., 0], pixels)
    assert back.labels.tolist() == [str(label) for label in labels]
    assert images.divided(raw, PLAN | {"target": "label"}).counts == {"train": 12, "holdout": 4}
    assert stream(tmp_path / "gz", how=ImageHow(28, "rgb")).schema.height == 28


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("train-labels-idx1-ubyte.gz", gzip.compress(idx_file(np.zeros(11))), "12 images, and labels of uint8 (11,)"),
        ("train-images-idx3-ubyte.gz", gzip.compress(idx_file(np.zeros((12, 9, 9))))[:-20], "not a whole gzip file"),
        ("train-images-idx3-ubyte.gz", gzip.compress(idx_file(np.zeros((12, 9, 9)))[:-1]), "that announces (12, 9, 9)"),
        ("train-images-idx3-ubyte.gz", gzip.compress(b"\0\0\x0d\x03junk"), "not an idx file of bytes"),
        ("train-images-idx3-ubyte", idx_file(np.zeros((12, 9, 9))), "2 files of train images, one is needed"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    """Counts are held against bytes, and the file is named."""
    arrays(tmp_path / "own")
    (tmp_path / "own" / name).write_bytes(data)
    with pytest.raises(SourceError) as caught:
        sources.read(tmp_path / "own")
    assert words in str(caught.value)
    assert "own/train-" in str(caught.value)


def test_an_npz_with_objects_is_refused(tmp_path: Path) -> None:
    """Nothing that could run code is loaded."""
    x = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / "a.npz", x=x, y=x)
    with pytest.raises(SourceError, match="not a readable npz"):
        sources.read(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", p=np.zeros(3))
    with pytest.raises(SourceError, match="holds p; x_train, y_train, x_test, y_test are read"):
        sources.read(tmp_path / "b.npz")


DESCRIPTOR = """kind: files
modality: image
folder: own
target: dx
title: Own
url: https://example.invalid/own
licence: CC0-1.0
citation: nobody
files:
  - {{name: part_0.zip, url: "https://example.invalid/part_0.zip", sha256: '{sha256}'}}
table: meta.csv
name: image
group: lesion
count: 12
classes: {{nv: 8, mel: 4}}
"""


def described(folder: Path, sha256: str | None = None) -> Path:
    """Write a descriptor and what it describes."""
    root = with_table(folder / "drop/own", 12)
    path = folder / "own.yaml"
    path.write_text(DESCRIPTOR.format(sha256=sha256 or dropped.digests(root / "part_0.zip")["sha256"]))
    return path


def test_a_descriptor_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests, counts, table and group are the declared ones; $SYNTHTRAIL_DATA may hold the folder instead of drop/."""
    monkeypatch.chdir(tmp_path)
    source = sources.read(described(tmp_path))
    assert (source.target, source.group, len(source.data)) == ("dx", "lesion", 12)
    assert source.facts["licence"] == "CC0-1.0"
    assert source.detected["undeclared"] == "meta.csv, part_1.zip"
    Path("drop").rename("elsewhere")
    with pytest.raises(SourceError, match=r"nothing lies in drop/own; `synthtrail download own` fetches them from"):
        sources.read(tmp_path / "own.yaml")
    monkeypatch.setenv("SYNTHTRAIL_DATA", "elsewhere")
    assert sources.read(tmp_path / "own.yaml").sha256 == source.sha256


def test_a_drop_folder_that_is_not_as_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another digest, another count, other classes, a missing archive: one line that says how to get it."""
    monkeypatch.chdir(tmp_path)
    path = described(tmp_path, "0" * 64)
    with pytest.raises(SourceError, match=r"part_0.zip: its SHA256 is .*, declared is 0000000000000000…: not whole"):
        sources.read(path)
    path.write_text(DESCRIPTOR.format(sha256=dropped.digests(tmp_path / "drop/own/part_0.zip")["sha256"]))
    for old, new, words in (
        ("count: 12", "count: 13", "12 pictures, declared are 13"),
        ("nv: 8", "nv: 7", "classes mel 4"),
    ):
        path.write_text(path.read_text().replace(old, new))
        with pytest.raises(SourceError, match=words):
            sources.read(path)
        path.write_text(path.read_text().replace(new, old))
    (tmp_path / "drop/own/part_1.zip").unlink()
    with pytest.raises(SourceError, match=r"6 of its 12 rows have no picture: P_001, .*`synthtrail download own`"):
        sources.read(path)


def test_what_was_changed_after_it_was_listed_is_noticed(tmp_path: Path) -> None:
    """Images are passed on only if the manifest lists them."""
    raw = ingested(stream(class_folders(tmp_path / "own", {"cat": 3, "dog": 2})), tmp_path / "raw")
    assert sum(len(batch) for batch in encoded.batches(raw, "images")) == 5
    manifest = raw / "manifest.txt"
    for text in (manifest.read_text().replace("dog/1", "dog/7"), manifest.read_text() + "x\n"):
        manifest.write_text(text)
        with pytest.raises(SourceError, match="does not list the images beside it"):
            list(encoded.taken(raw, "images", np.arange(5)))


def test_the_shipped_descriptors_are_in_order() -> None:
    """What `synthtrail download` would fetch is stated whole: an address and a digest for every file."""
    for name, count in (("ham10000", 3), ("mnist", 4), ("fashion_mnist", 4)):
        found = dropped.load(ROOT / "catalog/sources" / f"{name}.yaml")
        assert len(found.files) == count
        assert all(file.url and len(file.digest) in (32, 64) for file in found.files)


@pytest.mark.skipif(not (SHARED / "ham10000").is_dir(), reason="no HAM10000 in ../shared/data")
def test_ham10000(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """10,015 images of seven classes and 7,470 lesions, with age, sex and site, as declared."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNTHTRAIL_DATA", str(SHARED))
    source = sources.read(ROOT / "catalog/sources/ham10000.yaml")
    assert isinstance(source.data, ImageStream)
    assert isinstance(source.data.facts, pd.DataFrame)
    assert (len(source.data), len(source.data.schema.classes)) == (10_015, 7)
    assert source.data.facts["lesion_id"].nunique() == 7_470
    assert {"age", "sex", "localization"} <= set(source.data.facts.columns)
    assert "undeclared" not in source.detected


@pytest.mark.skipif(not (SHARED / "fashion_mnist").is_dir(), reason="no Fashion-MNIST in ../shared/data")
def test_fashion_mnist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The declared content, class names, and the official test set of 10,000."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNTHTRAIL_DATA", str(SHARED))
    found = sources.read(ROOT / "catalog/sources/fashion_mnist.yaml").data
    assert isinstance(found, ImageStream)
    assert found.facts is not None
    assert found.facts["part"].value_counts().to_dict() == {"train": 60_000, "test": 10_000}
    assert "ankle_boot" in found.schema.classes
