"""Image sets come back pixel for pixel, in shards of reproducible bytes with a manifest that holds them to account."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthtrail.data import image
from synthtrail.data.errors import CodecError, SchemaError, SourceError
from synthtrail.data.image import Images, ImageSet


def noise(n: int, channels: int = 1) -> ImageSet:
    """Return n random images of 8 x 8."""
    rng = np.random.default_rng(n)
    pixels = rng.integers(0, 256, (n, 8, 8, channels), dtype=np.uint8)
    labels = np.array([str(i % 3) for i in range(n)], dtype=object)
    return ImageSet(pixels, labels, tuple(f"{i:05d}.png" for i in range(n)))


@pytest.mark.parametrize("channels", [1, 3])
def test_images_come_back(tmp_path: Path, channels: int) -> None:
    """Pixels, labels and names survive their files, grey and RGB."""
    made = noise(12, channels)
    assert Images().write(tmp_path, "images", [made]) == 12
    back = Images().read(tmp_path, "images")
    assert np.array_equal(back.pixels, made.pixels)
    assert back.labels.tolist() == made.labels.tolist()
    assert back.names == made.names


def test_shards_and_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard is full before the next begins, however batches fall; the manifest is what sha256sum would print."""
    monkeypatch.setattr(image, "SHARD", 10)
    monkeypatch.setattr(image, "PIECE", 5)
    whole = noise(23)
    batches = [Images().take(whole, np.arange(start, min(start + 7, 23))) for start in range(0, 23, 7)]
    Images().write(tmp_path, "images", batches)
    shards = sorted(tmp_path.glob("*.parquet"))
    frames = [pd.read_parquet(shard) for shard in shards]
    assert [len(frame) for frame in frames] == [10, 10, 3]
    lines = (tmp_path / "manifest.txt").read_text().splitlines()
    expected = [
        f"{hashlib.sha256(png).hexdigest()}  {name}"
        for f in frames
        for png, name in zip(f["png"], f["name"], strict=True)
    ]
    assert lines == expected
    assert np.array_equal(Images().read(tmp_path, "images").pixels, whole.pixels)


def test_the_same_images_give_the_same_bytes(tmp_path: Path) -> None:
    """Files depend on pixels, labels and salt alone."""
    for folder, salt in (("a", None), ("b", None), ("c", bytes(32))):
        Images().write(tmp_path / folder, "train", [noise(5)], salt=salt)
    bytes_of = [(tmp_path / folder / "train-00000.parquet").read_bytes() for folder in "abc"]
    assert bytes_of[0] == bytes_of[1] != bytes_of[2]
    assert (tmp_path / "a" / "train.manifest.txt").exists()


def test_a_manifest_that_differs_is_noticed(tmp_path: Path) -> None:
    """Images that are not the listed ones are not read."""
    Images().write(tmp_path, "images", [noise(3)])
    manifest = tmp_path / "manifest.txt"
    manifest.write_text(manifest.read_text().replace("00001.png", "00009.png"))
    with pytest.raises(SourceError, match="does not list the images beside it"):
        Images().read(tmp_path, "images")
    with pytest.raises(SourceError, match=r"no train-\*\.parquet; run the stage that makes it"):
        Images().read(tmp_path, "train")


def test_the_codec_is_exact() -> None:
    """Every grey value survives the way to [-1, 1] and back."""
    ramp = ImageSet(np.arange(256, dtype=np.uint8).reshape(4, 8, 8, 1), np.array(["a"] * 4, object), ("n",) * 4)
    codec = Images().fit_codec(ramp, Images().infer(ramp))
    values, numbers = codec.encode(ramp)
    assert (values.shape, values.min(), values.max()) == ((4, 1, 8, 8), -1.0, 1.0)
    assert np.array_equal(codec.decode(values, numbers).pixels, ramp.pixels)
    assert codec.from_json(codec.to_json()) == codec


def test_wrong_images_are_named() -> None:
    """Shapes and labels that the schema does not know are violations or errors of one line."""
    schema = Images().infer(noise(6))
    assert schema.classes == ("0", "1", "2")
    assert Images().check(noise(6), schema) == []
    assert [v.rule for v in Images().check(noise(6, 3), schema)] == ["type"]
    strange = ImageSet(noise(2).pixels, np.array(["0", "9"], object), ("a", "b"))
    assert Images().check(strange, schema)[0].message == "1 images with unknown labels such as '9'"
    with pytest.raises(CodecError, match="label '9' is not among the training labels"):
        Images().fit_codec(noise(6), schema).encode(strange)
    with pytest.raises(SchemaError, match="images must be"):
        Images().infer(ImageSet(np.zeros((2, 8, 8), np.uint8), np.array(["0", "1"]), ("a", "b")))
    with pytest.raises(SourceError, match="x: not a readable image"):
        image.decode_png(b"junk", "x")
