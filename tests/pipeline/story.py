"""The whole story, told as its users live it: `make story`.

Hospital A generates synthetic data from a ward's, reviews, approves, stores and offers it. Hospital B asks, is
approved, accepts and verifies. Retention ends; A disposes, B disposes. An auditor who has only A's ledger, A's policy
and what it pins reconstructs everything, and finds the one tampered copy among ten.

Each chapter says in plain words what happens, shows the commands as they would be typed, and a few lines of what they
answer. Nothing is simulated: three organisations, each with keys and folders of its own, and real processes. A chapter
fails with an `AssertionError` if a command does not end as it should or does not say what the story says.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.pipeline.checkout import Checkout, create, experiment

PASSPHRASE = "a phrase that nobody guesses"
PROPOSAL = ("--purpose", "teach statistics", "--protocol", "B-2026-3", "--legal-basis", "GDPR art. 6(1)(e)")
SHOWN = 6  # lines of an answer at most
WIDTH = 150  # characters of a line; a longer one goes on below
WAIT = 12  # seconds until retention ends: time for two commands on a busy machine


@dataclass
class Organisation:
    """Who acts: a name, a checkout, and passphrases in the environment instead of typed."""

    name: str
    checkout: Checkout
    tell: Callable[[str], None]

    @property
    def root(self) -> Path:
        """The checkout's folder."""
        return self.checkout.root

    def says(self, *words: str, shows: Sequence[str] = (), code: int | None = 0, program: str = "synthtrail") -> str:
        """Run a command; show it with the lines of its answer that contain one of `shows`; return the whole answer."""
        self.tell(f"  {self.name} $ {self._short(shlex.join([program, *(word for word in words if word != '--yes')]))}")
        prefix = {"synthtrail": [sys.executable, "-m", "synthtrail.cli.main"], "dvc": [sys.executable, "-m", "dvc"]}
        temporary = self.root.parent / "tmp"  # a disposal looks through it, and the machine's is not the story's
        temporary.mkdir(exist_ok=True)
        phrases = {"SYNTHTRAIL_PASSPHRASE": PASSPHRASE, "SYNTHTRAIL_NEW_PASSPHRASE": PASSPHRASE}
        phrases["TMPDIR"] = str(temporary)
        done = subprocess.run(
            [*prefix[program], *words],
            cwd=self.root,
            env=self.checkout.environment | phrases,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        answer = done.stdout + done.stderr
        assert code in (None, done.returncode), f"{shlex.join(words)} exited {done.returncode}\n{answer[-3000:]}"
        for text in shows:
            assert text in answer, f"{shlex.join(words)} does not say {text!r}:\n{answer[-3000:]}"
        lines = [line for line in answer.splitlines() if any(text in line for text in shows)]
        for line in lines[:SHOWN]:
            for part in textwrap.wrap(self._short(line.strip()), WIDTH - 6, break_on_hyphens=False):
                self.tell(f"      {part}")
        return answer

    def _short(self, text: str) -> str:
        """Return `text` with the story's own folder left out: its name is long and means nothing."""
        return text.replace(f"{self.root.parent.parent}/", "/")


@dataclass
class World:
    """The three organisations below `base`, and the one folder that the hospitals share."""

    base: Path
    tell: Callable[[str], None] = print
    a: Organisation = field(init=False)
    b: Organisation = field(init=False)
    auditor: Organisation = field(init=False)
    synthetic: str = ""  # the digest of the synthetic data, once they are made

    def __post_init__(self) -> None:
        ward = experiment("iris", **{"class": "confidential", "retention": "P1Y"})
        self.a = Organisation("hospital A", create(self.base / "a", {"ward": ward}), self.tell)
        self.b = Organisation("hospital B", create(self.base / "b", {}), self.tell)
        (self.base / "auditor" / "desk").mkdir(parents=True)
        self.auditor = Organisation("auditor", Checkout(self.base / "auditor" / "desk"), self.tell)
        self.exchange.mkdir()

    @property
    def exchange(self) -> Path:
        """The folder between the hospitals."""
        return self.base / "exchange"

    @property
    def parcel(self) -> str:
        """The folder of the offer."""
        return str(self.exchange / "ward")


def people_and_keys(world: World) -> None:
    """Before anything: who may sign what.

    Names stand in the policy, pseudonyms in the ledger. Hospital B gives A its key, A gives B its policy, by hand.
    """
    for hospital, name in ((world.a, "Hospital A"), (world.b, "Hospital B")):
        hospital.says("init", "--organisation", name, shows=("new ledger",))
        for pseudonym, person in (("p-ada", "Ada Lovelace"), ("p-bob", "Bob Kahn"), ("p-eve", "Eve Moore")):
            hospital.says("person", "add", pseudonym, "--name", f"{person} of {name}", "--yes")
        hospital.says("key", "new", "ada", "--role", "steward", "--person", "p-ada", "--yes")
        hospital.says("key", "new", "eve", "--role", "steward", "--person", "p-eve", "--yes")
        hospital.says("key", "new", "bob", "--role", "operator", "--person", "p-bob", "--yes")
    card, policy = str(world.exchange / "bea.card"), str(world.exchange / "a.policy")
    world.b.says("key", "new", "bea", "--card", card)
    world.a.says(
        "key", "add", card, "--role", "recipient", "--organisation", "Hospital B", "--yes", shows=("key-added",)
    )
    world.a.says("policy", "export", "-o", policy, shows=("sha256",))
    world.b.says("policy", "pin", policy, shows=("pinned for",))


def generation(world: World) -> None:
    """Hospital A trains on the ward's records and generates synthetic ones; every step is signed into the ledger.

    Level A: every entry is signed by a listed key, and the copy is whole. Level B: and nothing changed that was seen
    before. The two numbers: how a classifier does on real rows that learnt from synthetic, and from real ones.
    """
    world.a.says("repro", shows=("level A", "trained on", "review"))
    record = json.loads((world.a.root / "data/records/ward/generate.json").read_bytes())
    world.synthetic = record["subjects"][0]["sha256"]


def review(world: World) -> None:
    """The table is small, so the program wants a person to decide. Bob reads the report, Ada approves."""
    data = "data/ward/synthetic"
    early = world.a.says("approve", data, "--reason", "r", "--as", "ada", "--yes", code=2, shows=("is refused",))
    assert "may not follow" in early
    world.a.says("inbox", "--as", "ada", shows=("must read the report", "I read the report"))
    notes = ("--notes", "read it; no row stands out", "--as", "bob", "--yes")
    world.a.says("review", data, "--outcome", "pass", *notes, shows=("I read the report", "reviewed"))
    world.a.says(
        "approve", data, "--reason", "protocol 2026-17", "--as", "ada", "--yes", shows=("I approve", "approved")
    )


def storage(world: World) -> None:
    """A copy goes to the archive, encrypted with a key of its own."""
    world.a.says(
        "store", "data/ward/synthetic", "--to", str(world.base / "archive"), shows=("encrypted, read back and counted",)
    )


def offer_and_proposal(world: World) -> None:
    """A offers the data. They are confidential, so B must ask first, and A's steward decides."""
    offer = (
        "--to",
        "Hospital B",
        "--purpose",
        "teach statistics",
        "--terms",
        "no copies",
        "--expires",
        "P30D",
        "--yes",
    )
    world.a.says("offer", "data/ward/synthetic", *offer, "-o", world.parcel, shows=("content follows",))
    world.b.says("accept", world.parcel, "--yes", code=2, shows=("wants an approved proposal first",))
    world.b.says("access", "request", world.parcel, *PROPOSAL, "--until", "P1Y", "--yes", shows=("I ask for access",))
    world.a.says("receive", world.parcel, shows=("access-requested",))
    grant = ("--terms", "no copies", "--report-every", "P20D", "--as", "ada", "--yes")
    world.a.says("access", "grant", "data/ward/synthetic", *grant, shows=("legal basis", "I grant access"))
    world.a.says("receive", world.parcel, shows=("encrypted to",))


def acceptance(world: World) -> None:
    """B checks A's ledger by the policy it pinned, computes the digest itself, and countersigns."""
    world.b.says("accept", world.parcel, "--yes", shows=("its ledger holds", "digest computed here", "I accept"))
    world.b.says("verify", shows=("level A",))
    world.a.says("receive", world.parcel, shows=("transfer-accepted",))
    world.a.says("status", "data/ward/synthetic", shows=("transferred",))


def retention_ends(world: World) -> None:
    """The time for which the data may be kept is over; `due` and `verify` say so."""
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=WAIT)
    basis = ("--until", until.isoformat().replace("+00:00", "Z"), "--basis", "protocol 2026-17", "--yes")
    places = ((world.a, "data/ward/raw"), (world.b, received(world)))
    for hospital, artifact in places:
        hospital.says("retain", artifact, *basis, shows=("retention-set",))
    time.sleep(max(0.0, (until - datetime.now(UTC)).total_seconds() + 1))
    for hospital, _ in places:
        hospital.says("due", code=1, shows=("OVERDUE", "retention ends"))
    world.a.says("verify", code=1, shows=("retention-overrun",))


def disposal(world: World) -> None:
    """Ada asks for disposal and cannot approve it herself; Eve does. A certificate says what was done to each copy.

    What was made from the ward's records goes with them. Afterwards the pipeline goes on with what is left: nothing.
    """
    for hospital, artifact in ((world.a, "data/ward/raw"), (world.b, received(world))):
        reason = ("--reason", "retention ended", "--with-descendants")
        hospital.says("dispose", "request", artifact, *reason, "--as", "ada", "--yes", shows=("disposal-requested",))
        own = ("--reason", "checked", "--as", "ada", "--yes")
        hospital.says("dispose", "approve", artifact, *own, code=2, shows=("is refused",))
        approve = ("--reason", "checked", "--as", "eve", "--yes")
        hospital.says("dispose", "approve", artifact, *approve, shows=("disposal-approved",))
        hospital.says("dispose", "execute", artifact, "--yes", shows=("certificate",))
        hospital.says("verify", shows=("level A",))
    world.a.says("status", world.synthetic, shows=("disposed",))
    world.a.says("dispose", "verify", "--as", "operator", "--yes", shows=("clean",))
    world.a.says("status", program="dvc")
    world.a.says("repro", shows=("level A",))


def received(world: World) -> str:
    """Where B put what it received."""
    (found,) = (world.b.root / "data").glob("*/raw")
    return found.relative_to(world.b.root).as_posix()


def audit(world: World) -> None:
    """An auditor has ten copies of A's ledger, and A's policy from its owner's hand. One copy was tampered with.

    What became of the data is read from the first copy that holds: entry, time, event, and who signed it.
    """
    desk = world.auditor.root
    shutil.copy(world.exchange / "a.policy", desk / "a.policy")
    copies = [Path(shutil.copytree(world.a.root / "ledger", desk / f"copy-{number}")) for number in range(10)]
    tamper(copies[6])
    found = [name for name in (copy.name for copy in copies) if not verifies(world.auditor, name)]
    assert found == ["copy-6"], found
    world.auditor.says("verify", "copy-6", "--policy", "a.policy", "--no-artifacts", code=1, shows=("entry-edited",))
    story = json.loads(world.auditor.says("show", "--ledger", "copy-0", "--policy", "a.policy", "--json"))
    plot = [entry for entry in story if entry["event"] in PLOT]
    for entry in plot:
        world.tell(f"      {entry['seq']:>3}  {entry['at'][:19]}  {entry['event']:<19} {entry['actor']}")
    told = [entry["event"] for entry in plot]
    assert set(told) == set(PLOT), set(PLOT) - set(told)
    assert told == sorted(told, key=PLOT.index), told
    wanted = ("--ledger", "copy-0", "--policy", "a.policy")
    world.auditor.says("explain", world.synthetic, *wanted, shows=("Since then", "level A"))


PLOT = (
    "acquired",
    "derived",
    "trained",
    "generated",
    "validated",
    "reviewed",
    "approved",
    "stored",
    "transfer-offered",
    "access-requested",
    "access-granted",
    "transfer-accepted",
    "retention-set",
    "disposal-requested",
    "disposal-approved",
    "disposal-executed",
)
"""The events that the auditor must find, in the order in which they happened."""


def verifies(auditor: Organisation, name: str) -> bool:
    """Tell whether the copy holds by the policy that the auditor was given, and say so."""
    answer = auditor.says("verify", name, "--policy", "a.policy", "--no-artifacts", code=None)
    holds = answer.splitlines()[0].endswith("level A")
    auditor.tell(f"      {'holds, level A' if holds else 'DOES NOT HOLD'}")
    return holds


def tamper(ledger: Path) -> None:
    """Change one letter in one entry, everywhere it stands, as someone would who hopes that nobody looks."""
    path = max((path for path in (ledger / "tile" / "entries").rglob("*") if path.is_file()), key=os.path.getmtime)
    data = path.read_bytes()
    at = data.rindex(b'"payload":"') + 200
    path.write_bytes(data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :])


CHAPTERS: tuple[Callable[[World], None], ...] = (
    people_and_keys,
    generation,
    review,
    storage,
    offer_and_proposal,
    acceptance,
    retention_ends,
    disposal,
    audit,
)


def main() -> None:
    """Tell the story in a temporary folder."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="synthtrail-story.") as folder:
        world = World(Path(folder))
        for number, chapter in enumerate(CHAPTERS, 1):
            print(f"\n{number}. {' '.join((chapter.__doc__ or '').split())}")
            chapter(world)
    print(f"\nThe end, after {time.monotonic() - started:.0f} s.")


if __name__ == "__main__":
    main()
