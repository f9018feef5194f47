"""The custodian of one checkout: its policy, its keys and its ledger, created on first use.

`establish` is what `make repro` and `sign` begin with. It makes three **demonstration keys** (root, operator,
sequencer; mode 0600, no passphrase, all on this machine), a policy that pins them, and a ledger under the checkout
whose first entries say so. Whoever holds this machine can rewrite such a history; a real custodian keeps the root key
elsewhere (docs/guide.md).

There is one ledger per checkout. Where `dvc.lock` names signed records but the ledger is gone, nothing is started anew
behind the user's back: `LostLedgerError` says what to do.
"""

import fcntl
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from synthtrail.custody import acts, note
from synthtrail.custody import policy as policies
from synthtrail.custody.ed25519 import Signer
from synthtrail.custody.errors import StorageError, UsageError
from synthtrail.custody.ledger import Ledger
from synthtrail.custody.policy import Policy
from synthtrail.custody.state import State
from synthtrail.storage.files import write_bytes
from synthtrail.storage.home import home
from synthtrail.storage.keys import create_key, key_files, load_key
from synthtrail.storage.pinning import settle

FOLDER = "ledger"
ORGANISATION = "local demonstration"
PROMISE = "demonstration keys: no passphrase, all on one machine"


class LostLedgerError(StorageError):
    """Records were signed here, but the ledger that holds them is gone."""


@dataclass(frozen=True)
class Custodian:
    """Everything that is needed to append to the ledger of the checkout at `root`; `news` is what was just created."""

    root: Path
    policy: Policy
    ledger: Ledger
    news: tuple[str, ...] = field(default=())

    @cached_property
    def operator(self) -> Signer:
        """The machine's own key: an operator without passphrase, listed and not ended; raises `UsageError`."""
        folder, state = home().keys(self.policy.origin), self.ledger.state
        for file in key_files(folder):
            key = state.keys.get(file.verifier.name)
            machine = key is not None and key.role == "operator" and not key.person and key.until is None
            if machine and not file.protected:
                return load_key(folder, file.label)
        raise UsageError(
            f"no operator key of a machine in {folder} may sign; "
            "`synthtrail key new machine --role operator --no-passphrase` makes one"
        )


def establish(root: Path, *, organisation: str = ORGANISATION) -> Custodian:
    """Return the custodian of the checkout at `root`, creating keys, policy and ledger on first use.

    `organisation` is whose ledger a new one is.

    Raises `LostLedgerError` where records were signed before but there is no ledger, and `UsageError` where the
    ledger's keys or policy are not on this machine.
    """
    with _alone():
        origin = origin_of(root)
        if origin is None:
            if records_were_signed(root):
                raise LostLedgerError(lost(root))
            return start(root, succeeds=home().origin_of(root), organisation=organisation)
        home().remember(root, origin)
        custodian = _open(root, origin)
        if custodian.ledger.state.size == 1:  # `start` was killed between its two acts
            _add_operator(custodian.ledger, origin, datetime.now(UTC), custodian.policy.organisation)
        return custodian


def existing(root: Path) -> Custodian:
    """Return the custodian of the checkout at `root`, which has a ledger; raise `UsageError` if it has none."""
    origin = origin_of(root)
    if origin is None:
        raise UsageError(f"{root.resolve()}: no ledger here; `make repro` makes one, `synthtrail init` an empty one")
    return _open(root, origin)


def start(root: Path, *, succeeds: str | None = None, because: str = "", organisation: str = ORGANISATION) -> Custodian:
    """Start a ledger for the checkout at `root`; `succeeds` and `because` tell of one that is lost or given up."""
    origin = f"synthtrail.local/{secrets.token_hex(8)}"
    keys, now = home().keys(origin), datetime.now(UTC)
    top, _ = (create_key(keys, role, f"{origin}/{role}") for role in ("root", "operator"))
    sequencer = create_key(keys, "sequencer", origin)
    policy = Policy(origin, organisation, roots=(top.verifier.vkey(),), sequencer=sequencer.verifier.vkey())
    write_bytes(home().policy(origin), policy.encode(), mode=0o600)
    context = [("keys", PROMISE)]
    context += [("succeeds", succeeds)] if succeeds else []
    context += [("because", because)] if because else []
    opening = acts.event(
        State(policy), "ledger-opened", top, at=now, fields=acts.policy_fields(policy), context=context
    )
    ledger = Ledger.create(root / FOLDER, home().guard(origin), policy, sequencer, opening, now=now)
    _add_operator(ledger, origin, now, organisation)
    home().remember(root, origin)
    news = (
        f"new ledger {origin} in {root / FOLDER}",
        f"keys in {keys} ({PROMISE})",
        f"policy pinned in {home().policy(origin)}; the pin is local: it was made on the machine that it is to judge",
    )
    return Custodian(root, policy, ledger, news)


def _add_operator(ledger: Ledger, origin: str, now: datetime, organisation: str) -> None:
    """Append that the machine's own key may sign: the second act of every ledger."""
    top, operator = (load_key(home().keys(origin), role) for role in ("root", "operator"))
    with ledger.transaction(now) as tx:
        fields = acts.key_fields(operator, "operator", organisation=organisation)
        tx.append([acts.event(tx.state, "key-added", top, at=now, fields=fields)])


def origin_of(root: Path) -> str | None:
    """Return the origin of the ledger in the checkout at `root`, as its checkpoint states it; None without a ledger."""
    checkpoint = root / FOLDER / "checkpoint"
    if not checkpoint.exists():
        return None
    return note.parse_checkpoint(note.parse(checkpoint.read_bytes())[0]).origin


def salt_folder(root: Path) -> Path:
    """Return the folder of the salt keys of the checkout at `root`."""
    return home().salts(establish(root).policy.origin)


def records_were_signed(root: Path) -> bool:
    """Tell whether `dvc.lock` says that `sign` has run in this checkout."""
    lock = root / "dvc.lock"
    return lock.exists() and "\n  sign:" in lock.read_text(encoding="utf-8")


def lost(root: Path) -> str:
    """Return what to say and do when the ledger of signed records is gone."""
    before = home().origin_of(root)
    named = f" (it was {before})" if before else ""
    return (
        f"dvc.lock names signed records, but there is no ledger in {root / FOLDER}{named}: bring that folder back from "
        'a backup or from where the records were made; or start another with `synthtrail ledger new --because "..."`'
    )


def _open(root: Path, origin: str) -> Custodian:
    keys, pinned = home().keys(origin), home().policy(origin)
    if not pinned.exists():
        raise UsageError(f"the ledger {origin} has no policy in {pinned}: its keys are on another machine")
    settle(root / FOLDER, origin, load_key(keys, "sequencer"))
    policy = policies.parse(pinned.read_bytes())
    ledger = Ledger.open(root / FOLDER, home().guard(origin), policy, load_key(keys, "sequencer"))
    return Custodian(root, policy, ledger)


@contextmanager
def _alone() -> Iterator[None]:
    """Let one process at a time create a ledger."""
    folder = home().state
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "establish.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
