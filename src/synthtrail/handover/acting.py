"""Acting on a ledger: who signs, about which artifact, and saying it so that it is refused before it is written.

    custodian = acting.custodian(root)
    ada = acting.find(custodian, "ada", ask)                       # a key of this machine that the ledger lists
    data = acting.subject(custodian, "data/iris/synthetic")        # hashed, and found in the ledger
    said = acting.say(custodian, ada, "approved", [data], {"reason": "fit for teaching"}, meaning="approval")
    said.entry, said.digest                                        # what an answer names as its request

Who may say what is decided by the ledger core (`custody.rules`) when an event is appended; what is refused raises
`TransitionError` with one line that names event and artifact, and leaves no trace. One rule is added here, because
only the machine that signs can see it: a *person's* signature, one with a meaning, needs a key with a passphrase.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from synthtrail.custody import acts, digest, lineage
from synthtrail.custody.canonical import Value
from synthtrail.custody.ed25519 import Signer
from synthtrail.custody.errors import TransitionError, UsageError
from synthtrail.custody.keyring import Key
from synthtrail.custody.record import Item
from synthtrail.custody.state import State
from synthtrail.storage.custodian import Custodian, existing
from synthtrail.storage.home import home
from synthtrail.storage.keys import Ask, KeyFile, key_files, load_key

LEAST_DIGITS = 8


@dataclass(frozen=True)
class Actor:
    """A key that can sign now, with what the ledger lists about it; `person` is a pseudonym, empty for a machine."""

    signer: Signer = field(repr=False)
    role: str
    person: str
    organisation: str
    protected: bool
    cosigners: tuple[Signer, ...] = field(default=(), repr=False)  # roots, where more than one must sign

    @property
    def name(self) -> str:
        """The key's name, which is the actor's."""
        return self.signer.name


@dataclass(frozen=True)
class Saying:
    """An event that somebody is about to sign; a `meaning` makes it a person's signature."""

    event: str
    subjects: Sequence[Item] = ()
    fields: Mapping[str, Value] = field(default_factory=dict)
    meaning: str = ""
    context: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Said:
    """An event that stands in the ledger: its entry, its payload's SHA-256 (hex), and its signed envelope."""

    entry: int
    digest: str
    envelope: Mapping[str, Value] = field(repr=False)


def custodian(root: Path) -> Custodian:
    """Return the custodian of the checkout at `root`; raise `UsageError` if it has no ledger."""
    return existing(root)


def find(found: Custodian, who: str | None, ask: Ask | None = None, *, roles: Sequence[str] = ()) -> Actor:
    """Return the key of this machine that `who` means, ready to sign; raises what `choose` and `load_key` raise."""
    file, key = choose(found, who, roles=roles)
    signer = load_key(file.path.parent, file.label, ask)
    return Actor(signer, key.role, key.person, key.organisation, file.protected)


def choose(
    found: Custodian, who: str | None, *, roles: Sequence[str] = (), person: bool = False
) -> tuple[KeyFile, Key]:
    """Return the key of this machine that `who` means: a label, a key's name, a person's pseudonym, or a role.

    `None` stands for the machine's own key if it has one of `roles` and no `person` is needed, else for the only key
    here that fits. Raises `UsageError` unless exactly one does.
    """
    here = at_hand(found)
    may = [(file, key) for file, key in here if (not roles or key.role in roles) and (key.person or not person)]
    named_so = [(file, key) for file, key in may if who in (file.label, key.name)]
    machines = [(file, key) for file, key in may if who is None and not key.person and not file.protected]
    fit = named_so or machines[:1] or [(file, key) for file, key in may if who in (None, key.person, key.role)]
    if len(fit) != 1:
        wanted = f"{who!r}" if who else f"{' or '.join(roles) or 'anyone'}"
        named = ", ".join(f"{file.label} ({key.role})" for file, key in (fit or here))
        what = "several keys here fit" if fit else "no key here, listed by the ledger and still good, fits"
        raise UsageError(f"{what} {wanted}; here: {named or 'none'}; choose one with --as")
    return fit[0]


def root_key(found: Custodian) -> Key:
    """Return the first root key of this machine; raise `UsageError` if there is none."""
    here = [key for _, key in at_hand(found) if key.role == "root"]
    if not here:
        raise UsageError("this needs the root key, which is not on this machine; run it where that key is kept")
    return here[0]


def roots(found: Custodian, ask: Ask | None = None) -> Actor:
    """Return as many root keys of this machine as must sign together; raise `UsageError` if there are fewer."""
    state = found.ledger.state
    files = [file for file, key in at_hand(found) if key.role == "root"][: state.keys.threshold]
    if len(files) < state.keys.threshold:
        raise UsageError(
            f"{state.keys.threshold} root keys must sign this and {len(files)} are here; run it where they are kept"
        )
    first, *others = [load_key(file.path.parent, file.label, ask) for file in files]
    organisation = found.policy.organisation
    return Actor(first, "root", "", organisation, all(file.protected for file in files), tuple(others))


def at_hand(found: Custodian) -> list[tuple[KeyFile, Key]]:
    """Return the keys of this machine that the ledger lists and that may still sign."""
    state, files = found.ledger.state, key_files(home().keys(found.policy.origin))
    listed = [(file, state.keys.get(file.verifier.name)) for file in files]
    return [(file, key) for file, key in listed if key and key.verifier == file.verifier and good(state, key)]


def good(state: State, key: Key) -> bool:
    """Tell whether the key may sign the next entry."""
    return key.until is None and (key.role != "root" or key.name in state.keys.roots)


def say(
    found: Custodian,
    actor: Actor,
    event: str,
    subjects: Sequence[Item] = (),
    fields: Mapping[str, Value] | None = None,
    *,
    meaning: str = "",
    context: Sequence[tuple[str, str]] = (),
    request: str | None = None,
) -> Said:
    """Sign one event and append it; `request` is the digest (hex) of the event that it answers."""
    answer: dict[str, Value] = {"request": request} if request is not None else {}
    return say_all(found, actor, [Saying(event, subjects, {**(fields or {}), **answer}, meaning, context)])[0]


def say_all(found: Custodian, actor: Actor, sayings: Sequence[Saying]) -> list[Said]:
    """Sign several events and append them together: all of them, or none."""
    now = datetime.now(UTC)
    said: list[Said] = []
    with found.ledger.transaction(now) as tx:
        for saying in sayings:
            check_person(actor, saying)
            envelope = signed(tx.state, actor, saying, now)
            try:
                entry = tx.add(envelope)
            except TransitionError as error:
                raise TransitionError(f"{headline(saying)} is refused: {error}", code=error.code) from None
            said.append(Said(entry, acts.request_of(envelope), envelope))
        tx.commit()
    return said


def signed(state: State, actor: Actor, saying: Saying, at: datetime) -> dict[str, Value]:
    """Return the signed envelope of an event that follows what `state` says."""
    return acts.event(
        state,
        saying.event,
        actor.signer,
        *actor.cosigners,
        at=at,
        subjects=saying.subjects,
        meaning=saying.meaning,
        context=saying.context,
        fields=saying.fields,
    )


def check_person(actor: Actor, saying: Saying) -> None:
    """Raise `UsageError` for a person's signature with a key that anybody at this machine could use."""
    if saying.meaning and not actor.protected:
        raise UsageError(
            f"{actor.name} has no passphrase, so nobody knows which person signs with it; "
            "`synthtrail key passphrase` sets one"
        )


def headline(saying: Saying) -> str:
    """Return event and artifacts in a few words."""
    return " ".join([saying.event, ", ".join(item.path for item in saying.subjects)]).strip()


def subject(found: Custodian, artifact: str) -> Item:
    """Return the logged artifact that `artifact` means: a path here, or at least 8 digits of a digest.

    A file or folder that is there is hashed, so what is meant is these bytes; for one that is gone, the latest record
    of that path counts. Raises `UsageError` for what the ledger does not know, or what several artifacts fit.
    """
    state, path = found.ledger.state, Path(artifact)
    if path.exists():
        wanted = bytes.fromhex(digest.artifact(path).sha256)
        if state.lives.find(wanted) < 0:
            raise UsageError(
                f"{artifact}: no event mentions these bytes ({wanted.hex()[:16]}…); see `synthtrail verify`"
            )
        return item(found, wanted)
    latest = lineage_of(found, path)
    if latest is not None:
        return item(found, latest)
    return item(found, _by_digits(state, artifact))


def lineage_of(found: Custodian, path: Path) -> bytes | None:
    """Return the digest that the latest records have at `path`, seen from the checkout; None if none has."""
    absolute = Path(path).absolute()
    root = found.root.resolve()
    inner = absolute.relative_to(root) if absolute.is_relative_to(root) else path
    return lineage.by_path(found.ledger.state, found.ledger.log, inner.as_posix())


def item(found: Custodian, wanted: bytes) -> Item:
    """Return the artifact with this digest as the event that made it names it."""
    state, log = found.ledger.state, found.ledger.log
    row = state.lives.find(wanted)
    if row < 0:
        raise UsageError(f"no event mentions an artifact {wanted.hex()[:16]}…")
    named = log.statement(state.lives.maker(row)).subjects
    return next(item for item in named if item.digest == wanted)


def _by_digits(state: State, digits: str) -> bytes:
    """The one artifact whose digest begins with these hexadecimal digits."""
    wanted = digits.lower()
    usable = len(wanted) >= LEAST_DIGITS and not set(wanted) - set("0123456789abcdef")
    every = (state.lives.ids[row] for row in range(len(state.lives) if usable else 0))
    fit = [found for found in every if found.hex().startswith(wanted)]
    if len(fit) != 1:
        why = (
            "several artifacts begin like this" if fit else "no such file or folder here, and no artifact of the ledger"
        )
        raise UsageError(f"{digits}: {why}")
    return fit[0]
