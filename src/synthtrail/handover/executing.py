"""Carrying out an approved disposal, step by step, so that `kill -9` at any of them leaves nothing half-disposed.

The steps are those of `handover.disposal`; each is noted in a journal when it is done, and each may be taken again.
What is to be destroyed and deleted is noted before it is; what the certificate claims is read from the journal at the
end. Every step that destroys something is taken under the ledger's lock, after a look for holds (`handover.halting`).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from synthtrail.custody import canonical, digest
from synthtrail.custody import certificate as certificates
from synthtrail.custody.certificate import Certificate, Decision, DestroyedKey, Hand, Subject
from synthtrail.custody.errors import CustodyError
from synthtrail.custody.record import Item
from synthtrail.handover import acting, disposal, halting, holds, leftovers, places, shred, storing, survey, telling
from synthtrail.handover import sweep as sweeping
from synthtrail.handover.acting import Actor
from synthtrail.handover.claims import claimed, copies_in_dvc
from synthtrail.handover.connecting import connect
from synthtrail.handover.journal import Journal, OnStep, alone, room
from synthtrail.handover.places import Unreached
from synthtrail.handover.survey import StoredAt, Survey
from synthtrail.handover.sweep import Copy, Memory, Swept, Wanted
from synthtrail.handover.turning_off import turn_off
from synthtrail.storage import disposed
from synthtrail.storage.custodian import Custodian
from synthtrail.storage.files import write_json
from synthtrail.storage.home import home

ROUNDS = 3  # deletions and sweeps until nothing is found; more would mean that something writes copies
LOOKED = "after deletion, the same program compared the files of the places listed with those disposed of, by SHA-256"
PASSED_OVER = "files of other sizes were passed over, since they cannot be copies"
Purge = Callable[[Path, list[str]], Mapping[str, str]]


@dataclass(frozen=True)
class Job:
    """A disposal under way."""

    found: Custodian
    actor: Actor
    items: list[Item]
    approval: str
    journal: Journal
    survey: Survey
    endpoint: str | None
    purge: Purge

    @property
    def root(self) -> Path:
        """The checkout."""
        return self.found.root

    @property
    def origin(self) -> str:
        """The ledger's origin."""
        return self.found.policy.origin


def execute(
    found: Custodian,
    actor: Actor,
    items: list[Item],
    *,
    purge: Purge,
    endpoint: str | None = None,
    on_step: OnStep = lambda _: None,
) -> tuple[Certificate, int]:
    """Carry out the approved disposal of `items`; the certificate, and the entry of `disposal-executed`.

    `purge` deletes runs from the tracking database and says of each `deleted`, `absent`, or why not. Raises
    `UsageError` if the disposal is not approved, or held.
    """
    path, approval = _unfinished(found, items) or _waiting(found, items)
    subjects = list(disposal.statement_of(found, approval).subjects)
    work = home().work(found.policy.origin)
    with room(work), alone(work, [item.digest.hex() for item in subjects]):
        if any(found.ledger.state.status(item.digest) != "disposed" for item in subjects):
            holds.refuse(found, subjects)
        journal = Journal(path, {"act": "dispose", "approval": approval}, on_step)
        job = Job(found, actor, subjects, approval, journal, _surveyed(found, subjects, journal), endpoint, purge)
        _draft(job).encode()
        with halting.truthful(found, actor, job.items, job.journal):
            _carry_out(job)
            _once(job, "time", lambda: {"at": canonical.format_time(datetime.now(UTC))})
            made = _certificate(job)
            entry = _logged(job, made)
        _told(job, made)
        job.journal.finish()
    return made, entry


def _carry_out(job: Job) -> None:
    """Steps 2 to 5."""
    _unheld(job, "off", lambda: {"experiments": turn_off(job.root, job.survey.experiments)})
    _unheld(job, "keys", lambda: {"destroyed": _destroy_keys(job)})
    _unheld(job, "runs", lambda: _purged(job))
    _delete_copies(job)
    _unheld(job, "records", lambda: {"removed": _remove_records(job)})
    _once(job, "stores", lambda: {"stores": [_emptied(job, at) for at in job.survey.stores]})
    _once(job, "swept", lambda: {"sweeps": [_outline(swept) for swept in _swept(job)]})


def memory(origin: str) -> Memory:
    """Return what sweeps of this ledger's places remember."""
    return Memory(home().state / home().work(origin).parent.name / "swept" / "memory.json")


def _waiting(found: Custodian, items: list[Item]) -> tuple[Path, str]:
    """Return where the disposal of `items`, which is approved, will be noted, and its approval."""
    approval, _ = disposal.waiting(found, "disposal-approved", items)
    return home().work(found.policy.origin) / f"dispose-{approval[:24]}.json", approval


def _surveyed(found: Custodian, subjects: list[Item], journal: Journal) -> Survey:
    """Step 1, unless it was taken before: nothing could be found out again later."""
    if not journal.has("survey"):
        journal.step("survey")
        journal.done("survey", **survey.make(found, subjects).to_json())
    return Survey.from_json(journal.fact("survey"))


def _unfinished(found: Custodian, items: list[Item]) -> tuple[Path, str] | None:
    """Return the journal and the approval of a disposal of `items` that was begun here."""
    wanted = {item.digest.hex() for item in items}
    for path in sorted(home().work(found.policy.origin).glob("dispose-*.json")):
        kept = json.loads(path.read_bytes())
        named = kept["done"].get("survey", {}).get("artifacts", [])
        if wanted & {item["sha256"] for item in named}:
            return path, str(kept["plan"]["approval"])
    return None


def _once(job: Job, step: str, act: Callable[[], dict[str, Any]]) -> None:
    if not job.journal.has(step):
        job.journal.step(step)
        job.journal.done(step, **act())


def _unheld(job: Job, step: str, act: Callable[[], dict[str, Any]]) -> None:
    """Take a step that destroys something, unless a hold has come; none can come while it is taken."""
    if not job.journal.has(step):
        with halting.unheld(job.found, job.items):
            _once(job, step, act)


def _destroy_keys(job: Job) -> list[dict[str, str]]:
    """Step 3. A key that is gone was destroyed by a run that was killed before it noted so: the survey saw it."""
    made = []
    for key in job.survey.keys:
        job.journal.step(f"key {key.kind}")
        if key.tombstone:
            disposed.bury(Path(key.tombstone), f"approved by event {job.approval}", key.slot)
        shred.destroy(Path(key.path))
        place = f"key store of {job.origin}"
        made.append({"name": key.name, "kind": key.kind, "place": place, "method": shred.METHOD})
    return made


def _purged(job: Job) -> dict[str, Any]:
    try:
        return {"runs": dict(job.purge(job.root, job.survey.runs))}
    except Exception as error:
        why = f"not reached: {type(error).__name__}: {telling.told(error)}"
        return {"runs": dict.fromkeys(job.survey.runs, why)}


def _delete_copies(job: Job) -> None:
    """Step 4: note what is found, delete what is noted; until a round finds nothing more."""
    for number in range(ROUNDS):
        found, deleted = f"found {number}", f"deleted {number}"
        if not job.journal.has(found):
            job.journal.step(found)
            job.journal.done(found, copies=[asdict(copy) for copy in _found(job)])
        listed = [Copy(**copy) for copy in job.journal.fact(found)["copies"]]
        if not listed:
            return
        if not job.journal.has(deleted):
            job.journal.step(deleted)
            _delete(job, listed)
            job.journal.done(deleted)


def _found(job: Job) -> Iterator[Copy]:
    remembered = memory(job.origin)
    with ExitStack() as stack:
        for place in places.of(job.root, job.origin, stack, job.endpoint):
            if not isinstance(place, Unreached):
                yield from sweeping.sweep(place, _wanted(job), remembered).copies
                yield from copies_in_dvc(place, job.survey)
    remembered.save()


def _delete(job: Job, listed: list[Copy]) -> None:
    with ExitStack() as stack:
        reached = {
            place.name: place
            for place in places.of(job.root, job.origin, stack, job.endpoint)
            if not isinstance(place, Unreached)
        }
        for number, copy in enumerate(listed):
            if number < 3:  # the steps of a test; a thousand more would be alike
                job.journal.step("delete")
            if copy.place in reached:
                with halting.unheld(job.found, job.items):
                    reached[copy.place].delete(copy.name)


def _remove_records(job: Job) -> int:
    """Remove the records of what is gone from the workspace, and the facts spooled with them; the ledger has them.

    What folders of it still hold goes too (`leftovers`).
    """
    leftovers.remove(job.found, job.items, set(job.survey.spared))
    count = 0
    for name in job.survey.records:
        (job.root / "mlruns/spool" / f"{name}.json").unlink(missing_ok=True)
    for path in sorted((job.root / "data/records").glob("*/*.json")):
        if digest.file(path).sha256 in job.survey.records:
            path.unlink()
            count += 1
    return count


def _wanted(job: Job) -> Wanted:
    return Wanted(job.survey.wanted, None if job.survey.sizes is None else set(job.survey.sizes))


def _emptied(job: Job, at: StoredAt) -> dict[str, str]:
    """Delete the ciphertext of an artifact from a store; where that cannot be reached, the key is gone all the same."""
    count = 0
    storing.forget(job.found, bytes.fromhex(at.artifact), at.url)
    try:
        with connect(at.url, endpoint=job.endpoint) as store:
            for seen in list(store.names(f"{at.artifact}/")):
                job.journal.step("delete stored")
                with halting.unheld(job.found, job.items):
                    count += store.delete(seen.name)
    except halting.HeldError:
        raise
    except (CustodyError, OSError) as error:
        return asdict(at) | {"objects": str(count), "why": telling.told(error)}
    return asdict(at) | {"objects": str(count), "why": ""}


def _swept(job: Job) -> list[Swept]:
    with ExitStack() as stack:
        return sweeping.sweep_all(
            places.of(job.root, job.origin, stack, job.endpoint), _wanted(job), memory(job.origin)
        )


def _outline(swept: Swept) -> dict[str, Any]:
    return {"place": swept.place, "outcome": swept.outcome, "files": swept.files, "bytes": swept.bytes}


def _draft(job: Job) -> Certificate:
    """The certificate before anything was done: what cannot be said in the end must be known before the beginning."""
    return _stated(job, canonical.format_time(datetime.now(UTC)), (), (), ())


def _certificate(job: Job) -> Certificate:
    """Step 6: the same bytes whenever it is made, since everything in it stands in the journal or in the ledger."""
    note = job.journal.fact
    keys = tuple(DestroyedKey(**key) for key in note("keys")["destroyed"])
    sweeps = tuple(certificates.Sweep(**swept) for swept in note("swept")["sweeps"])
    return _stated(job, note("time")["at"], tuple(claimed(job.journal, job.survey)), keys, sweeps)


def _stated(
    job: Job,
    at: str,
    copies: tuple[certificates.Copy, ...],
    keys: tuple[DestroyedKey, ...],
    sweeps: tuple[certificates.Sweep, ...],
) -> Certificate:
    told = job.survey
    hand = Hand(job.actor.name, job.actor.person, job.actor.role, job.actor.organisation, at)
    kept = disposal.decisions(job.found, job.approval)
    decided = [Decision(name, "kept", why) for name, why in sorted(kept.items())]
    decided += [Decision(item["sha256"], "disposed", "with this certificate") for item in told.artifacts[1:]]
    return Certificate(
        ledger=job.origin,
        approval=job.approval,
        reason=disposal.reason(job.found, job.approval),
        artifacts=tuple(Subject(item["sha256"], item["kind"], item["path"], item["class"]) for item in told.artifacts),
        copies=copies,
        keys=keys,
        sweeps=sweeps,
        descendants=tuple(decided),
        tool=("synthtrail", metadata.version("synthtrail")),
        performed=hand,
        verified=hand,
        verification=LOOKED if told.sizes is None else f"{LOOKED}; {PASSED_OVER}",
        destination="disks and buckets stay in use; the ledger keeps digests, file names, parameters and scores",
    )


def _logged(job: Job, made: Certificate) -> int:
    state = job.found.ledger.state
    if all(state.status(item.digest) == "disposed" for item in job.items):
        return disposal.disposed(job.found)[job.items[0].digest][0]
    job.journal.step("log")
    entry = disposal.executed(job.found, job.actor, made).entry
    job.journal.step("logged")
    return entry


def _told(job: Job, made: Certificate) -> None:
    """Tell the stages, and keep for later sweeps what sizes to look for."""
    disposed.load(job.root / "ledger")
    for key in job.survey.keys:
        if key.tombstone:
            disposed.bury(Path(key.tombstone), f"certificate {made.digest.hex()}", key.slot)
    if job.survey.sizes is not None:
        write_json(sizes_path(job.origin, made.digest.hex()), job.survey.sizes)


def sizes_path(origin: str, certificate: str) -> Path:
    """Return where the sizes of the files that a certificate is about are kept for later sweeps."""
    return memory(origin).path.with_name(f"{certificate}.sizes.json")


def subjects(found: Custodian, artifacts: list[str]) -> list[Item]:
    """Return the logged artifacts that `artifacts` mean."""
    return [acting.subject(found, artifact) for artifact in artifacts]
