"""Keys and people of a ledger: listing, replacing and ending keys, and the register of names.

Every key but those that the policy pins (roots, sequencer) is listed by an event that the roots sign, with its role,
the pseudonym of its person, and its organisation. Real names stand in the policy's register only, so a new person
means a new policy, which everyone who verifies must be given again.

A key may be made on one machine and listed on another: what travels is its *card*, a text of one or two lines,

    hospital-b.example/bea+8c1f03aa+AX…            the key's name, id and public half (a vkey)
    age1w0…                                        what to encrypt to, where its owner receives data

The age recipient stands in the context of `key-added`, so that the ledger also shows to whom was encrypted.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from synthtrail.custody.ed25519 import Verifier, parse_vkey
from synthtrail.custody.errors import CustodyError, UsageError
from synthtrail.custody.keyring import PINNED
from synthtrail.custody.policy import Policy
from synthtrail.handover.acting import Actor, Saying, good
from synthtrail.storage.custodian import FOLDER, Custodian, existing
from synthtrail.storage.home import home
from synthtrail.storage.keys import key_file, load_key
from synthtrail.storage.pinning import adopt

SEALED_TO = "age"
_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_RECIPIENT = re.compile(r"age1[a-z0-9]{20,100}")
_PSEUDONYM = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True)
class Card:
    """A public key as its owner gives it away; `recipient` is empty for a key that receives nothing."""

    verifier: Verifier
    recipient: str = ""

    def text(self) -> str:
        """Return the card's lines."""
        return "".join(f"{line}\n" for line in (self.verifier.vkey(), self.recipient) if line)


def read_card(path: Path) -> Card:
    """Return the card in the file at `path`; raise `UsageError` for anything else."""
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    if not 1 <= len(lines) <= 2 or (len(lines) == 2 and not _RECIPIENT.fullmatch(lines[1])):
        raise UsageError(f"{path}: not a key's card; its owner makes one with `synthtrail key export LABEL -o FILE`")
    try:
        return Card(parse_vkey(lines[0]), lines[1] if len(lines) == 2 else "")
    except CustodyError as error:
        raise UsageError(f"{path}: {error}") from None


def check_label(label: str) -> str:
    """Return `label` if it can be a file's and a key's name; raise `UsageError` otherwise."""
    if not _LABEL.fullmatch(label):
        raise UsageError(f"{label!a}: a label has small letters, digits and dashes, at most 40")
    return label


def check_listing(found: Custodian, role: str, person: str) -> None:
    """Raise `UsageError` if a key of this role and person cannot be listed, before it is made."""
    if role in PINNED:
        raise UsageError(
            f"a {role} key is pinned by the policy: `synthtrail key new LABEL --role root` or a new ledger"
        )
    if role == "steward" and not person:
        raise UsageError("a steward is a person: give --person PSEUDONYM")
    if person and person not in found.policy.register:
        raise UsageError(f"{person!r} is not in the register; `synthtrail person add {person} --name NAME` enters them")


def listing(card: Card, role: str, person: str, organisation: str) -> Saying:
    """Return the event that lists the key of a card."""
    fields = {"key": card.verifier.vkey(), "role": role, "person": person, "organisation": organisation}
    context = [(SEALED_TO, card.recipient)] if card.recipient else []
    return Saying("key-added", (), fields, context=context)


def succession(old: str, card: Card) -> Saying:
    """Return the event that lets the key of a card follow the one called `old`."""
    context = [(SEALED_TO, card.recipient)] if card.recipient else []
    return Saying("key-rotated", (), {"key": card.verifier.vkey(), "replaces": old}, context=context)


def ending(found: Custodian, name: str, reason: str, since: int | None) -> Saying:
    """Return the event that ends a key; entries from `since` on are in doubt (None: none that is in the ledger)."""
    size = found.ledger.head.size
    return Saying(
        "key-revoked", (), {"name": name, "reason": reason, "compromisedSince": size if since is None else since}
    )


def successor_label(found: Custodian, label: str) -> str:
    """Return the first of label-2, label-3, … that no listed key has; a run that failed may have left such a file."""
    stem = re.sub(r"-\d+$", "", label)
    number = 2
    while found.ledger.state.keys.get(f"{found.policy.origin}/{stem}-{number}"):
        number += 1
    return f"{stem}-{number}"


def recipient_of(found: Custodian, name: str) -> str:
    """Return what is encrypted to for the holder of the key `name`, as the ledger lists it; empty if it lists none."""
    key = found.ledger.state.keys.get(name)
    if key is None or key.since < 0:
        return ""
    return dict(found.ledger.log.statement(key.since).context).get(SEALED_TO, "")


def registered(policy: Policy, pseudonym: str, name: str) -> Policy:
    """Return the policy with one more person; raise `UsageError` if the pseudonym is taken or tells the name."""
    if not _PSEUDONYM.fullmatch(pseudonym):
        raise UsageError(f"{pseudonym!a}: a pseudonym has small letters, digits and dashes, at most 40")
    if pseudonym in policy.register:
        raise UsageError(f"{pseudonym} is in the register already; a pseudonym is never given twice")
    if not name.strip():
        raise UsageError("a person has a name")
    return replace(policy, people=(*policy.people, (pseudonym, name.strip())))


def with_root(policy: Policy, root: Verifier) -> Policy:
    """Return the policy with one more root key."""
    return replace(policy, roots=(*policy.roots, root.vkey()))


def without_root(policy: Policy, name: str) -> Policy:
    """Return the policy in which the root `name` is a former one; raise `UsageError` for the last that is needed."""
    gone = [vkey for vkey in policy.roots if parse_vkey(vkey).name == name]
    kept = tuple(vkey for vkey in policy.roots if vkey not in gone)
    if not gone or len(kept) < policy.threshold:
        raise UsageError(f"{name}: not a root, or one of the {policy.threshold} that must sign; add another root first")
    return replace(policy, roots=kept, former_roots=(*policy.former_roots, *gone))


def changes(old: Policy, new: Policy) -> list[str]:
    """Return what a new policy changes, in plain words."""
    said = [f"enters {pseudonym} into the register" for pseudonym, _ in new.people if pseudonym not in old.register]
    said += [f"makes {parse_vkey(vkey).name} a root" for vkey in new.roots if vkey not in old.roots]
    said += [f"makes {parse_vkey(vkey).name} a former root" for vkey in old.roots if vkey not in new.roots]
    said += [f"makes a witness of {item.organisation}" for item in new.witnesses if item not in old.witnesses]
    said += [f"wants cosignatures by {new.quorum} organisations"] * (new.quorum != old.quorum)
    said += [f"lets a cosignature count for {new.max_age} seconds"] * (new.max_age != old.max_age)
    said += ["lets another time-stamping authority vouch"] * (new.timestamp_roots != old.timestamp_roots)
    said += ["asks for a time-stamp token"] * (new.timestamp and not old.timestamp)
    return said


def put_into_force(found: Custodian, policy: Policy, actor: Actor) -> Custodian:
    """Let the roots put `policy` into force, and return the custodian under it."""
    sequencer = load_key(home().keys(policy.origin), "sequencer")
    adopt(found.root / FOLDER, policy, sequencer, actor.signer, *actor.cosigners, now=datetime.now(UTC))
    return existing(found.root)


def told(found: Custodian, now: datetime) -> Sequence[tuple[str, ...]]:
    """Return a row for each listed key: label here or name, role, person, organisation, where it stands."""
    state, folder, rows = found.ledger.state, home().keys(found.policy.origin), []
    here = {path.stem: key_file(folder, path.stem) for path in sorted(folder.glob("*.pem"))}
    labels = {file.verifier.name: file for file in here.values()}
    for key in state.keys:
        file = labels.pop(key.name, None)
        standing = "good" if good(state, key) else "former" if key.until is None else f"ended with entry {key.until}"
        if file is not None:
            standing += ", here" + (", passphrase" if file.protected else ", no passphrase (demonstration)")
            standing += f", expires {file.expires:%Y-%m-%d}" if file.expires else ""
            standing += " (expired)" if file.expired(now) else ""
        rows.append((key.name, key.role, key.person or "-", key.organisation or "-", standing))
    rows += [(file.verifier.name, "-", "-", "-", "here, not listed") for file in labels.values()]
    return rows
