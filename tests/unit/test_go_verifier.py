"""Go's verifier of the tree against ours: on every ledger of one corpus they agree on what it declares.

It hashes entries and reads none, so it can only judge faults of the log as against its entries: those that vanish when
a tree is made anew over the same entries and signed by the sequencer. Whatever it finds, ours finds at the same place.
Whatever of its codes ours finds, it finds too, except what is found on that ledger made anew, and what ours concludes
from the numbers that entries give themselves, or from the lines of witnesses.
"""

import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, TypeAlias

import pytest

from synthtrail.custody import merkle, note, quorum, tiles
from synthtrail.custody.bundles import FolderReader, read_bundles
from synthtrail.custody.canonical import b64encode
from synthtrail.custody.ed25519 import NOTE_TYPE, L, format_vkey
from synthtrail.custody.examine import examine
from synthtrail.custody.findings import CODES
from synthtrail.custody.note import Checkpoint
from synthtrail.custody.report import Report
from synthtrail.custody.verify import verify
from tests.unit.custody import test_attacks_on_events, test_attacks_on_log
from tests.unit.custody.conftest import pristine, world
from tests.unit.custody.forgery import bundle_path, checkpoint_path, entries_of, write_bundle, write_log
from tests.unit.custody.ledger_factory import ORIGIN, SEQUENCER, STRANGER, WITNESSES, World, make_policy
from tests.unit.test_other_verifier import cases, copied, spoiled

SOURCE = Path(__file__).parents[2] / "verifiers" / "go"
GOPATH = Path("/usr/share/gocode")  # where Debian's golang-golang-x-mod-dev puts it

Place: TypeAlias = tuple[str, int | None, str | None]
"""Where something was found: code, entry, path."""

pytestmark = [
    pytest.mark.skipif(shutil.which("go") is None, reason="Go (Debian golang-go) is not installed"),
    pytest.mark.skipif(
        not (GOPATH / "src/golang.org/x/mod/sumdb").is_dir(), reason="Debian golang-golang-x-mod-dev is not installed"
    ),
]
__all__ = ["pristine", "world"]  # fixtures

seen: set[str] = set()
"""Declared codes on which both agreed somewhere in the corpus."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built without a network."""
    target = tmp_path_factory.mktemp("go") / "verify-tiles"
    settings = {"GO111MODULE": "off", "GOPATH": str(GOPATH), "GOFLAGS": "", "GOPROXY": "off"}
    subprocess.run(["go", "build", "-o", str(target), "."], cwd=SOURCE, env=os.environ | settings, check=True)
    return target


def run(program: Path, world: World, *options: str) -> Any:
    """What the program prints about a ledger, its exit code checked."""
    keys = ["-vkey", world.policy.sequencer, "-origin", world.policy.origin]
    done = subprocess.run([program, *keys, *options, world.path], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    said = json.loads(done.stdout)
    assert done.returncode == (0 if said["ok"] else 1)
    assert said["ok"] is (said["findings"] == [])
    return said


class Both:
    """In place of `forgery.audit`: our report, once the program agreed with it."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program, self.kept = program, folder / "kept"

    def __call__(self, world: World, since: bytes | None = None) -> Report:
        options = []
        if since is not None:
            self.kept.write_bytes(since)
            options = ["-since", str(self.kept)]
        said = run(self.program, world, *options)
        ours = verify(FolderReader(world.path), world.policy, now=world.now, since=since)
        expected = places(ours, said["judges"])
        found = {(one["code"], one["entry"], one["path"]) for one in said["findings"]}
        assert found <= expected
        if found < expected:
            elsewhere = places(made_anew(world), said["judges"]) | displaced(world) | cosignature_faults(world)
            assert expected - found <= elsewhere
        if said["ok"]:
            assert said["proved"] == said["size"] == ours.size
            assert said["consistent"] is (since is not None)
        seen.update(code for code, _, _ in found)
        return ours


def places(report: Report, judged: dict[str, str]) -> set[Place]:
    return {(one.code, one.entry, one.path) for one in report.findings if one.code in judged}


def cosignature_faults(world: World) -> set[Place]:
    """What is wrong with the lines of witnesses, which the program declares not checked."""
    judged = quorum.judge(checkpoint_path(world).read_bytes(), world.policy, now=int(world.now.timestamp()))
    return {(one.code, one.entry, one.path) for one in judged.findings}


def made_anew(world: World) -> Report:
    """What ours finds on a good tree, well signed, over the entries as they stand."""
    with TemporaryDirectory() as scratch:
        fresh = World(Path(scratch), policy=world.policy, now=world.now)
        (fresh.path / "tile").mkdir(parents=True)
        write_log(fresh, [data for _, data in standing(world)], signer=SEQUENCER)
        return verify(FolderReader(fresh.path), world.policy, now=world.now)


def displaced(world: World) -> set[Place]:
    """Where entries say another place than theirs: what ours calls it depends on the size, so no new tree tells."""
    codes = ("entries-missing", "entry-inserted", "entries-reordered")
    wrong = [place for place, data in standing(world) if examine(data, {}).seq not in {-1, place}]
    return {(code, place, None) for code in codes for place in wrong}


def standing(world: World) -> list[tuple[int, bytes]]:
    """All entries that can be read, with their places."""
    bundles = read_bundles(FolderReader(world.path), claimed_size(world))
    return [(bundle.first + offset, data) for bundle in bundles for offset, data in enumerate(bundle.entries)]


def claimed_size(world: World) -> int:
    return note.parse_checkpoint(note.parse(checkpoint_path(world).read_bytes())[0]).size


@pytest.fixture
def both(program: Path, tmp_path: Path) -> Both:
    return Both(program, tmp_path)


@pytest.mark.parametrize(
    ("module", "function", "arguments"), [*cases(test_attacks_on_events), *cases(test_attacks_on_log)]
)
def test_on_every_attack(
    module: ModuleType,
    function: Callable[..., None],
    arguments: dict[str, object],
    world: World,
    both: Both,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "audit", both)
    function(world=world, **arguments)


@pytest.mark.parametrize("seed", range(3))
def test_on_random_damage(world: World, both: Both, seed: int) -> None:
    """Any byte of checkpoint, tile or bundle, flipped, dropped or doubled."""
    since = world.ledger.checkpoint
    files = sorted(path for path in world.path.rglob("*") if path.is_file() and path.suffix != ".jsonl")
    draw = random.Random(seed)  # noqa: S311  (a corpus, no secret)
    for _ in range(30):
        path = draw.choice([one for one in files if one.stat().st_size])
        good = path.read_bytes()
        path.write_bytes(spoiled(good, draw))
        both(world, since)
        path.write_bytes(good)


@pytest.mark.parametrize("seed", range(2))
def test_on_moved_entries(world: World, both: Both, seed: int) -> None:
    """Entries shuffled, lost, doubled and foreign, several at once, below the tiles of the good ones."""
    entries = entries_of(world)
    draw = random.Random(seed)  # noqa: S311
    for _ in range(15):
        changed = list(entries)
        for _ in range(draw.randrange(1, 4)):
            at, other = draw.randrange(len(changed)), draw.randrange(len(changed))
            match draw.randrange(4):
                case 0:
                    changed[at], changed[other] = changed[other], changed[at]
                case 1:
                    changed.insert(at, changed[other])
                case 2:
                    del changed[at]
                case _:
                    changed[at] = spoiled(changed[at], draw)
        write_bundle(world, changed)
        both(world, world.ledger.checkpoint)


@pytest.fixture(scope="module")
def long_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A ledger of two bundles."""
    made = World(tmp_path_factory.mktemp("long"), policy=make_policy(quorum=0))
    made.create()
    for version in range(1, 52):
        made.run("wine", version)
    assert made.ledger.head.size > 260
    return made


def test_earlier_checkpoints_of_every_size(long_world: World, tmp_path: Path, both: Both) -> None:
    """Every prefix is proved, by the entries; where they are gone, by a proof out of the tiles."""
    entries = entries_of(long_world)
    leaves = [merkle.leaf_hash(data) for data in entries]
    sizes = [1, 2, 255, 256, 257, len(leaves)]
    kept = [note.sign(Checkpoint(ORIGIN, size, merkle.root(leaves[:size])).text(), [SEQUENCER]) for size in sizes]
    for since in kept:
        assert both(long_world, since).level == "B"
    lossy = copied(long_world, tmp_path)
    (lossy.path / tiles.Tile(tiles.ENTRIES, 0).path).unlink()
    for since in kept:
        assert "log-forked" not in both(lossy, since).codes


def test_each_tile_of_a_large_ledger(long_world: World, tmp_path: Path, both: Both) -> None:
    """Rotten, short, long and missing, at each level; a full tile may stand in for a partial one."""
    copy = copied(long_world, tmp_path)
    size = copy.ledger.head.size
    paths = [copy.path / tile.path for tile in (*tiles.growth(0, size), *tiles.bundle_growth(0, size))]
    assert len(paths) == 5
    for path in paths:
        good = path.read_bytes()
        for bad in (bytes([good[0] ^ 1]) + good[1:], good[:-1], good + bytes(32), b""):
            path.write_bytes(bad)
            both(copy)
        path.write_bytes(good)
        if path.parent.suffix == ".p":
            full = path.parent.with_suffix("")
            path.rename(full)
            assert both(copy).level == "A", path
            full.rename(path)
        path.unlink()
        assert both(copy).level is None
        path.write_bytes(good)


def test_spellings_of_the_checkpoint(world: World, both: Both) -> None:
    """What note.Open would let pass is refused as ours refuses it, and named alike."""
    text, lines = note.parse(note.sign(world.ledger.head.text(), [SEQUENCER]))
    (line,) = lines
    good = line.line()
    order = L.to_bytes(32, "little")
    cases: dict[str, tuple[str, ...]] = {
        "signature-malleable": (
            respelled(good, 3),
            signed(line, line.signature[:32] + added(line.signature[32:], order)),
        ),
        "signature-invalid": (
            good + signed(line, bytes(range(64, 96)) + bytes(32)),
            signed(line, b"\x07" * 32 + bytes(32)),
        ),
        "key-weak": (
            signed(line, bytes(64)),
            signed(line, b"\xff" * 32 + bytes(32)),
            signed(line, b"\x01" + bytes(63)),
        ),
        "statement-malformed": (good + "— a+b " + b64encode(bytes(9)) + "\n",),
        "entry-oversized": (good * 101,),
        "ledger-damaged": (good + "— a " + b64encode(bytes(4)) + "\n", good.replace("— ", "- "), good[:-1]),
        "key-substituted": (signed(note.NoteSignature(STRANGER.name, STRANGER.key_id, b""), line.signature),),
    }
    for code, spellings in cases.items():
        for tail in spellings:
            checkpoint_path(world).write_bytes(f"{text}\n{tail}".encode())
            assert code in both(world).codes, (code, tail)
    checkpoint_path(world).write_bytes(f"{text}\n{good}{good}".encode())
    assert both(world).level == "A"


def respelled(text: str, at: int) -> str:
    """The same bytes in base64 whose unused bits, in the letter that far from the end, are not zero."""
    return text[:-at] + chr(ord(text[-at]) + 1) + text[-at + 1 :]


def signed(line: note.NoteSignature, signature: bytes) -> str:
    return note.NoteSignature(line.name, line.key_id, signature).line()


def added(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "little") + int.from_bytes(other, "little")).to_bytes(32, "little")


def test_other_texts_well_signed(world: World, both: Both) -> None:
    """Three lines and no other form, whoever signed them."""
    head = world.ledger.head
    root = b64encode(head.root)
    for text, code in (
        (f"{ORIGIN}\n{head.size}\n{root}\nmore\n", "ledger-damaged"),
        (f"{ORIGIN}\n0{head.size}\n{root}\n", "ledger-damaged"),
        (f"{ORIGIN}\n{head.size}\n{respelled(root, 2)}\n", "signature-malleable"),
        (f"{ORIGIN}\n{head.size}\n{b64encode(head.root[:31])}\n", "ledger-damaged"),
        (f"{ORIGIN}/\n{head.size}\n{root}\n", "event-of-another-ledger"),
    ):
        checkpoint_path(world).write_bytes(note.sign(text, [SEQUENCER]))
        assert code in both(world).codes, text


def test_cosignatures_are_passed_over(world: World, both: Both) -> None:
    """A cosigned checkpoint is one all the same; who cosigned is declared not checked."""
    world.cosign(*WITNESSES)
    assert both(world).ok


def test_links_out_of_the_ledger_are_not_followed(world: World, both: Both) -> None:
    moved = world.folder / "elsewhere"
    bundle_path(world).rename(moved)
    bundle_path(world).symlink_to(moved)
    assert "entries-missing" in both(world).codes


def test_what_cannot_be_judged_is_no_pass(program: Path, world: World, tmp_path: Path) -> None:
    """Without arguments, with a key that may not be pinned, without a folder or the kept checkpoint: exit code 2."""
    good = ["-vkey", world.policy.sequencer, "-origin", ORIGIN]
    weak = format_vkey("a", NOTE_TYPE, bytes(32))
    for arguments in (
        [],
        [*good],
        [*good, str(tmp_path / "nowhere")],
        [*good, "-since", str(tmp_path / "nothing"), str(world.path)],
        ["-vkey", "no key", "-origin", ORIGIN, str(world.path)],
        ["-vkey", weak, "-origin", ORIGIN, str(world.path)],
        ["-vkey", world.policy.sequencer, str(world.path)],
    ):
        done = subprocess.run([program, *arguments], capture_output=True, check=False)
        assert (done.returncode, done.stdout) == (2, b""), arguments


def test_every_code_is_declared_or_not_and_judged_somewhere(
    request: pytest.FixtureRequest, program: Path, world: World
) -> None:
    """The table names each of our codes once, judged or not checked, and none on which agreement was never tested."""
    said = run(program, world)
    assert set(said["judges"]) | set(said["notChecked"]) == set(CODES)
    assert not set(said["judges"]) & set(said["notChecked"])
    ran = {one.name.partition("[")[0] for one in request.session.items if one.path == Path(__file__)}
    if not {name for name, one in globals().items() if name.startswith("test_") and callable(one)} <= ran:
        pytest.skip("only some tests of this module are run")
    assert seen == set(said["judges"])
