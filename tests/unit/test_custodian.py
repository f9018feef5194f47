"""The ledger of a checkout, begun and not begun to the end."""

from datetime import datetime
from pathlib import Path

import pytest

from synthtrail.custody.ledger import Ledger
from synthtrail.storage import custodian


def test_a_start_that_was_killed_after_its_first_act_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the machine's key was added, the next command adds it, and keeps the ledger that there is."""
    for name in ("DATA", "CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))

    def killed(ledger: Ledger, origin: str, now: datetime, organisation: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(custodian, "_add_operator", killed)
        with pytest.raises(KeyboardInterrupt):
            custodian.establish(tmp_path)
    first = custodian.origin_of(tmp_path)
    found = custodian.establish(tmp_path)
    assert (found.policy.origin, found.ledger.state.size) == (first, 2)
    assert found.operator.verifier.name == f"{first}/operator"
    assert custodian.establish(tmp_path).ledger.state.size == 2
