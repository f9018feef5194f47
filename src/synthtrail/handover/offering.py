"""The sender's side of a transfer: an offer, the parcel that carries it, and the answers that come back.

    offer ──▶ parcel ──▶ the receiver accepts ──▶ `receive` enters the acceptance
                     └─▶ … rejects ──▶ `receive` enters the rejection
                     └─▶ nobody answers until the offer expires ──▶ `expire`

Every step can be repeated: an offer of the same artifact to the same receiver that is still open is continued, the
parcel is brought up to date, and an answer that the ledger has already is skipped. So whoever was interrupted runs the
command again.

The content of a `confidential` artifact goes into the parcel only once a steward granted the receiver access to it; one
of class `public` at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from synthtrail.custody import archive, canonical, digest
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.errors import CustodyError, DataError, TransitionError, UsageError
from synthtrail.custody.keyring import Key
from synthtrail.custody.record import Item
from synthtrail.handover import access, acting, packs, parcel, people, proposals
from synthtrail.handover.acting import Saying
from synthtrail.handover.parcel import Answer, Pointer
from synthtrail.storage.custodian import FOLDER, Custodian
from synthtrail.storage.files import placed, write_bytes

ANSWERS = ("access-requested", "accessed", "transfer-accepted", "transfer-rejected")
"""What a receiver may say; whatever else lies in a parcel is not taken."""


@dataclass(frozen=True)
class Outcome:
    """What became of one answer: the line to tell, and whether it is (or was) entered."""

    text: str
    good: bool


def receiver(found: Custodian, who: str) -> Key:
    """Return the listed recipient key that `who` means: its name, the last part of it, or its organisation.

    Raises `UsageError` unless exactly one that may still sign fits.
    """
    state = found.ledger.state
    every = [key for key in state.keys if key.role == "recipient" and acting.good(state, key)]
    fit = [key for key in every if who in (key.name, key.name.rpartition("/")[2], key.organisation)]
    if len(fit) != 1:
        names = ", ".join(f"{key.name} ({key.organisation})" for key in fit or every) or "none"
        raise UsageError(f"{who!r} means no single recipient that the ledger lists; there are: {names}")
    if not people.recipient_of(found, fit[0].name):
        raise UsageError(f"{fit[0].name} was listed without an age recipient, so nothing can be encrypted to its owner")
    return fit[0]


def saying(item: Item, to: Key, purpose: str, terms: str, expires: datetime) -> Saying:
    """Return the event that offers `item` to the holder of the key `to`."""
    until = canonical.format_time(expires)
    fields = {"receiver": to.name, "purpose": purpose, "terms": terms, "expires": until}
    return Saying("transfer-offered", [item], fields)


def standing(found: Custodian, item: Item, to: Key, now: datetime) -> access.Open | None:
    """Return the offer of `item` to `to` that is still open; None if there is none."""
    every = access.opened(found, "transfer-offered")
    fit = [one for one in every if one.request.subjects == (item.digest,) and one.request.beneficiary == to.name]
    return next((one for one in fit if one.expires is not None and one.expires > now), None)


def address(found: Custodian, folder: Path, offer: str) -> None:
    """Let the parcel in `folder` be that of `offer`; raise `UsageError` if it is another's already."""
    wanted = Pointer(found.policy.origin, offer)
    if not parcel.is_parcel(folder):
        parcel.write_pointer(folder, wanted)
        return
    there = parcel.pointer(folder)
    if (there.ledger, there.offer) != (wanted.ledger, wanted.offer):
        raise UsageError(f"{folder}: another offer lies here; take an empty folder")


def fill(found: Custodian, folder: Path) -> list[str]:
    """Bring the parcel up to date; return what there is to tell."""
    what = parcel.pointer(folder)
    if what.ledger != found.policy.origin:
        raise UsageError(f"{folder}: this parcel was sent by {what.ledger}, not by this checkout")
    told = []
    request = found.ledger.state.requests.get(bytes.fromhex(what.offer))
    if request is not None and not _intact(folder, what):
        item, to = acting.item(found, request.subjects[0]), request.beneficiary
        if may_have(found, item, to, datetime.now(UTC)):
            sealed = _seal(found, item, people.recipient_of(found, to), folder / parcel.CONTENT)
            parcel.write_pointer(folder, Pointer(what.ledger, what.offer, sealed))
            told.append(f"{folder / parcel.CONTENT}: {item.path}, encrypted to {to}")
        else:
            told.append(f"{item.path} is confidential: its content follows when a steward grants {to} access")
    _write_ledger(found, folder / parcel.LEDGER)
    return told


def _intact(folder: Path, what: Pointer) -> bool:
    """Whether the content that `what` names lies in the folder, unchanged."""
    path = folder / parcel.CONTENT
    return bool(what.sealed) and path.is_file() and digest.file(path).sha256 == what.sealed


def may_have(found: Custodian, item: Item, to: str, now: datetime) -> bool:
    """Tell whether the content may go to the holder of the key `to`."""
    state, log = found.ledger.state, found.ledger.log
    maker = log.statement(state.lives.maker(state.lives.find(item.digest))).record
    public = maker is not None and maker.value["class"] == "public"
    return public or state.status(item.digest) == "released" or access.grant_in(state, item, to, now) is not None


def receive(found: Custodian, folder: Path) -> Iterator[Outcome]:
    """Enter the answers in the parcel, one after another, and tell what became of each."""
    parcel.pointer(folder)
    for answer in parcel.answers(folder):
        if isinstance(answer, str):
            yield Outcome(answer, good=False)
        else:
            yield _enter(found, folder, answer)


def overdue(found: Custodian, now: datetime) -> list[access.Open]:
    """Return the offers that ran out unanswered."""
    return [one for one in access.opened(found, "transfer-offered") if one.expires and one.expires < now]


def expiry(one: access.Open) -> Saying:
    """Return the event that closes an offer which ran out."""
    return Saying("transfer-expired", one.items, {"request": one.digest.hex()})


def _enter(found: Custodian, folder: Path, answer: Answer) -> Outcome:
    act = answer.act
    before = found.ledger.state.events.find(act.digest)
    if before >= 0:
        return Outcome(f"entry {before}: {act.event} by {act.actor}, entered before", good=True)
    try:
        if act.event not in ANSWERS:
            raise UsageError(f"a receiver does not say {act.event}")
        if act.event == "access-requested":
            _keep_proposal(found, folder, answer)
        with found.ledger.transaction(datetime.now(UTC)) as tx:
            _check_sender(tx.state.keys.get(act.actor), act.actor)
            (entry,) = tx.append([answer.envelope])
    except CustodyError as error:
        return Outcome(f"{answer.path.name[:12]}…: {act.event} by {act.actor} is refused: {_advice(error)}", good=False)
    return Outcome(f"entry {entry}: {act.event} by {act.actor}", good=True)


def _check_sender(key: Key | None, name: str) -> None:
    if key is None or key.role != "recipient":
        raise UsageError(f"{name} is no recipient that the ledger lists")


def _advice(error: CustodyError) -> str:
    if isinstance(error, TransitionError) and error.code in ("custody-fork", "previous-wrong", "entry-back-dated"):
        return f"{error}; the parcel shows the present ledger now, so have them answer it once more"
    return str(error)


def _keep_proposal(found: Custodian, folder: Path, answer: Answer) -> None:
    data = parcel.proposal(folder, answer.act.text("proposal"))
    wish = proposals.parse(data)
    if bytes.fromhex(wish.artifact) not in answer.act.subjects:
        raise DataError("its proposal is about another artifact")
    proposals.keep(found.root / FOLDER, data)


def _seal(found: Custodian, item: Item, recipient: str, target: Path) -> str:
    """Write the artifact, encrypted to `recipient`, to `target`; return the SHA-256 of what was written, in hex."""
    from synthtrail.handover import sealing  # noqa: PLC0415 - the encryption library is an extra

    root, pack = _pack(found.root / item.path, item)
    with placed(target) as file:
        return sealing.seal(packs.stream(root, pack), file, [recipient], size=pack.size).digest


def _pack(path: Path, item: Item) -> tuple[Path, packs.Pack]:
    """Return the artifact as one pack, with the folder that its files lie below."""
    if not path.exists():
        raise UsageError(f"{path}: not here; bring it back (`dvc checkout`, `synthtrail fetch`) before it is sent")
    if item.files is None:
        member = packs.Member(path.name, item.digest.hex(), path.stat().st_size)
        return path.parent, packs.Pack(parcel.CONTENT, (member,))
    manifest = digest.manifest(path)
    if sha256(manifest).digest() != item.digest:
        raise UsageError(f"{path} is not what the ledger says was made; see `synthtrail verify`")
    return path, packs.Pack(parcel.CONTENT, tuple(packs.members(path, manifest)))


def _write_ledger(found: Custodian, target: Path) -> None:
    file: BinaryIO = BytesIO()
    archive.write(file, list(archive.ledger_members(FolderReader(found.root / FOLDER).read)))
    file.seek(0)
    data = file.read()
    if not target.is_file() or target.read_bytes() != data:
        write_bytes(target, data)
