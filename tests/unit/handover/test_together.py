"""Acts on one artifact at the same time, or one in the middle of another: one waits its turn, and no copy is left."""

from pathlib import Path

import pytest

from synthtrail.custody.errors import UsageError
from synthtrail.handover import storing
from synthtrail.handover.journal import alone
from synthtrail.storage.home import home
from tests.unit.handover.lab import Lab


def condemned(lab: Lab, artifact: str) -> None:
    """Have a disposal of `artifact` approved."""
    lab.run("dispose", "request", artifact, "--with-descendants", "--reason", "over", "--yes")
    lab.run("dispose", "approve", artifact, "--reason", "checked", "--as", "ada", "--yes")


def test_one_act_at_a_time(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """While one command stores an artifact, another neither stores nor disposes of it; another artifact may be."""
    work = home().work(lab.custodian.policy.origin)
    condemned(lab, "data/iris/report")
    with alone(work, [lab.made["iris/generate"].digest.hex()]):
        lab.run("store", "data/iris/synthetic", "--to", str(tmp_path / "store"), code=2)
        assert "another command stores or disposes of" in capsys.readouterr().err
        lab.run("store", "data/iris/raw", "--to", str(tmp_path / "store"))
    with alone(work, [lab.made["iris/validate"].digest.hex()]):
        lab.run("dispose", "execute", "data/iris/report", "--as", "operator", code=2)
    assert "run this one when it has ended" in capsys.readouterr().err
    lab.run("store", "data/iris/synthetic", "--to", str(tmp_path / "store"))
    lab.run("dispose", "execute", "data/iris/report", "--as", "operator")
    assert not list(work.iterdir())


def test_what_is_to_be_disposed_of_is_not_stored(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is refused before a byte is copied, and no key is made for it."""
    condemned(lab, "data/iris/report")
    lab.run("store", "data/iris/report", "--to", str(tmp_path / "store"), code=2)
    assert "data/iris/report is condemned, so it cannot be stored any more" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()
    assert not home().identities(lab.custodian.policy.origin).exists()


def test_a_disposal_finds_what_a_storing_that_never_ended_left(lab: Lab, tmp_path: Path) -> None:
    """The ledger does not know that place; the journal does. Its ciphertext, key and journal go with the rest."""

    def cut(step: str) -> None:
        if step == "count":
            raise KeyboardInterrupt

    item, path = storing.where(lab.custodian, "data/iris/report")
    with pytest.raises(KeyboardInterrupt):
        storing.store(lab.custodian, lab.operator, item, path, str(tmp_path / "store"), on_step=cut)
    assert list((tmp_path / "store").rglob("*.age"))
    condemned(lab, "data/iris/report")
    lab.run("dispose", "execute", "data/iris/report", "--as", "operator")
    assert not list((tmp_path / "store").rglob("*.age"))
    assert not list(home().work(lab.custodian.policy.origin).iterdir())
    assert not list(home().identities(lab.custodian.policy.origin).iterdir())


def test_a_lock_that_a_killed_process_left_is_taken(tmp_path: Path) -> None:
    """The file stays, the lock does not; and a second lock of one process is refused, not waited for."""
    (tmp_path / f"{'ab' * 16}.lock").touch()
    with alone(tmp_path, ["ab" * 32]), pytest.raises(UsageError, match="right now"), alone(tmp_path, ["ab" * 32]):
        pass
    assert not list(tmp_path.iterdir())
