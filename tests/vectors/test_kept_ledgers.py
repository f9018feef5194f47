"""Ledgers of every version that was ever kept are read as they were: byte for byte the same reports."""

from pathlib import Path

import pytest

from synthtrail.custody import archive, canonical, dsse, entry, erasure, tiles
from synthtrail.custody import policy as policies
from synthtrail.custody.events import EVENTS
from synthtrail.custody.log import Log
from synthtrail.custody.verify import verify
from tests.unit.test_other_verifier import by_other, compare
from tests.vectors.kept_ledgers import EXPECTED, FOLDER, expected

VERSIONS = sorted(path for path in FOLDER.iterdir() if path.is_dir())


@pytest.fixture(params=VERSIONS, ids=lambda path: path.name)
def kept(request: pytest.FixtureRequest) -> Path:
    """The folder of one kept ledger."""
    found: Path = request.param
    return found


def test_the_same_reports(kept: Path) -> None:
    """What is found in the ledger, what its status proof shows, and what became of every artifact."""
    found = expected(kept)
    for name in EXPECTED:
        assert found[name] == (kept / name).read_bytes(), f"{kept / name}: see tests/vectors/ledgers/README.md"


def test_it_holds_and_the_one_file_verifier_agrees(kept: Path) -> None:
    """Levels A, B and C, with the certificate of its disposal in order."""
    policy = policies.parse((kept / "policy.json").read_bytes())
    now = canonical.parse_time((kept / "now").read_text(encoding="utf-8"))
    since = (kept / "kept-checkpoint").read_bytes()
    with (kept / "ledger.zip").open("rb") as file:
        bundle = archive.Archive(file)
        report = verify(bundle, policy, now=now, since=since)
        assert report.state is not None
        certificates = {
            name: bundle.read(name.removeprefix("ledger/"))
            for name in bundle.paths
            if name.startswith(archive.CERTIFICATES)
        }
        wrong = erasure.check(
            report.state,
            Log(bundle.read, report.size),
            certificates=lambda digest: certificates.get(f"{archive.CERTIFICATES}{digest.hex()}.json"),
        )
    assert (report.claims, report.findings) == (("A", "B", "C"), ())
    assert {one.severity for one in wrong} <= {"warning"}  # of the disposal that has no certificate
    compare(report, by_other(kept / "ledger.zip", policy, now, since))


def test_every_event_of_that_version_stands_in_it() -> None:
    """In the newest one: whatever can be said today was kept."""
    with (VERSIONS[-1] / "ledger.zip").open("rb") as file:
        bundle = archive.Archive(file)
        size = int(bundle.read("checkpoint").splitlines()[1])
        entries = tiles.read_entries(bundle.read, 0, size, size)
        kinds = {
            canonical.decode_object(dsse.parse(entry.parse(data).envelope).payload)["predicateType"] for data in entries
        }
    assert kinds == {spec.predicate_type for spec in EVENTS.values()}


def test_they_stay_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 300 * 1024 * len(VERSIONS)
