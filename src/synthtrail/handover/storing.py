"""Storing: an artifact, encrypted, in an object store, counted there and read back, and an entry that says so.

    <url>/<artifact>/00000.age …   packs of the artifact's files, each sealed to the artifact's own identity
    <url>/<artifact>/index.age     sealed too: the manifest, and BLAKE3 and size of every pack

1. The identity is minted, the plan written into a journal.
2. Pack by pack: sealed (while sealed, each file is hashed and must be what the ledger says), sent, read back, noted.
3. The index likewise.
4. The objects are listed, page by page; number and sizes must be those of the plan.
5. `stored` is appended: place, method, number and size of objects, digest of the index.

Killed anywhere, the same command goes on: what is noted is not done again, an upload that was begun is resumed from the
parts that the store has. Nothing is logged before step 4 has held.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from synthtrail.custody import digest, transitions
from synthtrail.custody.canonical import Value
from synthtrail.custody.errors import ArtifactError, UsageError
from synthtrail.custody.record import Item
from synthtrail.handover import acting, objects, packs, pairs, sealing
from synthtrail.handover.acting import Actor
from synthtrail.handover.connecting import connect
from synthtrail.handover.journal import Journal, OnStep, alone, room
from synthtrail.handover.objects import ObjectStore, OnBytes, StoreError
from synthtrail.handover.packs import Member, Pack
from synthtrail.handover.readback import written
from synthtrail.handover.sealing import Ciphertext, Hash, Identity
from synthtrail.storage.custodian import Custodian
from synthtrail.storage.home import home

INDEX = "index.age"


@dataclass(frozen=True)
class Stored:
    """What lies in the store now: number and bytes of objects, the index's digest; `entry` is None if it was logged."""

    item: Item
    url: str
    count: int
    size: int
    index: str
    entry: int | None


@dataclass(frozen=True)
class Job:
    """One artifact on its way into one store."""

    item: Item
    root: Path
    packs: Sequence[Pack]
    manifest: bytes
    identity: Identity
    store: ObjectStore
    journal: Journal
    aside: Path
    on_bytes: OnBytes

    def name(self, key: str) -> str:
        """Return the object's name below the store's URL."""
        return f"{self.item.digest.hex()}/{key}"


def store(
    found: Custodian,
    actor: Actor,
    item: Item,
    path: Path,
    url: str,
    *,
    endpoint: str | None = None,
    limit: int = packs.LIMIT,
    on_bytes: OnBytes = lambda _: None,
    on_step: OnStep = lambda _: None,
) -> Stored:
    """Store the artifact `item`, whose bytes lie at `path`, below `url`, and log it; see the module docstring.

    Raises `ChangedError` if the bytes are not what the ledger says, `StoreError` for what the store will not do,
    `StorageError` if a disk is full.
    """
    manifest = manifest_of(found, item, path)
    root = path if item.files is not None else path.parent
    plan = packs.plan(packs.members(root, manifest), limit)
    work = home().work(found.policy.origin)
    with room(path), alone(work, [item.digest.hex()]), connect(url, endpoint=endpoint) as target:
        _storable(found, item)
        noted = journal_path(found, item, target.url)
        if not noted.exists():
            known = _already(found, item, target, [*(pack.key for pack in plan), INDEX])
            if known is not None:
                return known
        identity = sealing.mint(home().identities(found.policy.origin), item.digest.hex())
        journal = Journal(noted, _intent(item, target.url, plan), on_step)
        job = Job(item, root, plan, manifest, identity, target, journal, aside_of(noted), on_bytes)
        details = _prepared(job)
        for pack in plan:
            _deliver(job, pack.key, pack.size, partial(packs.stream, root, pack, on_bytes))
        _deliver(job, INDEX, 0, lambda: iter([_index(job)]))
        count, size = _counted(job)
        return _logged(found, actor, job, details, count, size)


def _storable(found: Custodian, item: Item) -> None:
    """Raise `UsageError` before anything is copied if the ledger would not let it be logged as stored."""
    with found.ledger.transaction(datetime.now(UTC)) as tx:  # as it is now, not as it was when this began
        state = tx.state.status(item.digest)
    if transitions.after("stored", state=state) is None:
        raise UsageError(f"{item.path} is {state}, so it cannot be stored any more; nothing was stored")


def manifest_of(found: Custodian, item: Item, path: Path) -> bytes:
    """Return the manifest of an artifact: the one kept when it was signed, else made from what lies at `path`."""
    if item.files is None:
        if not path.is_file():
            raise ArtifactError(f"{path} is no file; nothing was stored")
        return digest.encode_manifest({path.name: item.digest.hex()})
    kept = found.ledger.manifest(item.digest)
    if kept is not None and sha256(kept).digest() == item.digest:
        return kept
    made = digest.manifest(path)
    if sha256(made).digest() != item.digest:
        raise ArtifactError(f"{path} is not what the ledger says was made; nothing was stored")
    return made


def journal_path(found: Custodian, item: Item, url: str) -> Path:
    """Return where the storing of `item` at `url` is noted while it goes on."""
    name = sha256(f"{item.digest.hex()} {url}".encode()).hexdigest()[:24]
    return home().work(found.policy.origin) / f"store-{name}.json"


def aside_of(journal: Path) -> Path:
    """Return the folder in which ciphertext waits until it has arrived."""
    return journal.with_suffix("")


def unfinished(found: Custodian, artifact: bytes) -> list[tuple[str, Path]]:
    """Return the URLs at which a storing of the artifact was begun here and not ended, each with its journal."""
    listed = []
    for path in sorted(home().work(found.policy.origin).glob("store-*.json")):
        noted = json.loads(path.read_bytes())
        if noted["plan"]["artifact"] == artifact.hex() and "prepare" in noted["done"]:
            listed.append((str(noted["plan"]["url"]), path))
    return listed


def forget(found: Custodian, artifact: bytes, url: str) -> None:
    """Delete what a storing at `url` that did not end left on this machine."""
    for place, path in unfinished(found, artifact):
        if place == url:
            shutil.rmtree(aside_of(path), ignore_errors=True)
            path.unlink(missing_ok=True)


def places(found: Custodian, artifact: bytes) -> list[tuple[str, str]]:
    """Return where the ledger says that the artifact was stored: URL and the recipient that it was sealed to."""
    listed: dict[str, str] = {}
    for said in events(found, artifact, "stored"):
        listed[str(said["place"])] = pairs.mapping(said["details"]).get("key", "")
    return list(listed.items())


def events(found: Custodian, artifact: bytes, name: str) -> list[dict[str, Value]]:
    """Return the predicates of every event called `name` about the artifact, in order."""
    state, log = found.ledger.state, found.ledger.log
    row = state.lives.find(artifact)
    said = [log.statement(entry) for entry in (state.lives.history(row) if row >= 0 else [])]
    return [dict(item.predicate) for item in said if item.act.event == name]


def _already(found: Custodian, item: Item, store: ObjectStore, keys: Sequence[str]) -> Stored | None:
    """Return what the ledger says is stored there, if the objects are still there in number and size, to the byte."""
    said = [event for event in events(found, item.digest, "stored") if event["place"] == store.url]
    if not said:
        return None
    told = pairs.mapping(said[-1]["details"])
    prefix = f"{item.digest.hex()}/"
    seen = {one.name: one.size for one in store.names(prefix)}
    whole = set(seen) == {prefix + key for key in keys} and sum(seen.values()) == int(told["bytes"])
    if not whole or objects.digest(store, prefix + INDEX)[0] != told["index.sha256"]:
        return None
    return Stored(item, store.url, len(seen), int(told["bytes"]), told["index.sha256"], None)


def _intent(item: Item, url: str, plan: Sequence[Pack]) -> dict[str, Any]:
    packed = [(pack.key, pack.size) for pack in plan]
    return {"act": "store", "v": 2, "artifact": item.digest.hex(), "url": url, "packs": packed}


def _prepared(job: Job) -> list[tuple[str, str]]:
    """Have the store ready, once: a bucket that this act created is not found to have existed when it goes on."""
    job.journal.step("prepare")
    if not job.journal.has("prepare"):
        try:
            job.journal.done("prepare", details=job.store.prepare())
        except Exception:
            job.journal.finish()  # nothing was begun at that place
            raise
    return [(name, value) for name, value in job.journal.fact("prepare")["details"]]


def _deliver(job: Job, key: str, size: int, plain: Callable[[], Iterator[bytes]]) -> None:
    """Step 2 for one object: seal it unless a whole ciphertext waits, send it, read it back, note it."""
    if job.journal.has(key):
        return
    spool = job.store.spool(job.name(key), job.aside / key)
    sealed = _sealed(job, key, spool, size, plain)
    job.journal.step(f"send {key}")
    memo = job.journal.memo.setdefault(key, {})
    job.store.put(job.name(key), spool, memo, job.journal.save, job.on_bytes)
    job.journal.step(f"check {key}")
    if objects.is_url(job.store.url):  # a folder was read back while it was written
        if objects.digest(job.store, job.name(key), _hashing(key)) != (sealed.digest, sealed.size):
            job.journal.value["done"].pop(f"seal {key}")
            job.journal.save()
            raise StoreError(f"{job.store.url}: {key} reads back differently; run the same command again")
        spool.unlink(missing_ok=True)
    job.journal.memo.pop(key, None)
    job.journal.done(key, digest=sealed.digest, size=sealed.size)


def _sealed(job: Job, key: str, spool: Path, size: int, plain: Callable[[], Iterator[bytes]]) -> Ciphertext:
    """Return the ciphertext at `spool`, made now or by a run that did not get further."""
    step = f"seal {key}"
    if job.journal.has(step):
        known = Ciphertext(**job.journal.fact(step))
        arrived = spool if spool.exists() else None
        if arrived is not None and arrived.stat().st_size == known.size:
            return known
        if not objects.is_url(job.store.url) and _renamed(spool, known):
            spool.with_name(key).replace(spool)  # named before it was noted: `put` names it again
            return known
    job.journal.step(step)
    with written(spool) as out:
        made = sealing.seal(plain(), out, [job.identity.recipient], size=size, hashing=_hashing(key))
    job.journal.done(step, digest=made.digest, size=made.size)
    return made


def _hashing(key: str) -> Callable[[], Hash]:
    """Return how an object is hashed: the index, whose digest stands in the ledger, with SHA-256."""
    return sha256 if key == INDEX else sealing.blake3


def _renamed(spool: Path, known: Ciphertext) -> bool:
    target = spool.with_name(spool.name.removesuffix(".part"))
    return target != spool and target.exists() and target.stat().st_size == known.size


def _index(job: Job) -> bytes:
    """Return what the index says: enough to find, check and unpack every file of the artifact."""
    facts = [(pack, job.journal.fact(pack.key)) for pack in job.packs]
    listed = [
        {"key": pack.key, "files": len(pack.members), "blake3": fact["digest"], "size": fact["size"]}
        for pack, fact in facts
    ]
    value = {
        "v": 1,
        "artifact": job.item.digest.hex(),
        "kind": job.item.kind,
        "sizes": [member.size for pack in job.packs for member in pack.members],
        "manifest": job.manifest.decode(),
        "packs": listed,
    }
    return json.dumps(value, sort_keys=True).encode()


def _counted(job: Job) -> tuple[int, int]:
    """Step 4: return number and bytes of the artifact's objects, which must be exactly those of the plan."""
    job.journal.step("count")
    wanted = {job.name(key): job.journal.fact(key)["size"] for key in (*(pack.key for pack in job.packs), INDEX)}
    seen = {item.name: item.size for item in job.store.names(f"{job.item.digest.hex()}/")}
    lost = sorted(name for name, size in wanted.items() if seen.get(name) != size)
    if lost:
        for name in lost:
            job.journal.value["done"].pop(name.rpartition("/")[2], None)
        job.journal.save()
        raise StoreError(
            f"{job.store.url}: {len(lost)} of {len(wanted)} objects are missing or short, {lost[0]} among them; "
            "nothing was logged: run the same command again"
        )
    for name in seen.keys() - wanted.keys():  # of an earlier storing with other packs
        job.store.delete(name)
    return len(wanted), sum(wanted.values())


def _logged(found: Custodian, actor: Actor, job: Job, extra: list[tuple[str, str]], count: int, size: int) -> Stored:
    """Step 5: append `stored`, unless a run that was killed right after it did."""
    index = job.journal.fact(INDEX)["digest"]
    details = {
        "objects": str(count),
        "bytes": str(size),
        "index.sha256": index,
        "key": job.identity.recipient,
        "checked": "every object read back; all counted",
        **dict(extra),
    }
    before = [pairs.mapping(said["details"]).get("index.sha256") for said in events(found, job.item.digest, "stored")]
    entry = None
    if index not in before:
        job.journal.step("log")
        fields: dict[str, Value] = {
            "place": job.store.url,
            "method": sealing.METHOD,
            "details": pairs.listed(details.items()),
        }
        entry = acting.say(found, actor, "stored", [job.item], fields).entry
        job.journal.step("logged")
    job.journal.finish()
    if job.aside.is_dir():
        job.aside.rmdir()
    return Stored(job.item, job.store.url, count, size, index, entry)


def where(found: Custodian, artifact: str) -> tuple[Item, Path]:
    """Return the logged artifact that `artifact` means, and where its bytes lie here.

    What the latest record has at a path counts, and is hashed while it is sealed; raises `UsageError` if it is not
    here.
    """
    latest = acting.lineage_of(found, Path(artifact)) if Path(artifact).exists() else None
    item = acting.item(found, latest) if latest is not None else acting.subject(found, artifact)
    path = Path(artifact) if Path(artifact).exists() else found.root / item.path
    if not path.exists():
        raise UsageError(
            f"{path} is not here; `synthtrail fetch {item.digest.hex()[:16]}` or `dvc checkout` brings it back"
        )
    return item, path


def member_packs(found: dict[str, Any]) -> list[Pack]:
    """Return the packs that an index describes."""
    names = digest.parse_manifest(found["manifest"].encode())
    listed = [Member(name, sha, size) for (name, sha), size in zip(names.items(), found["sizes"], strict=True)]
    cut, start = [], 0
    for pack in found["packs"]:
        cut.append(Pack(pack["key"], tuple(listed[start : start + pack["files"]])))
        start += pack["files"]
    return cut


def machine(found: Custodian) -> Actor:
    """Return the operator that signs for this checkout's machine; raise `UsageError` if the ledger ended its key."""
    key = found.ledger.state.keys.get(found.operator.name)
    if key is None or not acting.good(found.ledger.state, key):
        raise UsageError(f"{found.operator.name} may not sign any more; `synthtrail key list` shows who may")
    return Actor(found.operator, key.role, key.person, key.organisation, protected=False)
