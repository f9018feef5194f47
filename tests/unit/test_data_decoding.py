"""Whatever a picture is stored as, its pixels come out as asked, or one line says why not."""

import contextlib
import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synthtrail.data import decoding, dicom
from synthtrail.data.decoding import pixels
from synthtrail.data.errors import SourceError
from synthtrail.data.imagehow import ImageHow, parse
from synthtrail.params import ParamsError
from tests.unit.pictures import picture

GREY, COLOUR = ImageHow(8, "grey"), ImageHow(8, "rgb")


def png(image: Image.Image, **options: object) -> bytes:
    """Return the PNG of an image."""
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def mean(data: bytes, how: ImageHow = COLOUR) -> list[int]:
    """Return the mean colour, rounded."""
    return [round(float(value)) for value in pixels(data, how).mean(axis=(0, 1))]


@pytest.mark.parametrize("size", [28, 64, 128])
@pytest.mark.parametrize("colour", ["grey", "rgb"])
def test_sizes_and_colours(size: int, colour: str) -> None:
    """A JPEG of 60 x 45 becomes a square of any size, grey or colour, and the same one each time."""
    how = ImageHow(size, colour)
    data = picture(1, (60, 45))
    assert pixels(data, how).shape == (size, size, how.channels)
    assert np.array_equal(pixels(data, how), pixels(data, how))


def test_crop_and_squash() -> None:
    """Crop keeps the middle square and its aspect; squash keeps everything."""
    wide = Image.new("RGB", (30, 10), "red")
    wide.paste(Image.new("RGB", (10, 10), "blue"), (10, 0))
    assert mean(png(wide), ImageHow(10, "rgb", "crop")) == [0, 0, 255]
    assert mean(png(wide), ImageHow(10, "rgb", "squash"))[0] > 120


def test_no_aliasing() -> None:
    """A fine checkerboard becomes even grey, not a pattern."""
    board = np.indices((128, 128)).sum(axis=0) % 2 * 255
    small = pixels(png(Image.fromarray(board.astype(np.uint8))), ImageHow(16, "grey"))
    assert np.abs(small[2:-2, 2:-2].astype(int) - 127).max() <= 2


def test_modes_become_colour() -> None:
    """16 bits, palette, CMYK, transparency, one bit and EXIF orientation mean what viewers show."""
    deep = Image.fromarray(np.full((8, 8), 0x8080, np.uint16))
    assert mean(png(deep), GREY) == [128]
    flat = Image.new("RGB", (8, 8), (200, 40, 10))
    assert mean(png(flat.convert("P", palette=Image.Palette.ADAPTIVE))) == [200, 40, 10]
    file = io.BytesIO()
    flat.convert("CMYK").save(file, "JPEG", quality=95)
    assert np.abs(np.array(mean(file.getvalue())) - [200, 40, 10]).max() < 8
    assert mean(png(Image.new("RGBA", (8, 8), (0, 0, 0, 0)))) == [255, 255, 255]
    assert mean(png(Image.new("1", (8, 8), 1)), GREY) == [255]
    upright = Image.new("RGB", (8, 8), "black")
    upright.paste("white", (0, 0, 8, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    file = io.BytesIO()
    upright.save(file, "JPEG", quality=95, exif=exif)
    turned = pixels(file.getvalue(), GREY)[:, :, 0]
    assert turned[:, 5:].min() > 200
    assert turned[:, :3].max() < 50


def animated(kind: str) -> bytes:
    """Return two frames in one file."""
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, kind, save_all=True, append_images=[Image.new("L", (8, 8), 255)])
    return file.getvalue()


def huge_png() -> bytes:
    """Return a PNG that announces 60,000 x 60,000 pixels in a hundred bytes."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"junk", "cannot be decoded"),
        (picture(1)[:300], "cannot be decoded"),
        (picture(1, kind="PNG")[:60], "cannot be decoded"),
        (animated("GIF"), "GIF is not read, PNG, JPEG and DICOM are; convert it"),
        (animated("PNG"), "is animated"),
        (picture(1, kind="TIFF"), "TIFF is not read"),
        (huge_png(), "has more pixels"),
    ],
)
def test_what_cannot_be_used_says_why(data: bytes, words: str) -> None:
    """One line, without an address in memory, and without taking the memory that a header asks for."""
    with pytest.raises(SourceError) as caught:
        pixels(data, GREY)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)


def test_every_damage_is_an_error_of_one_line_or_a_picture() -> None:
    """Cut off or changed anywhere, a file gives a picture or a `SourceError`, never another error."""
    rng = np.random.default_rng(0)
    for data in (picture(3), picture(3, kind="PNG"), picture(3, kind="PNG", mode="P")):
        for _ in range(60):
            damaged = bytearray(data)
            for at in rng.integers(0, len(data), 4):
                damaged[at] = rng.integers(256)
            with contextlib.suppress(SourceError):
                assert pixels(bytes(damaged[: rng.integers(20, len(data) + 1)]), COLOUR).shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"size": 4}, "size: expected a number of pixels between 8 and 512"),
        ({"colour": "gray"}, "did you mean 'grey'"),
        ({"fit": "pad"}, "'pad' is none of crop, squash"),
        ({"sise": 64}, "did you mean 'size'"),
    ],
)
def test_the_key_is_checked(given: dict[str, object], words: str) -> None:
    """A wrong setting is one line that names it."""
    with pytest.raises(ParamsError, match=r"params\.yaml: experiments\.x\.image") as caught:
        parse(given, "params.yaml: experiments.x.image")
    assert words in str(caught.value)


def dicoms() -> Path:
    """Return the folder of DICOM files that pydicom ships."""
    pydicom = pytest.importorskip("pydicom")
    return Path(str(pydicom.__file__)).parent / "data" / "test_files"


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("CT_small.dcm", GREY),
        ("MR_small_bigendian.dcm", GREY),
        ("examples_palette.dcm", COLOUR),
        ("examples_rgb_color.dcm", COLOUR),
        ("SC_rgb_dcmtk_+eb+cy+np.dcm", COLOUR),
        ("SC_rgb_rle_16bit.dcm", COLOUR),
    ],
)
def test_dicom(name: str, how: ImageHow) -> None:
    """Grey of 16 bits, palettes, RGB and YBR, big and little endian, with some contrast left."""
    found = pixels((dicoms() / name).read_bytes(), how)
    assert found.shape == (8, 8, how.channels)
    assert int(found.max()) - int(found.min()) > 20


def test_dicom_grey_is_calibrated() -> None:
    """With a window, its ends are black and white; MONOCHROME1 is inverted; CT without one goes by Hounsfield units."""
    pydicom = pytest.importorskip("pydicom")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pydicom.dcmread(dicoms() / "MR_small.dcm")
    values = np.array([[-9, 100], [200, 400]], np.int16)
    found.WindowCenter, found.WindowWidth, found.RescaleSlope, found.RescaleIntercept = [128, 7], [256, 9], 1, 0
    assert np.asarray(dicom.picture(found, values)).tolist() == [[0, 100], [200, 255]]
    found.PhotometricInterpretation = "MONOCHROME1"
    assert np.asarray(dicom.picture(found, values)).tolist() == [[255, 155], [55, 0]]
    found.PhotometricInterpretation = "MONOCHROME2"
    del found.WindowCenter
    assert np.asarray(dicom.picture(found, np.array([[5, 9]]))).tolist() == [[0, 255]]
    found.Modality, found.RescaleIntercept = "CT", -1024
    assert np.asarray(dicom.picture(found, np.array([[0, 2047, 9999]]))).tolist() == [[0, 255, 255]]


def test_dicom_that_is_no_single_image_is_refused() -> None:
    """Several frames, no pixels, and a compression without a decoder."""
    for name, words in (
        ("SC_rgb_rle_2frame.dcm", "has 2 frames"),
        ("nested_priv_SQ.dcm", "without an image"),
        ("MR_small_jpeg_ls_lossless.dcm", "no decoder for its pixels (JPEG-LS Lossless"),
    ):
        with pytest.raises(SourceError) as caught:
            pixels((dicoms() / name).read_bytes(), GREY)
        assert words in str(caught.value)


def test_pydicom_is_asked_for_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, one line says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(SourceError, match=r"pip install 'synthtrail\[dicom\]'"):
        decoding.pixels(bytes(128) + b"DICM" + bytes(100), GREY)
