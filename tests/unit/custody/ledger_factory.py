"""A small world for tests of the ledger: keys from fixed seeds, a policy, records, and a good ledger to spoil."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from synthtrail.custody import acts, cosignature
from synthtrail.custody.canonical import Value
from synthtrail.custody.durable import OnStep
from synthtrail.custody.ed25519 import Signer
from synthtrail.custody.events import STAGE_EVENT
from synthtrail.custody.ledger import Ledger
from synthtrail.custody.policy import Policy, Witness
from synthtrail.custody.record import Item

ORIGIN = "example.com/ledger/7f3a"
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
STAGES = ("ingest", "preprocess", "train", "generate", "validate")
FOLDERS = {"ingest": "raw", "preprocess": "split", "train": "model", "generate": "synthetic", "validate": "report"}


def key(name: str) -> Signer:
    """The key of that name: the same in every run."""
    return Signer(f"example.com/{name}", sha256(name.encode()).digest())


ROOTS = (key("root-1"), key("root-2"))
SEQUENCER = key("sequencer")
OPERATOR = key("operator")  # a machine
BOB = key("bob")  # an operator who is a person
ADA = key("ada")  # a steward
ADA_AT_WORK = key("ada-at-work")  # the same person's operator key
RECIPIENT = key("recipient")
OTHER_RECIPIENT = key("other-recipient")
AUDITOR = key("auditor")
WITNESSES = (key("witness-1"), key("witness-2"), key("witness-3"))
STRANGER = key("stranger")

KEYS: tuple[tuple[Signer, str, str], ...] = (
    (OPERATOR, "operator", ""),
    (BOB, "operator", "p-bob"),
    (ADA, "steward", "p-ada"),
    (ADA_AT_WORK, "operator", "p-ada"),
    (RECIPIENT, "recipient", ""),
    (OTHER_RECIPIENT, "recipient", ""),
    (AUDITOR, "auditor", "p-eve"),
)


def make_policy(*, quorum: int = 2) -> Policy:
    """Two roots who must both sign, three witnesses of other organisations."""
    witnesses = tuple(
        Witness(f"organisation-{number}", cosignature.Cosigner(witness.verifier).vkey())
        for number, witness in enumerate(WITNESSES)
    )
    return Policy(
        origin=ORIGIN,
        organisation="example.com",
        roots=tuple(root.verifier.vkey() for root in ROOTS),
        sequencer=SEQUENCER.verifier.vkey(),
        threshold=2,
        witnesses=witnesses,
        quorum=quorum,
        people=(("p-ada", "Ada L."), ("p-bob", "Bob K."), ("p-eve", "Eve M.")),
        salt="5" * 64,
    )


def digest(*words: object) -> bytes:
    """A digest that depends on `words` only."""
    return sha256(repr(words).encode()).digest()


def item(experiment: str, stage: str, version: int = 1) -> Item:
    """The artifact that a stage made in a version of an experiment."""
    return Item(f"data/{experiment}/{FOLDERS[stage]}", digest(experiment, stage, version), 1234, 2)


def as_json(found: Item) -> Value:
    """An item as a record has it."""
    value: dict[str, Value] = {
        "kind": found.kind,
        "path": found.path,
        "sha256": found.digest.hex(),
        "size": found.size,
    }
    return value if found.files is None else value | {"files": found.files}


def inputs_of(experiment: str, stage: str, version: int) -> list[Item]:
    """What a stage reads."""
    if stage == "ingest":
        return [Item(f"sources/{experiment}.csv", digest("source", experiment), 99, None)]
    if stage == "validate":
        return [item(experiment, "generate", version), item(experiment, "preprocess", version)]
    return [item(experiment, STAGES[STAGES.index(stage) - 1], version)]


def make_record(experiment: str, stage: str, version: int = 1, verdict: str = "pass") -> dict[str, Value]:
    """A well-formed record."""
    value: dict[str, Value] = {
        "v": 1,
        "experiment": experiment,
        "stage": stage,
        "event": STAGE_EVENT[stage],
        "subjects": [as_json(item(experiment, stage, version))],
        "inputs": [as_json(found) for found in inputs_of(experiment, stage, version)],
        "params": [{"name": "version", "value": str(version)}, {"name": "model.steps", "value": "1500"}],
        "seed": 0,
        "code": {"sha256": digest("code", stage).hex(), "files": 12},
        "tools": [{"name": "torch", "version": "2.13.0"}],
        "class": "public",
        "views": [],
        "privacy": [],
        "facts": [{"name": "rows", "value": "150"}],
    }
    if stage == "ingest":
        value["source"] = [{"name": "licence", "value": "CC0-1.0"}]
    if stage == "validate":
        value["verdict"] = verdict
    return value


@dataclass
class World:
    """A ledger with a clock that moves a second at each act. Envelopes are kept in the order of their entries."""

    folder: Path
    policy: Policy = field(default_factory=make_policy)
    now: datetime = START
    envelopes: list[Value] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """The ledger's folder."""
        return self.folder / "ledger"

    @property
    def guard(self) -> Path:
        """The folder of all guards."""
        return self.folder / "guard"

    def tick(self) -> datetime:
        """A second later."""
        self.now += timedelta(seconds=1)
        return self.now

    def create(self, on_step: OnStep | None = None) -> Ledger:
        """Start the ledger and list all keys."""
        opening = acts.opening(self.policy, *ROOTS, at=self.now)
        self.envelopes.append(opening)
        self.ledger = Ledger.create(
            self.path, self.guard, self.policy, SEQUENCER, opening, now=self.now, on_step=on_step
        )
        for signer, role, person in KEYS:
            fields = acts.key_fields(signer, role, person=person, organisation="example.com")
            self.act("key-added", *ROOTS, fields=fields)
        return self.ledger

    def reopen(self, on_step: OnStep | None = None) -> Ledger:
        """Open the ledger as another process would."""
        self.ledger = Ledger.open(self.path, self.guard, self.policy, SEQUENCER, on_step=on_step)
        return self.ledger

    def append(self, *envelopes: Value) -> list[int]:
        """Append envelopes as one group."""
        with self.ledger.transaction(self.now) as tx:
            numbers = tx.append(envelopes)
        self.envelopes.extend(envelopes)
        return numbers

    def act(
        self,
        name: str,
        *signers: Signer,
        on: Sequence[Item] = (),
        meaning: str = "",
        fields: dict[str, Value] | None = None,
    ) -> str:
        """Append one event; its name in hexadecimal, for answers."""
        at = self.tick()
        with self.ledger.transaction(at) as tx:
            envelope = acts.event(tx.state, name, *signers, at=at, subjects=on, meaning=meaning, fields=fields)
            tx.append([envelope])
        self.envelopes.append(envelope)
        return acts.request_of(envelope)

    def run(self, experiment: str = "iris", version: int = 1, verdict: str = "pass") -> None:
        """Log the five stages of an experiment, as one group."""
        at = self.tick()
        with self.ledger.transaction(at) as tx:
            for stage in STAGES:
                made = acts.made(tx.state, make_record(experiment, stage, version, verdict), OPERATOR, at=at)
                tx.add(made)
                self.envelopes.append(made)
            tx.commit()

    def approve(self, found: Item) -> None:
        """Let the steward approve an artifact."""
        self.act("approved", ADA, on=[found], meaning="approval", fields={"reason": "fit for use"})

    def cosign(self, *witnesses: Signer, at: datetime | None = None) -> bytes:
        """Publish the head with cosignatures."""
        data = self.ledger.checkpoint
        for witness in witnesses:
            data = cosignature.cosign(data, witness, at=int((at or self.now).timestamp()))
        self.ledger.publish_cosigned(data)
        return data


def good_world(folder: Path, **changes: object) -> World:
    """A ledger of two experiments, one of them approved, with cosignatures of two witnesses."""
    world = World(folder, policy=replace(make_policy(), **changes))  # type: ignore[arg-type]
    world.create()
    world.run("iris")
    world.run("wine")
    world.approve(item("iris", "generate"))
    world.cosign(*WITNESSES[:2])
    return world
