"""Ledgers that earlier versions made, which every later version must read as they did.

    python -m tests.vectors.kept_ledgers v2            keep a ledger of today's format under the name v2
    python -m tests.vectors.kept_ledgers v1 --reword   only what is expected of it, after a change of wording

Each lies in `tests/vectors/ledgers/<name>/`, whose README says what its files are. A kept ledger is never made anew.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from synthtrail.custody import acts, archive, canonical, carried, certificate, proofcheck, shapes
from synthtrail.custody import policy as policies
from synthtrail.custody.archive import Archive
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.canonical import Value
from synthtrail.custody.certificate import Certificate, Copy, DestroyedKey, Hand, Subject, Sweep
from synthtrail.custody.report import Report
from synthtrail.custody.verify import verify
from tests.unit.custody.ledger_factory import (
    ADA,
    BOB,
    OPERATOR,
    ROOTS,
    WITNESSES,
    World,
    good_world,
    item,
    key,
)
from tests.unit.test_other_verifier import happen, sum_up

FOLDER = Path(__file__).parent / "ledgers"
EXPECTED = ("report.json", "status.json", "standings.json")
SEALED = "age1qqpzyxjg3mrc9p5ugz2uwr5pp4rw3mh0lrnx3w0h8a3nqv7m5sgqz7ev0y"


def make(folder: Path) -> None:
    """Write a ledger in which every event stands, its policy, a checkpoint from its middle, and a status proof."""
    with tempfile.TemporaryDirectory() as scratch:
        world = good_world(Path(scratch))
        files = {"kept-checkpoint": world.ledger.checkpoint}
        world.act("rejected", ADA, on=[item("wine", "generate")], meaning="approval", fields={"reason": "too few rows"})
        dispose(world)
        files["iris.status"] = status_proof(world, item("iris", "generate").digest)
        happen(world)
        change_keys_and_policy(world)
        world.act("ledger-closed", *ROOTS, fields={"reason": "kept as it is"})
        world.cosign(*WITNESSES[:2])
        members = [*archive.ledger_members(FolderReader(world.path).read), *certificates(world.path)]
        with (folder / "ledger.zip").open("wb") as file:
            archive.write(file, members)
    files |= {"policy.json": world.policy.encode(), "now": canonical.format_time(world.now).encode()}
    for name, data in files.items():
        (folder / name).write_bytes(data)


def dispose(world: World) -> None:
    """Dispose of an artifact of which one copy lay in the workspace and one, encrypted, in a store."""
    found = item("wine", "validate")
    asked = world.act("disposal-requested", BOB, on=[found], fields={"reason": "made in vain"})
    agreed: dict[str, Value] = {"request": asked, "reason": "agreed"}
    approval = world.act("disposal-approved", ADA, on=[found], meaning="approval", fields=agreed)
    hand = Hand(OPERATOR.name, "", "operator", "Ward 4", canonical.format_time(world.now))
    made = Certificate(
        ledger=world.policy.origin,
        approval=approval,
        reason="made in vain",
        artifacts=(Subject(found.digest.hex(), "folder", found.path, "confidential"),),
        copies=(
            Copy(found.digest.hex(), "workspace", found.path, "plaintext", certificate.DELETED),
            Copy(found.digest.hex(), "store", "s3://ward/report.age", "ciphertext", certificate.KEY_DESTROYED, SEALED),
        ),
        keys=(DestroyedKey(SEALED, "age", "key store", "deleted"),),
        sweeps=(Sweep("workspace", "clean", 12, 3456),),
        descendants=(),
        tool=("synthtrail", "0.1.0"),
        performed=hand,
        verified=hand,
        verification="sweep by digest",
        destination="media stay in use",
    )
    details: list[Value] = [dict(pair) for pair in shapes.from_pairs(tuple(made.details()))]
    stated = world.ledger.keep_certificate(made.encode())
    fields: dict[str, Value] = {"request": approval, "certificate": stated, "details": details}
    world.act("disposal-executed", OPERATOR, on=[found], fields=fields)


def status_proof(world: World, artifact: bytes) -> bytes:
    """State the statuses, have the head cosigned, and prove one of them."""
    sum_up(world)
    world.cosign(*WITNESSES[:2])
    return carried.prove_status(FolderReader(world.path).read, world.ledger.checkpoint, world.ledger.state, artifact)


def change_keys_and_policy(world: World) -> None:
    """The events that no other story tells."""
    new = key("operator-2")
    world.act("key-rotated", *ROOTS, fields={"key": new.verifier.vkey(), "replaces": OPERATOR.name})
    policy = replace(world.policy, retention=(("confidential", "P10Y"),), timestamp_roots=(b"0 no certificate",))
    world.act("policy-changed", *ROOTS, fields=acts.policy_fields(policy))
    world.policy = policy


def certificates(folder: Path) -> Iterator[archive.Member]:
    """The certificates of disposals that are kept beside a ledger."""
    for path in sorted((folder / "certificates").iterdir()):
        yield archive.member(archive.CERTIFICATES + path.name, path.read_bytes())


def expected(folder: Path) -> dict[str, bytes]:
    """What today's code finds in a kept ledger: the report, the proof's report, and the standing of every artifact."""
    policy = policies.parse((folder / "policy.json").read_bytes())
    now = canonical.parse_time((folder / "now").read_text(encoding="utf-8"))
    with (folder / "ledger.zip").open("rb") as file:
        report = verify(Archive(file), policy, now=now, since=(folder / "kept-checkpoint").read_bytes())
    proved = proofcheck.check((folder / "iris.status").read_bytes(), policy, now=now)
    values = (report.as_json(), proved.as_json(), standings(report))
    return {name: _pretty(value) for name, value in zip(EXPECTED, values, strict=True)}


def standings(report: Report) -> dict[str, Value]:
    """Word and state of each artifact, by digest; and what each slot has."""
    state = report.state
    if state is None:
        return {}
    artifacts = [state.lives.ids[row] for row in range(len(state.lives))]
    slots: dict[str, Value] = {name: [slot.record.hex(), slot.entry, slot.first] for name, slot in state.slots.items()}
    found = {artifact.hex(): state.standing(artifact) for artifact in artifacts}
    return {
        "artifacts": {name: [one.word, one.state, one.event.hex()] for name, one in found.items()},
        "slots": slots,
        "statusRoot": state.status_root().hex(),
    }


def _pretty(value: Value) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def main() -> int:
    """Keep a ledger, or say anew what is expected of one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="the version, as v2")
    parser.add_argument("--reword", action="store_true", help="write only what is expected of a ledger that is kept")
    given = parser.parse_args()
    folder = FOLDER / given.name
    if folder.exists() != given.reword:
        sys.exit(f"{folder}: {'there is no such ledger' if given.reword else 'kept already, and never made anew'}")
    if not given.reword:
        with tempfile.TemporaryDirectory() as scratch:
            make(Path(scratch))
            shutil.copytree(scratch, folder)
    for name, data in expected(folder).items():
        (folder / name).write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
