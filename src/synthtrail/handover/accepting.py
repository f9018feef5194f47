"""The receiver's side of a transfer: verify what was offered, take it, countersign it.

1. The policy of the sender is pinned on this machine, and its ledger, which lies in the parcel, holds under it. It also
   extends what this machine saw of that ledger the last time.
2. The ledger has the offer, open, not expired, of an artifact that was approved, to a key that is here.
3. The content opens with the receiver's age identity, and its digest, computed here, is the one that was offered.
4. The artifact is put in its place, and the receipt into the receiver's own ledger (`receipt`).
5. The acceptance, with the digest computed in step 3, is signed for the *sender's* ledger and left in the parcel.

Each step can be repeated: what is done already is found done. An answer that follows a state of the sender's ledger
which is no longer the present one is signed anew.
"""

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from synthtrail.custody import digest, policy, verify
from synthtrail.custody.archive import LEDGER, Archive
from synthtrail.custody.digest import Digest
from synthtrail.custody.errors import ArtifactError, CustodyError, DataError, UsageError
from synthtrail.custody.keyring import Key
from synthtrail.custody.log import Log
from synthtrail.custody.policy import Policy
from synthtrail.custody.record import Item
from synthtrail.custody.report import Report
from synthtrail.custody.state import Request, State
from synthtrail.custody.statement import Statement
from synthtrail.handover import parcel
from synthtrail.handover.acting import Actor, Saying, signed
from synthtrail.handover.parcel import Answer, Pointer
from synthtrail.handover.receiving import identity_for
from synthtrail.storage.custodian import Custodian
from synthtrail.storage.files import flush_folder, write_bytes
from synthtrail.storage.home import home
from synthtrail.storage.keys import Ask, KeyFile, key_files, load_key

SEEN = "seen-checkpoint"
SHARED = ("approved", "released")


@dataclass(frozen=True)
class Offered:
    """A parcel whose ledger was verified: what the sender says there, and which key of this machine it is for."""

    folder: Path
    pointer: Pointer
    policy: Policy
    state: State
    log: Log
    level: str
    offer: Statement
    entry: int
    file: KeyFile
    key: Key

    @cached_property
    def item(self) -> Item:
        """The artifact as the event that made it names it."""
        wanted = self.offer.act.subjects[0]
        named = self.log.statement(self.state.lives.maker(self.state.lives.find(wanted))).subjects
        return next(item for item in named if item.digest == wanted)

    @property
    def request(self) -> Request | None:
        """The offer while it waits for an answer."""
        return self.state.requests.get(self.offer.act.digest)

    def mine(self) -> list[Answer]:
        """Return the answers of this machine that lie in the parcel and that the sender's ledger does not have yet."""
        every = [answer for answer in parcel.answers(self.folder) if isinstance(answer, Answer)]
        known = self.state.events
        return [one for one in every if one.act.actor == self.key.name and one.act.digest not in known]

    def chain(self, now: datetime) -> list[Answer]:
        """Return those of `mine` that the sender can still enter one after another: each follows the one before."""
        oldest = now.timestamp() - self.policy.max_delay
        found: list[Answer] = []
        head = list(self.state.previous((self.item.digest,)))
        for answer in self.mine():
            if list(answer.act.previous) == head and answer.act.at / 1_000_000 > oldest:
                found.append(answer)
                head = [(self.item.digest, answer.act.digest)]
        return found


def look(found: Custodian, folder: Path) -> Offered:
    """Verify the parcel in `folder` (steps 1 and 2, without asking whether the offer is still open).

    Raises `UsageError` for what the receiver must settle, `DataError` for what is wrong with the parcel.
    """
    what = parcel.pointer(folder)
    pinned = home().policy(what.ledger)
    if not pinned.exists():
        raise UsageError(f"no policy is pinned here for {what.ledger}; get it from its owner, `synthtrail policy pin`")
    trusted = policy.parse(pinned.read_bytes())
    report, state, log = _verified(folder / parcel.LEDGER, trusted)
    entry = state.events.find(bytes.fromhex(what.offer))
    offer = log.statement(entry) if entry >= 0 else None
    if offer is None or offer.act.event != "transfer-offered":
        raise DataError(f"{folder}: the ledger of {what.ledger} has no such offer", code="answer-wrong")
    file, key = _receiver(found, state, offer.act.text("receiver"))
    return Offered(folder, what, trusted, state, log, report.level or "", offer, entry, file, key)


def check_open(offered: Offered, now: datetime) -> None:
    """Raise `UsageError` unless the offer still waits for an answer (step 2)."""
    if offered.request is None:
        raise UsageError(f"{offered.folder}: the offer of entry {offered.entry} was answered, or withdrawn as expired")
    expires = offered.offer.act.moment("expires")
    if expires is not None and now.timestamp() * 1_000_000 > expires:
        raise UsageError(
            f"{offered.folder}: the offer expired on {offered.offer.predicate['expires']}; ask for another"
        )
    state = offered.state.status(offered.item.digest)
    if state not in SHARED:
        raise UsageError(f"{offered.item.path}: its sender's ledger says {state}, not approved; do not use it")


def take(found: Custodian, offered: Offered, target: Path) -> Digest:
    """Put the artifact at `target` and return its digest as computed here (steps 3 and 4)."""
    wanted = offered.item.digest.hex()
    if target.exists():
        there = digest.artifact(target)
        if there.sha256 != wanted:
            raise UsageError(f"{target}: something else lies here; choose another place with --name")
        return there
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".receiving.") as name:
        stage = Path(name) / "artifact"
        _open(found, offered, Path(name) / "content.tar", stage)
        whole = stage if offered.item.files is not None else next(stage.iterdir())
        computed = digest.artifact(whole)
        if computed.sha256 != wanted:
            raise ArtifactError(
                f"the content has the digest {computed.sha256[:16]}…, and {wanted[:16]}… was offered; refuse it",
                code="artifact-changed",
            )
        whole.rename(target)
    flush_folder(target.parent)
    return computed


def acceptance(offered: Offered, computed: Digest) -> Saying:
    """Return what the receiver countersigns: the offer, and the digest that it computed itself."""
    item = Item(offered.item.path, bytes.fromhex(computed.sha256), computed.size, computed.files)
    return Saying("transfer-accepted", [item], {"request": offered.pointer.offer})


def rejection(offered: Offered, reason: str) -> Saying:
    """Return what the receiver signs who does not want the artifact."""
    return Saying("transfer-rejected", [offered.item], {"request": offered.pointer.offer, "reason": reason})


def waiting(offered: Offered, event: str, now: datetime) -> Answer | None:
    """Return an answer of this kind that lies in the parcel and that the sender can still enter; None if none does.

    Raises `UsageError` if the offer was answered the other way.
    """
    other = {"transfer-accepted": "transfer-rejected", "transfer-rejected": "transfer-accepted"}[event]
    chain = offered.chain(now)
    for answer in chain:
        if answer.act.event == other:
            raise UsageError(f"{answer.path}: you answered this offer already: {other}")
    return next((answer for answer in chain if answer.act.event == event), None)


def sign(offered: Offered, saying: Saying, ask: Ask, now: datetime) -> Path:
    """Sign an answer for the sender's ledger, and leave it in the parcel; return where (step 5).

    It follows the answers that lie there already; those that can no longer be entered are taken away.
    """
    chain = offered.chain(now)
    signer = load_key(offered.file.path.parent, offered.file.label, ask)
    for answer in offered.mine():
        if answer not in chain:
            answer.path.unlink()
    for answer in chain:
        offered.state.take(answer.act, answer.act.at)
    actor = Actor(signer, offered.key.role, offered.key.person, offered.key.organisation, offered.file.protected)
    return parcel.put_answer(offered.folder, signed(offered.state, actor, saying, now))


def _verified(bundle: Path, trusted: Policy) -> tuple[Report, State, Log]:
    """Verify the sender's ledger, and remember how far it was seen."""
    seen = home().guard(trusted.origin).parent / SEEN
    since = seen.read_bytes() if seen.exists() else None
    try:
        with bundle.open("rb") as file:
            archive = Archive(file)
            report = verify.verify(archive, trusted, now=datetime.now(UTC), since=since)
            if not report.ok or report.state is None:
                why = next((str(finding) for finding in report.findings if finding.severity == "error"), "no level")
                raise DataError(f"{bundle}: the sender's ledger does not hold: {why}", code="ledger")
            checkpoint = archive.read("checkpoint")
            inner = [path.removeprefix(LEDGER) for path in archive.paths if path.startswith(LEDGER)]
            pages = {path: archive.read(path) for path in inner}
    except OSError as error:
        raise UsageError(f"{bundle}: cannot be read: {error.strerror or error}") from None
    if checkpoint != since:
        write_bytes(seen, checkpoint, mode=0o600)
    return report, report.state, Log(pages.__getitem__, report.size)


def _receiver(found: Custodian, state: State, name: str) -> tuple[KeyFile, Key]:
    key = state.keys.get(name)
    here = [file for file in key_files(home().keys(found.policy.origin)) if key and file.verifier == key.verifier]
    if key is None or not here:
        raise UsageError(f"this offer is for {name}, whose key is not on this machine")
    return here[0], key


def _open(found: Custodian, offered: Offered, plain: Path, stage: Path) -> None:
    """Decrypt the content to the file `plain`, and unpack it into the folder `stage`."""
    from synthtrail.handover import sealing  # noqa: PLC0415 - the encryption library is an extra

    sealed = parcel.check_sealed(offered.folder, offered.pointer)
    identity = identity_for(offered.file.path.parent, offered.file.label)
    try:
        with sealed.open("rb") as source, plain.open("wb") as target:
            sealing.unseal(source, target, identity)
    except CustodyError as error:
        raise DataError(f"{sealed}: {error}", code="sealed") from None
    stage.mkdir()
    with plain.open("rb") as source:
        parcel.unpack(source, stage)
    plain.unlink()
