"""C2SP/CCTV: 914 signatures at the edges of Ed25519, of which a strict verifier accepts 43."""

import json
from pathlib import Path
from typing import Any

from synthtrail.custody.ed25519 import Verifier
from synthtrail.custody.errors import DataError

FORGIVEN = {"low_order_component_A", "low_order_component_R", "reencoded_k"}


def accepts(vector: dict[str, Any]) -> bool:
    try:
        verifier = Verifier("vector", bytes.fromhex(vector["key"]))
        verifier.verify(vector["msg"].encode(), bytes.fromhex(vector["sig"]))
    except DataError:
        return False
    return True


def test_exactly_the_strict_ones_are_accepted(vectors: Path) -> None:
    """Accepted are those with no low-order point, no second encoding and no low-order residue; they are 43."""
    cases = json.loads((vectors / "C2SP-CCTV/ed25519/ed25519vectors.json").read_bytes())
    strict = [case["number"] for case in cases if not set(case["flags"] or ()) - FORGIVEN]
    assert len(cases) == 914
    assert len(strict) == 43
    assert [case["number"] for case in cases if accepts(case)] == strict
