"""Object stores over S3, against a real server on this machine (moto's): privacy, parts, pages, versions, faults."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from synthtrail.data.image import Images, ImageSet
from synthtrail.handover import objects, pairs, storing
from synthtrail.handover.connecting import connect
from synthtrail.handover.objects import StoreError, UnreachableError
from synthtrail.handover.s3_store import PART, S3Store
from synthtrail.storage.home import home
from tests.unit.handover.lab import Lab, noise
from tests.unit.handover.local_s3 import s3_server

ITEMS = 20_000


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server of this module's own."""
    with s3_server() as address:
        yield address


@pytest.fixture
def store(server: str, tmp_path: Path) -> Iterator[S3Store]:
    """A store in a bucket of the test's own."""
    del server
    name = hashlib.sha256(str(tmp_path).encode()).hexdigest()[:20]
    with connect(f"s3://bucket-{name}/pre/fix") as found:
        assert isinstance(found, S3Store)
        yield found


def nothing(*_: object) -> None:
    """Take whatever, do nothing."""


def test_a_bucket_is_made_private_and_a_public_one_refused(store: S3Store) -> None:
    """A new one has all public access blocked; an ACL or a policy that lets everyone in is refused."""
    assert store.prepare() == [("bucket", "created, public access blocked")]
    block = store.call("get_public_access_block")["PublicAccessBlockConfiguration"]
    assert all(block.values())
    assert store.prepare()[1] == ("bucket.public", "no, by ACL and policy")
    store.call("delete_public_access_block")
    allow = '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}]}'
    store.call("put_bucket_policy", Policy=allow)
    with pytest.raises(StoreError, match="its policy lets everyone in"):
        store.prepare()
    store.call("delete_bucket_policy")
    store.call("put_bucket_acl", ACL="public-read")
    with pytest.raises(StoreError, match="its ACL lets everyone in"):
        store.prepare()


def test_an_upload_that_was_cut_off_goes_on_where_it_was(
    store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts that the store has are not sent again; what arrives is the file."""
    store.prepare()
    path = tmp_path / "large"
    path.write_bytes(noise("large", 3 * PART + 5))
    sent: list[int] = []
    limit = [2]
    once = S3Store._once

    def counted(self: S3Store, method: str, arguments: dict[str, Any]) -> Any:
        if method == "upload_part":
            if len(sent) == limit[0]:
                raise KeyboardInterrupt  # as abrupt as a signal
            sent.append(arguments["PartNumber"])
        return once(self, method, arguments)

    monkeypatch.setattr(S3Store, "_once", counted)
    memo: dict[str, Any] = {}
    with pytest.raises(KeyboardInterrupt):
        store.put("large", path, memo, nothing, nothing)
    assert memo["upload"]
    limit[0] = 9
    store.put("large", path, memo, nothing, nothing)
    assert sent == [1, 2, 3, 4]
    assert memo == {}
    assert objects.digest(store, "large") == (hashlib.sha256(path.read_bytes()).hexdigest(), 3 * PART + 5)


def test_more_than_a_page_is_counted(store: S3Store) -> None:
    """S3 lists a thousand names at a time."""
    store.prepare()
    store.files.pipe({f"{store.bucket}/pre/fix/many/{number}": b"x" for number in range(1_003)})
    assert len({seen.name for seen in store.names("many/")}) == 1_003


def test_every_version_is_deleted(store: S3Store, tmp_path: Path) -> None:
    """A versioned bucket keeps what a plain delete hides."""
    store.prepare()
    store.call("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})
    for number in range(3):
        (tmp_path / "file").write_bytes(bytes([number]))
        store.put("file", tmp_path / "file", {}, nothing, nothing)
    store.call("delete_object", Key="pre/fix/file")
    assert store.delete("file") == 4  # three versions and a marker
    assert not store.call("list_object_versions", Prefix="pre/fix/file").get("Versions")


@pytest.mark.parametrize("bucket", ["Bad_Bucket!!", "ab"])
def test_a_name_that_no_bucket_can_have_is_refused_at_once(
    bucket: str, lab: Lab, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not taken for a store that does not answer, and nothing is left of the attempt."""
    del server
    lab.run("store", "data/iris/raw", "--to", f"s3://{bucket}/x", code=2)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "does not answer" not in said
    assert not list(home().work(lab.custodian.policy.origin).iterdir())


def test_a_store_that_does_not_answer_is_one_clear_error(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After some patience; nothing is logged, and nothing lost."""
    monkeypatch.setattr(objects, "PAUSES", (0.01, 0.02))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    lab.run("store", "data/iris/raw", "--to", "s3://bucket/x", "--endpoint", "http://127.0.0.1:1", code=2)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "does not answer" in said
    assert "run the same command again" in said
    assert lab.events()[-1] == "validated"


def test_patience_has_growing_pauses_and_an_end() -> None:
    """What answers the third time is had; what never does is told so."""
    tried: list[int] = []

    def third() -> str:
        tried.append(1)
        if len(tried) < 3:
            raise ConnectionError("not yet")
        return "there"

    assert objects.patiently("s3://x", third, (0.001, 0.001)) == "there"
    tried.clear()
    with pytest.raises(UnreachableError, match="not yet"):
        objects.patiently("s3://x", third, (0.001,))


def test_what_is_disposed_of_leaves_the_bucket(lab: Lab, server: str) -> None:
    """Its objects are deleted in all versions, and its key is destroyed."""
    del server
    lab.run("store", "data/iris/report", "--to", "s3://lab-bucket/custody")
    lab.run("audit")
    lab.run("dispose", "request", "data/iris/report", "--reason", "over", "--yes")
    lab.run("dispose", "approve", "data/iris/report", "--reason", "checked", "--as", "ada", "--yes")
    lab.run("dispose", "execute", "data/iris/report", "--as", "operator")
    with connect("s3://lab-bucket/custody") as found:
        assert not list(found.names())
    lab.run("dispose", "verify", "--as", "operator", "--yes")
    lab.run("audit")


def test_a_set_of_20000_images_is_stored_counted_and_one_proved_singly(lab: Lab, server: str, tmp_path: Path) -> None:
    """The case that this project began with: a missing bucket, 20,000 images, a count, and one of them proved."""
    del server
    folder = lab.root / "data/digits/synthetic"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    batches = (pictures(rng, first, 2_000) for first in range(0, ITEMS, 2_000))
    assert Images().write(folder, "images", batches) == ITEMS
    item = lab.log("digits", "generate", [lab.made[f"iris/{stage}"] for stage in ("ingest", "preprocess", "train")])
    lab.run("store", "data/digits/synthetic", "--to", "s3://fresh-bucket/images")
    with connect("s3://fresh-bucket/images") as found:
        seen = [one.name for one in found.names()]
    said = pairs.mapping(storing.events(lab.custodian, item.digest, "stored")[0]["details"])
    assert said["objects"] == str(len(seen))
    lab.run("fetch", "data/digits/synthetic", "--item", "00012345.png", "--to", str(tmp_path / "one"))
    picture = (tmp_path / "one/00012345.png").read_bytes()
    listed = (tmp_path / "one/manifest.txt").read_text(encoding="utf-8")
    assert listed.count("\n") == ITEMS
    assert f"{hashlib.sha256(picture).hexdigest()}  00012345.png\n" in listed
    whole = (tmp_path / "one/folder.manifest").read_bytes()
    assert f"{hashlib.sha256(listed.encode()).hexdigest()}  manifest.txt\n".encode() in whole
    assert hashlib.sha256(whole).digest() == item.digest
    lab.run("verify", str(tmp_path / "one/entry.tlog-proof"))
    shard = pq.read_table(folder / "images-00001.parquet")
    assert shard.slice(2_345, 1).to_pylist()[0]["png"] == picture


def pictures(rng: np.random.Generator, first: int, count: int) -> ImageSet:
    """Return small grey images, numbered from `first` on."""
    pixels = rng.integers(0, 256, (count, 4, 4, 1), dtype=np.uint8)
    names = tuple(f"{number:08d}.png" for number in range(first, first + count))
    return ImageSet(pixels, np.array(["0"] * count, dtype=object), names)
