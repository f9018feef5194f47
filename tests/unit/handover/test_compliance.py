"""The map of clauses names events, commands and tests that exist."""

import importlib.util
import re

import pytest

from synthtrail.cli.main import COMMANDS
from synthtrail.custody.events import EVENTS
from tests.imports import ROOT

PAGE = (ROOT / "docs/compliance.md").read_text(encoding="utf-8")
MARKED = sorted(set(re.findall(r"`([^`]+)`", PAGE)))
NORMS = ("21 CFR Part 11", "Annex 11", "164.312", "164.528", "GDPR", "AI Act", "27037", "800-88r2")
FIELDS = {"command", "event", "tests/…", "signatureKind", "meaning", "at", "legal_basis", "purpose", "class", "sign"}


@pytest.mark.parametrize("marked", MARKED)
def test_what_is_named_exists(marked: str) -> None:
    """A command is one of ours, a test a file with tests in it, everything else an event or a field."""
    if marked.startswith("synthtrail "):
        assert marked.split()[1] in COMMANDS
    elif marked.startswith("tests/") and marked not in FIELDS:
        assert "def test_" in (ROOT / marked).read_text(encoding="utf-8")
    else:
        assert marked in EVENTS or marked in FIELDS


def test_every_norm_has_its_table() -> None:
    """All eight are there, and each row says what is not covered: no clause is served whole by a program."""
    for norm in NORMS:
        assert norm in PAGE
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]
    assert len(rows) > 50
    assert {line.count("|") for line in rows} == {5}
    assert [line for line in rows if not line.split("|")[4].strip()] == []


def test_every_event_of_custody_after_generation_is_mapped() -> None:
    """Nothing that this half of the ledger can say is left without a clause that it serves."""
    names = [name for name, spec in EVENTS.items() if spec.about == "artifact"]
    left = {name for name in names if f"`{name}`" not in PAGE}
    assert left <= {"rejected", "transfer-expired"}


def test_the_commands_named_can_be_loaded() -> None:
    """Their modules are there."""
    for marked in MARKED:
        if marked.startswith("synthtrail "):
            name = marked.split()[1]
            module = {"audit": "audit_command"}.get(name, name.replace("-", "_"))
            assert importlib.util.find_spec(f"synthtrail.cli.{module}") is not None, name
