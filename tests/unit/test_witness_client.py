"""The log's side: whom it asks, what it believes, what it keeps; and the commands of both sides."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from synthtrail.cli import cosign as cosign_command
from synthtrail.cli import witness as witness_command
from synthtrail.cli.errors import CommandError
from synthtrail.cli.main import main
from synthtrail.custody import cosignature, note, witness
from synthtrail.custody.cosignature import Cosigner
from synthtrail.custody.ed25519 import Signer
from synthtrail.custody.errors import DataError, FormatError, SignatureError, StorageError, UsageError
from synthtrail.custody.policy import Policy, Witness
from synthtrail.handover import posting, witness_client
from synthtrail.handover.posting import UnreachableError
from synthtrail.handover.witness_client import ForkError, LargerTreeError, ask, ask_folder, keep, read_source
from synthtrail.handover.witness_server import WitnessServer, answer_folder
from synthtrail.handover.witness_state import WitnessState, load
from synthtrail.storage import files
from synthtrail.storage.home import home
from tests.unit.witness_logs import LOG, ORIGIN, STRANGER, WITNESS, History, state_in

GOOD, FORK = History(), History("'")
PINNED = [WITNESS.verifier]


@pytest.fixture
def state(tmp_path: Path) -> WitnessState:
    found = state_in(tmp_path / "witness")
    found.trust(ORIGIN, LOG.verifier)
    return found


@pytest.fixture
def server(state: WitnessState) -> Iterator[WitnessServer]:
    with WitnessServer(state) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def ledger_at(folder: Path, size: int, history: History = GOOD) -> Path:
    history.write(folder, size)
    return folder


def test_a_log_need_not_know_what_the_witness_signed_last(server: WitnessServer, tmp_path: Path) -> None:
    """First, grown, unchanged: the proof is made from the tiles, from the size that a 409 names."""
    for size in (5, 300, 300):
        source = read_source(ledger_at(tmp_path / "ledger", size))
        (line,) = ask(source, server.address + "/", PINNED)
        Cosigner(WITNESS.verifier).verify(note.parse(source.signed)[0].encode(), line.signature)
        assert line.key_id == Cosigner(WITNESS.verifier).key_id


def test_a_log_that_was_rolled_back_learns_it_from_its_witness(server: WitnessServer, tmp_path: Path) -> None:
    ask(read_source(ledger_at(tmp_path / "a", 300)), server.address, PINNED)
    with pytest.raises(LargerTreeError, match="300 entries"):
        ask(read_source(ledger_at(tmp_path / "b", 299)), server.address, PINNED)


@pytest.mark.parametrize("size", [8, 9])
def test_a_forked_log_learns_it_from_its_witness(server: WitnessServer, tmp_path: Path, size: int) -> None:
    """At the size that was signed, and at a larger one."""
    ask(read_source(ledger_at(tmp_path / "a", 8)), server.address, PINNED)
    with pytest.raises(ForkError, match="another tree of 8"):
        ask(read_source(ledger_at(tmp_path / "b", size, FORK)), server.address, PINNED)


def test_damaged_tiles_are_not_taken_for_a_fork(server: WitnessServer, tmp_path: Path) -> None:
    """If the log's own proof does not give its own root, the fault is at home."""
    ledger = ledger_at(tmp_path / "a", 9)
    ask(read_source(ledger_at(tmp_path / "b", 8)), server.address, PINNED)
    tile = ledger / "tile/0/000.p/9"
    tile.write_bytes(tile.read_bytes()[:-32] + bytes(32))
    with pytest.raises(StorageError, match="does not give the published root"):
        ask(read_source(ledger), server.address, PINNED)


def test_an_unpinned_witness_and_a_refusal_are_errors(server: WitnessServer, tmp_path: Path) -> None:
    """Nothing is believed that no pinned key signed."""
    source = read_source(ledger_at(tmp_path / "a", 8))
    with pytest.raises(SignatureError):
        ask(source, server.address, [STRANGER.verifier])
    other = read_source(ledger_at(tmp_path / "b", 8, History(origin="example.com/other")))
    with pytest.raises(DataError, match="answers 404"):
        ask(other, server.address, PINNED)


def test_a_witness_that_always_names_another_size_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As it would be if another process of the same log kept winning."""
    sizes = iter([b"3\n", b"4\n", b"5\n", b"6\n"])
    monkeypatch.setattr(witness_client, "post", lambda *_: posting.Answer(409, "text/x.tlog.size", next(sizes)))
    with pytest.raises(DataError, match="try again"):
        ask(read_source(ledger_at(tmp_path / "a", 8)), "http://127.0.0.1:1", PINNED)


def test_a_post_goes_nowhere_else() -> None:
    """No files, no passwords, no closed port."""
    for url in ("file:///etc/passwd", "ftp://example.com/", "http://", "http://me@127.0.0.1/", "127.0.0.1:80"):
        with pytest.raises(UsageError):
            posting.post(url, b"", "text/plain")
    with pytest.raises(UnreachableError):
        posting.post("http://127.0.0.1:1/", b"", "text/plain", timeout=1)


def test_an_answer_is_bounded(server: WitnessServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "MAX_ANSWER", 3)
    with pytest.raises(UnreachableError, match="more than 3"):
        posting.post(server.address + "/add-checkpoint", b"x", "text/plain")


def test_a_drop_folder_carries_the_same_conversation(state: WitnessState, tmp_path: Path) -> None:
    """Request, answer; then, grown: request, size, request, answer. A waiting request is not written twice."""
    drop = tmp_path / "drop"
    drop.mkdir()
    source = read_source(ledger_at(tmp_path / "a", 8))
    assert ask_folder(source, drop, PINNED) is None
    assert ask_folder(source, drop, PINNED) is None
    assert len(answer_folder(state, drop)) == 1
    (line,) = ask_folder(source, drop, PINNED) or ()
    assert line.name == WITNESS.name
    grown = read_source(ledger_at(tmp_path / "a", 300))
    for status in (409, 200):
        assert ask_folder(grown, drop, PINNED) is None
        assert [response.status for _, response in answer_folder(state, drop)] == [status]
    assert ask_folder(grown, drop, PINNED)
    assert list(drop.iterdir()) == []


def test_a_fork_shows_in_a_drop_folder_too(state: WitnessState, tmp_path: Path) -> None:
    source = read_source(ledger_at(tmp_path / "a", 8, FORK))
    state.answer(GOOD.body(0, 8))
    for _ in range(2):
        assert ask_folder(source, tmp_path, PINNED) is None
        assert answer_folder(state, tmp_path)[0][1].body == b"8\n"
    with pytest.raises(ForkError):
        ask_folder(source, tmp_path, PINNED)


def test_an_answer_that_is_a_link_or_misnamed_is_refused(state: WitnessState, tmp_path: Path) -> None:
    """Whoever may write to the folder does not choose what is read or asked."""
    source = read_source(ledger_at(tmp_path / "a", 8))
    ask_folder(source, tmp_path, PINNED)
    ((name, _),) = answer_folder(state, tmp_path)
    answer = tmp_path / f"{name}.response"
    answer.rename(tmp_path / "elsewhere")
    answer.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FormatError, match="not a plain file"):
        ask_folder(source, tmp_path, PINNED)
    answer.unlink()
    (tmp_path / f"{name.rpartition('-')[0]}-x.response").write_bytes(b"409\n8\n")
    with pytest.raises(FormatError, match="not the name"):
        ask_folder(source, tmp_path, PINNED)


def test_cosignatures_are_published_and_kept(tmp_path: Path) -> None:
    """The copy stays when the log grows, gathers what later calls bring, and belongs to one history."""
    published: list[bytes] = []
    text = note.parse(GOOD.signed(8))[0]
    first = cosignature.sign(text, WITNESS, at=5)
    second = cosignature.sign(text, Signer("w.example/2", bytes(31) + b"2"), at=6)
    keep(tmp_path, GOOD.signed(8), [first], published.append)
    keep(tmp_path, GOOD.signed(8), [second], published.append)
    assert published[1] == (tmp_path / "cosigned/8").read_bytes()
    assert note.parse(published[1])[1][1:] == (first, second)
    third = cosignature.sign(text, Signer("w.example/3", bytes(31) + b"3"), at=7)
    keep(tmp_path, note.attach(GOOD.signed(8), [third]), [first], published.append)
    assert set(note.parse(published[2])[1][1:]) == {first, second, third}
    with pytest.raises(StorageError, match="another history"):
        keep(tmp_path, FORK.signed(8), [], published.append)
    assert len(published) == 3


def test_a_copy_is_kept_even_if_the_log_has_grown_meanwhile(tmp_path: Path) -> None:
    def too_late(_signed: bytes) -> None:
        raise UsageError("cosignatures of another checkpoint")

    line = cosignature.sign(note.parse(GOOD.signed(8))[0], WITNESS, at=5)
    with pytest.raises(UsageError):
        keep(tmp_path, GOOD.signed(8), [line], too_late)
    assert witness.read_lines(line.line().encode(), (tmp_path / "cosigned/8").read_bytes(), PINNED)


def test_there_must_be_a_checkpoint_and_a_pinned_witness(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no checkpoint"):
        read_source(tmp_path)
    with pytest.raises(UsageError, match="pins no witness"):
        witness_client.check_ready([])


@pytest.fixture
def xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One user's folders, who is witness and log in turn."""
    for kind in ("DATA", "CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    monkeypatch.setattr("synthtrail.cli.main.COMMANDS", {"witness": "", "cosign": ""})
    return tmp_path


class FakeLedger:
    """Stands where `custody.ledger.Ledger` does; that class has its own tests."""

    published: list[bytes]

    @classmethod
    def open(cls, *_: object) -> "FakeLedger":
        return cls()

    def publish_cosigned(self, signed: bytes) -> None:
        self.published.append(signed)


def pin(quorum: int, *vkeys: str) -> None:
    """Pin a policy for the ledger, with these witnesses of other organisations."""
    root = Signer("root", bytes(31) + b"r").verifier.vkey()
    witnesses = tuple(Witness(f"organisation {number}", vkey) for number, vkey in enumerate(vkeys))
    policy = Policy(ORIGIN, "Clinic", (root,), LOG.verifier.vkey(), witnesses=witnesses, quorum=quorum)
    files.write_bytes(home().policy(ORIGIN), policy.encode())


def test_both_commands_together(xdg: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """new, trust, cosign (a request), sign, cosign (the answer), show."""
    published: list[bytes] = []
    monkeypatch.setattr(FakeLedger, "published", published, raising=False)
    monkeypatch.setattr(cosign_command, "Ledger", FakeLedger)
    monkeypatch.setattr(cosign_command, "load_key", lambda *_: LOG)
    ledger, drop = ledger_at(xdg / "ledger", 8), xdg / "drop"
    drop.mkdir()
    assert main(["witness", "new", "--name", "w.example/1"]) == 0
    vkey = capsys.readouterr().out.strip()
    pin(1, vkey)
    assert main(["witness", "trust", LOG.verifier.vkey(), "--origin", ORIGIN]) == 0
    assert main(["witness", "show"]) == 0
    assert "nothing signed yet" in capsys.readouterr().out
    assert main(["cosign", str(ledger), "--witness", str(drop)]) == 1
    assert "quorum-missing" in capsys.readouterr().out
    assert main(["witness", "sign", "--drop", str(drop)]) == 0
    assert main(["cosign", str(ledger), "--witness", str(drop)]) == 0
    said = capsys.readouterr().out
    assert "cosigned by w.example/1" in said
    assert "cosigned by 1 organisations, 1 wanted" in said
    opened = note.open(published[0], [LOG.verifier, cosignature.parse_vkey(vkey)])
    assert (opened.text, len(opened.verified)) == (note.parse(GOOD.signed(8))[0], 2)
    assert main(["witness", "show"]) == 0
    assert "size 8, root " in capsys.readouterr().out


def test_what_the_commands_cannot_do(xdg: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No policy, no such place, no such folder, no witness key in the policy, a log that another key signed."""
    ledger = str(ledger_at(xdg / "ledger", 8))
    main(["witness", "new", "--name", "w.example/1"])
    assert main(["cosign", ledger, "--witness", str(xdg)]) == 2
    pin(0)
    assert main(["cosign", ledger, "--witness", str(xdg)]) == 2
    pin(1, load(home()).vkey)
    assert main(["cosign", ledger, "--witness", "/nowhere"]) == 2
    assert main(["witness", "sign", "--drop", "/nowhere"]) == 2
    ledger_at(xdg / "ledger", 8, History(signer=STRANGER))
    assert main(["cosign", ledger, "--witness", str(xdg)]) == 2
    said = capsys.readouterr().err.splitlines()
    expected = ["no policy", "pins no witness", "neither", "no such folder", "pinned key"]
    for line, word in zip(said, expected, strict=True):
        assert word in line


def test_sign_reports_what_it_could_not_answer(xdg: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 where the witness's own state is at fault, 0 for a refusal."""
    main(["witness", "new", "--name", "w.example/1"])
    (xdg / "a.add-checkpoint").write_bytes(b"hello")
    assert main(["witness", "sign", "--drop", str(xdg)]) == 0
    assert "a: 400: " in capsys.readouterr().out
    main(["witness", "trust", LOG.verifier.vkey(), "--origin", ORIGIN])
    next(path for path in (xdg / "state").rglob("*") if len(path.name) == 64).unlink()
    (xdg / "b.add-checkpoint").write_bytes(GOOD.body(0, 8))
    assert main(["witness", "sign", "--drop", str(xdg)]) == 1
    assert "is missing" in capsys.readouterr().out


def test_serve_answers_until_it_is_interrupted(
    xdg: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints where it listens; Ctrl-C ends it without an error."""

    def interrupted(self: WitnessServer) -> None:
        assert self.address.startswith("http://127.0.0.1:")
        raise KeyboardInterrupt

    monkeypatch.setattr(WitnessServer, "serve_forever", interrupted)
    main(["witness", "new", "--name", "w.example/1"])
    assert main(["witness", "serve", "--port", "0"]) == 0
    assert capsys.readouterr().out.endswith("/add-checkpoint\n")
    witness_command._report("x")
    assert capsys.readouterr().err == "witness: x\n"


def test_a_command_without_its_policy_names_the_file(xdg: Path) -> None:
    source = read_source(ledger_at(xdg / "ledger", 8))
    with pytest.raises(CommandError, match=str(home().policy(ORIGIN))):
        cosign_command._policy(None, source)
