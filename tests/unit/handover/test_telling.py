"""No credentials in what is told of errors, and no address that could carry them or go astray."""

from pathlib import Path

import pytest

from synthtrail.custody.errors import UsageError
from synthtrail.handover import objects, telling
from synthtrail.handover.connecting import connect
from tests.unit.handover.lab import Lab
from tests.unit.handover.test_disposal import dispose

SECRET = "Tr0ub4dor&3"


@pytest.mark.parametrize(
    "text",
    [
        f"cannot connect to https://ada:{SECRET}@host:9000/bucket",
        f'no answer from "s3://AKIA:{SECRET}@bucket/key"',
        f"https://host/key?X-Amz-Signature={SECRET}&X-Amz-Date=1 is 403",
        f"sqlite+pg://ada:p@ss{SECRET}@db/mlflow",
    ],
)
def test_no_credentials_of_a_url_are_told(text: str) -> None:
    """Who is asked and what went wrong stays."""
    said = telling.told(OSError(text))
    assert SECRET not in said
    assert "…" in said
    assert any(name in said for name in ("host", "bucket", "db/mlflow"))


def test_no_secret_of_this_process_and_no_home_is_told() -> None:
    """Wherever it stands in the text; and what has no text is told by its kind, on one line."""
    text = f"403 for key {SECRET} in {Path.home()}/exchange"
    assert telling.cleaned(text, {"AWS_SECRET_ACCESS_KEY": SECRET}) == "403 for key … in ~/exchange"
    assert telling.told(TimeoutError()) == "TimeoutError"
    assert telling.told(OSError("a\nb")) == "a b"
    assert len(telling.told(OSError("x" * 999))) == telling.MOST


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "an empty address"),
        ("s3:/bucket/x", "neither a folder nor s3://bucket/prefix"),
        ("S3:bucket", "neither a folder nor s3://bucket/prefix"),
        ("file://mnt/archive", "give file:///mnt/archive"),
        ("htps://bucket/x", "no store for htps://"),
        ("https://ada:secret@host/x", "…@host/x: no store for https://"),
        ("s3://", "needs a bucket"),
        ("s3://key:secret@bucket/x", "credentials"),
        ("s3://bucket/x?token=secret", "no query"),
    ],
)
def test_a_slip_in_an_address_makes_no_folder(
    url: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused with one line that has no secret in it."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=words) as refused, connect(url):
        pass
    assert "secret" not in str(refused.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("endpoint", ["http://ada:secret@host:9000", "https://host/?key=secret", "host:9000"])
def test_an_endpoint_is_an_address_and_nothing_else(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By option or by environment."""
    with pytest.raises(UsageError) as refused, connect("s3://bucket/x", endpoint=endpoint):
        pass
    assert "secret" not in str(refused.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(UsageError), connect("s3://bucket/x"):
        pass


def test_a_remote_with_a_password_is_not_told_in_a_disposal(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its certificate, nor the ledger, nor a journal has it; it is a place that was not reached."""
    monkeypatch.setattr(objects, "PAUSES", ())
    config = "['remote \"far\"']\nurl = s3://bucket/x\nendpointurl = http://ada:hunter2@127.0.0.1:1\n"
    (lab.root / ".dvc").mkdir()
    (lab.root / ".dvc/config.local").write_text(config, encoding="utf-8")
    made = dispose(lab, "data/iris/report")
    assert [sweep.outcome for sweep in made.sweeps if sweep.place == "DVC remote far"] == ["not reached"]
    kept = [path for path in (lab.root / "ledger").rglob("*") if path.is_file()]
    assert not [path for path in kept if b"hunter2" in path.read_bytes()]
