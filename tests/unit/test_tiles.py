"""Files of a log: names, contents, and what is refused when read back."""

import pytest

from synthtrail.custody import merkle, tiles
from synthtrail.custody.errors import FormatError, UsageError
from synthtrail.custody.tiles import ENTRIES, Tile, TileReader, decode_bundle, encode_bundle

NO_FILES: dict[str, bytes] = {}
LEAVES = [merkle.leaf_hash(n.to_bytes(2, "big")) for n in range(600)]


def files(size: int) -> dict[str, bytes]:
    return dict(tiles.grow(0, LEAVES[:size], NO_FILES.__getitem__))


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(63, 999, 255), "tile/63/999.p/255"),
        (Tile(1, 1000, 1), "tile/1/x001/000.p/1"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(ENTRIES, 12345678, 9), "tile/entries/x012/x345/678.p/9"),
    ],
)
def test_paths_round_trip(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert tiles.parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile",
        "tile/0",
        "tile/0/0",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/000",
        "tile/0/000/001",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000\n",
        "/tile/0/000",
        "tile/0/../000",
        "tile/0/00\u0661",
        "tile/entries",
    ],
)
def test_other_spellings_are_refused(path: str) -> None:
    with pytest.raises(FormatError) as caught:
        tiles.parse_path(path)
    assert caught.value.code == "path"


@pytest.mark.parametrize(("level", "index", "width"), [(-2, 0, 1), (64, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)])
def test_impossible_tiles(level: int, index: int, width: int) -> None:
    with pytest.raises(UsageError):
        Tile(level, index, width)


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        (0, 0, []),
        (0, 1, ["tile/0/000.p/1"]),
        (5, 5, []),
        (255, 256, ["tile/0/000", "tile/1/000.p/1"]),
        (256, 257, ["tile/0/001.p/1"]),
        (200, 300, ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"]),
        (65_535, 65_536, ["tile/0/255", "tile/1/000", "tile/2/000.p/1"]),
    ],
)
def test_growth_writes_what_changed(old: int, new: int, paths: list[str]) -> None:
    assert [tile.path for tile in tiles.growth(old, new)] == paths
    bundles = [path.replace("tile/0", "tile/entries") for path in paths if path.startswith("tile/0/")]
    assert [tile.path for tile in tiles.bundle_growth(old, new)] == bundles


def test_a_log_does_not_shrink() -> None:
    for growth in (tiles.growth, tiles.bundle_growth):
        with pytest.raises(UsageError):
            growth(2, 1)
        with pytest.raises(UsageError):
            growth(-1, 1)
    with pytest.raises(UsageError):
        tiles.grow(-1, LEAVES[:1], NO_FILES.__getitem__)
    with pytest.raises(UsageError):
        tiles.grow(0, [b"entry"], NO_FILES.__getitem__)


def test_a_tile_holds_the_hashes_that_its_name_says() -> None:
    found = files(600)
    assert found["tile/0/002.p/88"] == b"".join(LEAVES[512:])
    assert found["tile/1/000.p/2"] == merkle.root(LEAVES[:256]) + merkle.root(LEAVES[256:512])


@pytest.mark.parametrize("entries", [[], [b""], [b"", b"a", b"bc" * 300], [bytes(65_535)]])
def test_bundles_round_trip(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries), len(entries)) == entries


def test_an_entry_fits_its_length() -> None:
    assert encode_bundle([b"ab", b""]) == b"\x00\x02ab\x00\x00"
    with pytest.raises(UsageError):
        encode_bundle([bytes(65_536)])


def test_a_torn_or_wrong_bundle_is_refused() -> None:
    whole = encode_bundle([b"one", b"two", b""])
    cuts = [whole[:at] for at in range(len(whole))]
    for data in [*cuts, whole + b"\x00", whole + b"\x00\x01", whole + b"\x00\x00", b"\xff\xff" + whole]:
        with pytest.raises(FormatError) as caught:
            decode_bundle(data, 3)
        assert caught.value.code == "bundle"


def test_entries_come_back_in_order_whatever_the_steps() -> None:
    entries = [n.to_bytes(2, "big") * (n % 5) for n in range(700)]
    stored: dict[str, bytes] = {}
    size = 0
    for step in (1, 254, 1, 1, 300, 143):
        stored.update(tiles.grow_bundles(size, entries[size : size + step], stored.__getitem__))
        size += step
    for start, end in [(0, 700), (0, 0), (255, 257), (699, 700), (512, 512), (300, 699)]:
        assert list(tiles.read_entries(stored.__getitem__, start, end, 700)) == entries[start:end]
    assert list(tiles.read_entries(stored.__getitem__, 0, 256, 256)) == entries[:256]
    for start, end in [(-1, 2), (3, 2), (0, 701)]:
        with pytest.raises(UsageError):
            list(tiles.read_entries(stored.__getitem__, start, end, 700))


def test_nodes_that_a_tree_lacks_are_not_read() -> None:
    reader = TileReader(files(300).__getitem__, 300)
    for level, index in [(0, 300), (8, 1), (9, 0), (0, -1), (-1, 0), (3, 37)]:
        with pytest.raises(UsageError):
            reader.node(level, index)


def test_a_tile_of_another_length_is_refused() -> None:
    for change in (lambda data: data[:-1], lambda data: data[:-32], lambda data: data + bytes(32), lambda _: b""):
        broken = files(300)
        broken["tile/0/001.p/44"] = change(broken["tile/0/001.p/44"])
        with pytest.raises(FormatError) as caught:
            merkle.root_from(TileReader(broken.__getitem__, 300).node, 300)
        assert caught.value.code == "tile"


def test_a_missing_tile_is_missing() -> None:
    stored = files(300)
    del stored["tile/0/001.p/44"]
    with pytest.raises(KeyError):
        TileReader(stored.__getitem__, 300).node(0, 299)
    with pytest.raises(KeyError):
        tiles.grow(300, LEAVES[300:301], stored.__getitem__)


def test_a_full_tile_serves_for_its_partial_past() -> None:
    """Partial tiles may be deleted once the full one is there; a smaller tree reads the full one's beginning."""
    stored = {**files(300), **files(512)}
    del stored["tile/0/001.p/44"]
    reader = TileReader(stored.__getitem__, 300)
    assert merkle.root_from(reader.node, 300) == merkle.root(LEAVES[:300])


def test_a_changed_tile_changes_the_root() -> None:
    for path in files(600):
        broken = files(600)
        broken[path] = bytes([broken[path][0] ^ 1]) + broken[path][1:]
        root = merkle.root_from(TileReader(broken.__getitem__, 600).node, 600)
        # Full tiles of level 0 are summed up in level 1, which a root is made from.
        assert (root == merkle.root(LEAVES[:600])) == (path in {"tile/0/000", "tile/0/001"})
        proof = merkle.prove_inclusion(TileReader(broken.__getitem__, 600).node, 1, 600)
        assert len(proof) == 10


def test_many_tiles_do_not_fill_memory() -> None:
    size = 256 * 100
    leaves = [bytes(32)] * size
    reader = TileReader(dict(tiles.grow(0, leaves, NO_FILES.__getitem__)).__getitem__, size)
    for index in range(0, size, 256):
        assert reader.node(0, index) == bytes(32)
    assert len(reader._cache) <= 64
