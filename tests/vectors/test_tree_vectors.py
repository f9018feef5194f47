"""Merkle trees and their files: RFC 6962 as transparency-dev/merkle and Go's sumdb/tlog compute it, C2SP tlog-tiles."""

from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest

from synthtrail.custody import merkle, note, tiles
from synthtrail.custody.errors import FormatError

Load = Callable[[str], Any]


def test_roots_and_nodes_of_the_reference_tree(transcribed: Load) -> None:
    case = transcribed("rfc6962-tree")
    leaves = [merkle.leaf_hash(bytes.fromhex(entry)) for entry in case["leaf_inputs_hex"]]
    tree = merkle.Tree(leaves)
    for size, expected in enumerate(case["root_by_size_hex"]):
        assert merkle.root(leaves[:size]).hex() == expected
        assert tree.root(size).hex() == expected
    for level, nodes in enumerate(case["node_hashes_by_level_hex"]):
        assert [tree.node(level, index).hex() for index in range(len(nodes))] == nodes


def test_a_record_hash_of_sumdb_is_a_leaf_hash(transcribed: Load) -> None:
    case = transcribed("sumdb-tlog")["record_hash"]
    assert merkle.leaf_hash(case["data"].encode()) == b64decode(case["hash_b64"])


def test_three_line_tree_heads_of_sumdb(transcribed: Load) -> None:
    """The good head parses; the first bad one is bad only for its other origin, which ours reports as such."""
    case = transcribed("sumdb-tlog")
    head = note.parse_checkpoint(case["tree_ok"])
    assert (head.origin, head.size) == ("go.sum database tree", 123456789012)
    assert head.text() == case["tree_ok"]
    other, *bad = case["tree_bad"]
    assert note.parse_checkpoint(other).origin != head.origin
    for text in bad:
        with pytest.raises(FormatError):
            note.parse_checkpoint(text)


def test_tile_paths(transcribed: Load) -> None:
    """sumdb's paths without their height, which C2SP fixes at 8, and C2SP's own example."""
    case = transcribed("sumdb-tlog")
    for path, expected in case["tile_paths_sumdb(tile/H/L/N)"]:
        first, _, rest = path.removeprefix("tile/").partition("/")
        assert first.isdecimal()
        if expected is None or rest.startswith("data"):
            with pytest.raises(FormatError):
                tiles.parse_path(f"tile/{rest}")
        else:
            tile = tiles.parse_path(f"tile/{rest}")
            assert [tile.level, tile.index] == expected[1:3]
            assert tile.width == (expected[3] if ".p/" in path else tiles.WIDTH)
    for index, digits in case["c2sp_index_path"]:
        assert tiles.Tile(0, index).path == f"tile/0/{digits}"
        assert tiles.Tile(tiles.ENTRIES, index, 5).path == f"tile/entries/{digits}.p/5"


def test_the_tiles_of_a_tree_of_70_000(transcribed: Load) -> None:
    case = transcribed("sumdb-tlog")["c2sp_partial"]
    found = tiles.growth(0, case["size"])
    count = {(level, full): 0 for level in range(3) for full in (True, False)}
    widths = {}
    for tile in found:
        count[tile.level, tile.width == tiles.WIDTH] += 1
        if tile.width != tiles.WIDTH:
            widths[tile.level] = tile.width
    assert count[0, True] == case["level0_full"]
    assert count[1, True] == case["level1_full"]
    assert widths == {level: case[f"level{level}_partial"] for level in range(3)}
    assert len(found) == case["level0_full"] + case["level1_full"] + 3
