"""The command line: one clear line and an exit code for whatever cannot be done."""

from pathlib import Path

import pytest

from synthtrail.cli.main import COMMANDS, USERS, main


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder, with keys and policies in another."""
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def test_the_overview_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command, help is printed and nothing counts as done."""
    assert main([]) == 2
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)
    places = [shown.index(f"commands for the {user}:") for user in ("ML engineer", "steward", "auditor")]
    assert places == sorted(places)
    assert {name for names in USERS.values() for name in names} <= COMMANDS.keys()
    lines = [shown.index(f"\n  {name} ") for name in ("repro", "key", "verify")]
    assert [place for pair in zip(places, lines, strict=True) for place in pair] == sorted([*places, *lines])


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` of each command works and says more than the usage line."""
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    assert len(capsys.readouterr().out) > 200


@pytest.mark.parametrize(
    "name", ["verify", "fsck", "cosign", "witness", "anchor", "show", "explain", "bundle", "status", "export"]
)
def test_an_auditors_help_is_a_manual_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Purpose, examples, arguments, exit codes, files and what to see also, in this order."""
    with pytest.raises(SystemExit):
        main([name, "--help"])
    shown = capsys.readouterr().out
    titles = ["Usage:\n    synthtrail ", "Exit codes:\n    0  ", "Files:\n    ", "See also: ", "options:"]
    places = [shown.find(title) for title in titles]
    assert -1 not in places
    assert places == sorted(places)
    assert max(map(len, shown.splitlines())) <= 120


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is that of a wrong command line."""
    with pytest.raises(SystemExit) as end:
        main(["verfy"])
    assert end.value.code == 2
    assert "verify" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verify"], "no ledger here; `make repro` makes one"),
        (["show"], "no ledger here"),
        (["explain", "x"], "no ledger here"),
        (["enable", "iris"], "no experiment 'iris' in catalog/"),
        (["disable", "iris"], "params.yaml: no such file; run this from the root of the project"),
        (["generate", "iris", "--count", "9"], "params.yaml: no such file"),
        (["ui"], "no runs yet; `make repro` makes some"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, the reason and the way out on one line, no traceback."""
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_init_twice_makes_one_ledger(capsys: pytest.CaptureFixture[str]) -> None:
    """The first run creates and says what; the second finds it; verify and show then work on it."""
    assert main(["init"]) == 0
    assert "new ledger synthtrail.local/" in capsys.readouterr().out
    assert main(["init"]) == 0
    assert "2 entries" in capsys.readouterr().out
    assert main(["verify"]) == 0
    assert "level A" in capsys.readouterr().out
    assert main(["show"]) == 0
    assert "ledger-opened" in capsys.readouterr().out
    assert main(["show", "9"]) == 2
    assert "the ledger has entries 0 to 1" in capsys.readouterr().err


def test_a_policy_of_another_ledger_does_not_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is judged by a policy that pins other keys fails, with a finding and exit code 1."""
    main(["init"])
    (tmp_path / "other").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path / "other")
        main(["init"])
    policies = sorted((tmp_path / "XDG_CONFIG_HOME").rglob("policy.json"))
    outcomes = [main(["verify", ".", "--policy", str(policy), "--no-artifacts"]) for policy in policies]
    assert sorted(outcomes) == [0, 1]
    assert "FAILED" in capsys.readouterr().out


def test_a_damaged_ledger_is_reported_not_merely_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its entries torn away, verify still prints findings and exits 1, artifacts or none."""
    main(["init"])
    bundles = [path for path in (tmp_path / "work/ledger/tile/entries").rglob("*") if path.is_file()]
    for path in bundles:
        path.write_bytes(path.read_bytes()[:40])
    assert main(["verify"]) == 1
    assert "ledger-damaged" in capsys.readouterr().out
