"""Disposal in a small checkout: decisions, holds, approval, keys, copies, certificate, and what comes after."""

import errno
import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from synthtrail.custody import certificate
from synthtrail.custody.errors import UsageError
from synthtrail.handover import acting, disposal, executing, pairs, sealing
from synthtrail.handover.acting import Saying
from synthtrail.storage import disposed
from synthtrail.storage.disposed import DisposedError
from synthtrail.storage.home import home
from synthtrail.storage.salt import salts_for
from tests.unit.handover.lab import Lab


def dispose(lab: Lab, *artifacts: str) -> certificate.Certificate:
    """Take all steps for `artifacts` and everything made from them; return the certificate."""
    lab.run("dispose", "request", *artifacts, "--reason", "retention ended", "--with-descendants", "--yes")
    approve_and_execute(lab, *artifacts)
    return the_certificate(lab)


def approve_and_execute(lab: Lab, *artifacts: str) -> None:
    """Take the last two steps."""
    lab.run("dispose", "approve", *artifacts, "--reason", "checked", "--as", "ada", "--yes")
    lab.run("dispose", "execute", *artifacts, "--as", "operator")


def the_certificate(lab: Lab) -> certificate.Certificate:
    """Return the only certificate there is."""
    (path,) = (lab.root / "ledger/certificates").glob("*.json")
    return certificate.parse(path.read_bytes())


def refusal(lab: Lab, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line with which a command is refused."""
    capsys.readouterr()
    lab.run(*arguments, code=2)
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    return said


def test_the_whole_way(lab: Lab, tmp_path: Path) -> None:
    """What was disposed of is nowhere, the certificate says what was done to each copy, and the ledger verifies."""
    lab.make("wine")
    lab.run("store", "data/iris/raw", "--to", str(tmp_path / "store"))
    raw = lab.made["iris/ingest"].digest
    cached = lab.root / ".dvc/cache/files/md5/ab/cdef"
    cached.parent.mkdir(parents=True)
    shutil.copy(lab.root / "data/iris/raw/part-001.bin", cached)
    (tmp_path / "tmp/scratch.bin").write_bytes((lab.root / "data/iris/raw/part-002.bin").read_bytes())
    made = dispose(lab, "data/iris/raw")
    assert not (lab.root / "data/iris").exists()
    assert (lab.root / "data/wine/raw/part-000.bin").exists()
    assert not cached.exists()
    assert not (tmp_path / "tmp/scratch.bin").exists()
    assert not list((tmp_path / "store").rglob("*.age"))
    assert not list(tmp_path.rglob(f"{raw.hex()}.age"))
    assert {(copy.place, copy.form, copy.method) for copy in made.copies} == {
        ("workspace", "plaintext", "deleted, not purged"),
        ("DVC cache", "plaintext", "deleted, not purged"),
        ("temporary files", "plaintext", "deleted, not purged"),
        ("object store", "ciphertext", "key destroyed"),
    }
    assert {sweep.outcome for sweep in made.sweeps} == {"clean"}
    assert len(made.artifacts) == 5
    assert made.reason == "retention ended; approved: checked"
    page = (lab.root / "ledger/certificates" / f"{made.digest.hex()}.html").read_text(encoding="utf-8")
    assert "data/iris/raw/part-001.bin" in page
    assert lab.custodian.ledger.state.status(raw) == "disposed"
    lab.run("dispose", "verify", "--as", "operator", "--yes")
    assert lab.events()[-2:] == ["disposal-executed", "disposal-verified"]
    lab.run("verify")
    lab.run("audit")


def test_a_copy_that_comes_back_is_an_alarm(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`verify` finds it under any name, logs that it did, exits 1; `--delete` deletes it and looks again."""
    shutil.copytree(lab.root / "data/iris/raw", tmp_path / "backup")
    dispose(lab, "data/iris/raw")
    lab.run("dispose", "verify", "--as", "operator", "--yes")
    back = lab.root / "drop/other-name"
    back.parent.mkdir()
    shutil.copy(tmp_path / "backup/part-000.bin", back)
    capsys.readouterr()
    lab.run("audit", code=1)
    assert "disposed-reappears" in capsys.readouterr().out
    lab.run("dispose", "verify", "--as", "operator", "--yes", code=1)
    assert "drop/other-name" in capsys.readouterr().out
    last = lab.custodian.ledger.log.statement(lab.custodian.ledger.head.size - 1)
    assert last.act.outcome == "found"
    lab.run("dispose", "verify", "--delete", "--as", "operator", "--yes")
    assert not back.exists()


def test_a_key_that_survives_is_an_alarm(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A backup of the key store brought back undoes a crypto-erase; `verify` and `audit` say so."""
    lab.run("store", "data/iris/raw", "--to", str(tmp_path / "store"))
    folder = home().identities(lab.custodian.policy.origin)
    name = sealing.identity_path(folder, lab.made["iris/ingest"].digest.hex())
    kept = name.read_bytes()
    dispose(lab, "data/iris/raw")
    name.write_bytes(kept)
    name.chmod(0o600)
    lab.run("dispose", "verify", "--as", "operator", "--yes", code=1)
    assert str(name) in capsys.readouterr().out
    lab.run("audit", code=1)
    assert "erasure-fake" in capsys.readouterr().out


def test_a_store_without_credentials_does_not_stop_a_sweep(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a place that was not reached; the others are looked through, and that is what is logged."""
    lab.run("store", "data/iris/report", "--to", str(tmp_path / "store"))
    dispose(lab, "data/iris/report")

    def refused(url: str, **_: object) -> None:
        raise UsageError(f"{url}: no credentials")

    monkeypatch.setattr("synthtrail.handover.resweep.connect", refused)
    lab.run("dispose", "verify", "--as", "operator", "--yes")
    assert "not reached: " in capsys.readouterr().out
    assert lab.events()[-1] == "disposal-verified"


def test_every_descendant_needs_a_decision(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """Without one the request is refused and names them; what is kept stays, and the certificate says why."""
    said = refusal(lab, capsys, "dispose", "request", "data/iris/train", "--reason", "x", "--yes")
    assert "no such file" in said
    said = refusal(lab, capsys, "dispose", "request", "data/iris/raw", "--reason", "over", "--yes")
    assert all(f"data/iris/{name}" in said for name in ("split", "model", "synthetic", "report"))
    model, synthetic, report = (lab.made[f"iris/{name}"].digest.hex() for name in ("train", "generate", "validate"))
    split = lab.made["iris/preprocess"].digest.hex()
    kept = [f"--keep={name}=anonymous, gate passed" for name in (model, synthetic, report)]
    lab.run("dispose", "request", "data/iris/raw", split, *kept, "--reason", "over", "--yes")
    approve_and_execute(lab, "data/iris/raw")
    assert sorted(path.name for path in (lab.root / "data/iris").iterdir()) == ["model", "report", "synthetic"]
    decided = {item.artifact: (item.decision, item.reason) for item in the_certificate(lab).descendants}
    assert decided[synthetic] == ("kept", "anonymous, gate passed")
    assert decided[split][0] == "disposed"
    lab.run("verify")


def test_a_hold_blocks_it_and_says_by_whom_and_why(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """Request, approval and execution are refused while a hold is open; a steward lifts it."""
    lab.run("dispose", "request", "data/iris/report", "--reason", "over", "--yes")
    lab.run("hold", "data/iris/report", "--reason", "case 17", "--yes", "--as", "operator")
    said = refusal(lab, capsys, "dispose", "approve", "data/iris/report", "--reason", "x", "--as", "ada", "--yes")
    assert "case 17" in said
    assert "/operator" in said
    assert (lab.root / "data/iris/report").exists()
    lab.run("hold", "lift", "data/iris/report", "--reason", "closed", "--yes", "--as", "ada")
    approve_and_execute(lab, "data/iris/report")
    assert not (lab.root / "data/iris/report").exists()


def test_nobody_disposes_alone(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not approved is not carried out, and who asked cannot approve."""
    assert "not approved" in refusal(lab, capsys, "dispose", "execute", "data/iris/report", "--as", "operator")
    lab.run("dispose", "request", "data/iris/report", "--reason", "over", "--as", "ada", "--yes")
    said = refusal(lab, capsys, "dispose", "approve", "data/iris/report", "--reason", "x", "--as", "ada", "--yes")
    assert "disposal-approved" in said
    assert "not approved" in refusal(lab, capsys, "dispose", "execute", "data/iris/report", "--as", "operator")
    assert (lab.root / "data/iris/report").exists()


def test_what_something_else_has_too_stays(lab: Lab) -> None:
    """A file that a live artifact has as well is not deleted with this one."""
    lab.make("wine")
    shared = lab.root / "data/wine/raw/part-000.bin"
    for name in ("iris", "wine"):
        (lab.root / f"data/{name}/raw/shared.json").write_text("{}", encoding="utf-8")
        lab.log(name, "ingest", [])
    dispose(lab, "data/iris/raw")
    assert (lab.root / "data/wine/raw/shared.json").exists()
    assert shared.exists()


def test_a_stage_refuses_what_was_disposed_of(lab: Lab) -> None:
    """The same digest is refused, with the certificate's name; so is a salt for the same source."""
    folder = home().salts(lab.custodian.policy.origin)
    salts_for(folder, "ward/ingest", "5" * 64)
    lab.make("ward", data_class="confidential")
    kept = lab.root.parent / "kept"
    shutil.copytree(lab.root / "data/ward/raw", kept)
    made = dispose(lab, "data/ward/raw")
    assert [key.kind for key in made.keys] == ["salt"]
    with pytest.raises(DisposedError, match=made.digest.hex()):
        disposed.refuse(lab.root / "ledger", kept, lab.root / "data/ward/raw")
    disposed.refuse(lab.root / "ledger", lab.root / "ledger/certificates", Path("data/other"))
    with pytest.raises(DisposedError, match=made.digest.hex()):
        salts_for(folder, "ward/ingest", "5" * 64)
    salts_for(folder, "ward/ingest", "6" * 64)  # another source is another matter


def test_a_machine_that_has_only_the_ledger_refuses_too(lab: Lab) -> None:
    """Artifacts and salts are refused as the entries say, until a steward, and nobody else, allows it."""
    folder, ledger = home().salts(lab.custodian.policy.origin), lab.root / "ledger"
    salts_for(folder, "ward/ingest", "5" * 64)
    lab.make("ward", data_class="confidential")
    kept = lab.root.parent / "kept"
    shutil.copytree(lab.root / "data/ward/raw", kept)
    made = dispose(lab, "data/ward/raw")
    shutil.rmtree(folder)
    (ledger / disposed.LIST).unlink()
    with pytest.raises(DisposedError, match=made.digest.hex()):
        disposed.refuse(ledger, kept, lab.root / "data/ward/raw")
    with pytest.raises(DisposedError, match="as the ledger says"):
        salts_for(folder, "ward/ingest", "5" * 64, ledger)
    listed = disposed.load(ledger)
    assert listed.size == len(lab.events())
    assert disposed.parse(disposed.encode(listed)) == listed
    (ledger / disposed.LIST).write_text(f"{'0' * 64} {'1' * 64}\n", encoding="ascii")  # as the first version wrote it
    assert disposed.load(ledger) == listed
    salts_for(folder, "ward/ingest", "6" * 64, ledger)
    slots = pairs.listed([("slot", "ward/ingest")])
    said = Saying("incident", (), {"what": f"{disposed.ALLOWED}: I say so", "details": slots})
    acting.say_all(lab.custodian, lab.operator, [said])
    with pytest.raises(DisposedError, match="as the ledger says"):
        salts_for(folder, "ward/ingest", "5" * 64, ledger)
    lab.run("dispose", "allow", "ward/ingest", "--reason", "a mistake", "--as", "ada", "--yes")
    salts_for(folder, "ward/ingest", "5" * 64, ledger)
    assert disposed.load(ledger).artifacts == listed.artifacts


def test_a_ledger_that_cannot_be_read_leaves_what_was_known(lab: Lab) -> None:
    """A stage is not where a damaged ledger is explained; what it knew it still refuses."""
    dispose(lab, "data/iris/report")
    known = disposed.load(lab.root / "ledger")
    lab.run("incident", "report", "something else", "--as", "operator", "--yes")
    shutil.rmtree(lab.root / "ledger/tile/entries")
    assert disposed.load(lab.root / "ledger") == known
    assert known.artifacts


def test_a_store_that_cannot_be_reached_is_certified_as_what_it_is(lab: Lab, tmp_path: Path) -> None:
    """Its ciphertext is out of reach and its key destroyed: that is what the certificate says, and no more."""
    lab.run("store", "data/iris/report", "--to", str(tmp_path / "usb"))
    (tmp_path / "usb").rename(tmp_path / "usb-unplugged")
    made = dispose(lab, "data/iris/report")
    (stored,) = [copy for copy in made.copies if copy.form == "ciphertext"]
    assert stored.method == "key destroyed"
    assert "0 objects deleted" in stored.locator


def test_withdrawing_a_basis_lists_what_descends(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything made from the source is listed, an incident is logged, an unknown source refused."""
    capsys.readouterr()
    lab.run("withdraw", "drop/iris.csv", "--reason", "consent withdrawn", "--yes", "--as", "operator")
    said = capsys.readouterr().out
    assert all(f"data/iris/{name}" in said for name in ("raw", "split", "model", "synthetic", "report"))
    assert lab.events()[-1] == "incident"
    assert "no artifact" in refusal(lab, capsys, "withdraw", "drop/none.csv", "--reason", "x")


def test_disposing_again_is_refused(lab: Lab) -> None:
    """There is one certificate for a disposal."""
    dispose(lab, "data/iris/report")
    item = lab.made["iris/validate"]
    with pytest.raises(UsageError, match="already"):
        executing.execute(lab.custodian, lab.operator, [item], purge=lambda _root, _runs: {})
    with pytest.raises(UsageError, match="already"):
        disposal.saying(lab.custodian, [item], "again", {})


def test_a_wrong_passphrase_is_one_clear_error(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is signed, nothing is deleted, and the passphrase is not repeated."""
    lab.run("dispose", "request", "data/iris/report", "--reason", "over", "--yes")
    monkeypatch.setenv("SYNTHTRAIL_PASSPHRASE", "wrong horse")
    said = refusal(lab, capsys, "dispose", "approve", "data/iris/report", "--reason", "x", "--as", "ada", "--yes")
    assert "passphrase" in said
    assert "horse" not in said
    assert lab.events()[-1] == "disposal-requested"


def test_an_expired_key_is_one_clear_error(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """A steward's key past its date approves nothing."""
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    lab.run("person", "add", "p-eve", "--name", "Eve M.", "--yes")
    lab.run("key", "new", "eve", "--role", "steward", "--person", "p-eve", "--expires", soon, "--yes")
    lab.run("dispose", "request", "data/iris/report", "--reason", "over", "--yes")
    time.sleep(2)
    said = refusal(lab, capsys, "dispose", "approve", "data/iris/report", "--reason", "x", "--as", "eve", "--yes")
    assert "expired" in said
    assert lab.events()[-1] == "disposal-requested"


def test_a_full_disk_stops_it_and_loses_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The journal cannot be written: one line, no entry; with room again the same command completes it."""
    lab.run("dispose", "request", "data/iris/report", "--reason", "over", "--yes")
    lab.run("dispose", "approve", "data/iris/report", "--reason", "checked", "--as", "ada", "--yes")

    def full(*_: object, **_facts: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("synthtrail.handover.executing.Journal.done", full)
        said = refusal(lab, capsys, "dispose", "execute", "data/iris/report")
    assert "No space left on device" in said
    assert lab.events()[-1] == "disposal-approved"
    lab.run("dispose", "execute", "data/iris/report")
    assert lab.events()[-1] == "disposal-executed"


def test_what_cannot_be_certified_is_not_begun(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """A reason that looks like somebody's identifier is refused before anything is asked for."""
    synthetic = lab.made["iris/generate"].digest.hex()
    kept = (f"--keep={synthetic}=ask ada@example.org", "--with-descendants")
    said = refusal(lab, capsys, "dispose", "request", "data/iris/model", *kept, "--reason", "over", "--yes")
    assert "e-mail" in said
