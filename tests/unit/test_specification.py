"""The specification says what the program does: printed tables, example bytes, codes, references."""

import re
from pathlib import Path

import pytest

from synthtrail.custody import events, policy, transitions
from synthtrail.custody.bundles import FolderReader
from synthtrail.custody.events import EVENTS
from synthtrail.custody.findings import CODES
from synthtrail.custody.verify import verify
from tests.unit import specification
from tests.unit.specification import BLOCKS, DOCUMENT, EXAMPLE, PARTS, POLICY, ROOT, START

TEXT = DOCUMENT.read_text(encoding="utf-8")


def block(name: str) -> str:
    found = re.search(rf"<!-- begin {name} -->\n(.*?)<!-- end {name} -->", TEXT, re.DOTALL)
    assert found is not None
    return found[1].strip() + "\n"


def test_tables_are_printed_from_the_data() -> None:
    assert block("events") == events.markdown()
    assert block("transitions") == transitions.markdown()
    assert specification.filled(TEXT) == TEXT, "run python -m tests.unit.specification"


def test_every_code_of_a_finding_is_there_and_no_other() -> None:
    """In the table all of them; in the text nothing that looks like a code and is none."""
    rows = re.findall(r"^\| `([a-z-]+)` \|", block("findings"), re.MULTILINE)
    assert rows == list(CODES)
    prose = re.sub(r"<!-- begin (\w+) -->.*?<!-- end \1 -->", "", TEXT, flags=re.DOTALL)
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", prose))
    others = set(EVENTS) | {"tlog-proof"}
    assert named - others <= set(CODES)
    elsewhere = ("artifact-", "record-", "file-", "erasure-", "certificate-")
    verifying = {code for code in CODES if not code.startswith(elsewhere)}
    verifying |= {"record-unknown"}
    assert verifying - named == {"folder-changed"}, "a verifier could not be written for these"


def test_the_example_is_what_the_program_makes(tmp_path: Path) -> None:
    """Byte for byte: neither the format nor the example may change unnoticed."""
    specification.write_example(tmp_path)
    assert dict(specification.files(tmp_path)) == dict(specification.files(EXAMPLE))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(PARTS)


def test_the_example_is_good() -> None:
    report = verify(
        FolderReader(EXAMPLE / "ledger"), POLICY, now=START, since=(EXAMPLE / "kept-checkpoint").read_bytes()
    )
    assert (report.claims, report.findings, report.size) == (("A", "B"), (), 3)
    assert policy.parse((EXAMPLE / "policy.json").read_bytes()) == POLICY


def test_a_block_that_is_lost_is_noticed() -> None:
    with pytest.raises(ValueError, match="blocks"):
        specification.filled(TEXT.replace("<!-- begin events -->", ""))
    assert set(BLOCKS) == set(re.findall(r"<!-- end (\w+) -->", TEXT))


@pytest.mark.parametrize("document", ["ledger-specification.md", "auditor.md"])
def test_files_and_sections_that_are_named_exist(document: str) -> None:
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    for name in re.findall(r"`((?:docs|verifiers|src|tests)/[\w./-]+)`", text):
        assert (ROOT / name).exists(), name
    sections = set(re.findall(r"^##+ ([0-9.]+)", TEXT, re.MULTILINE))
    assert set(re.findall(r"§([0-9.]*[0-9])", text)) <= sections


def test_sections_that_the_other_verifier_names_exist() -> None:
    sections = set(re.findall(r"^##+ ([0-9.]+)", TEXT, re.MULTILINE))
    source = (ROOT / "verifiers" / "synthtrail_verify.py").read_text(encoding="utf-8")
    assert set(re.findall(r"§([0-9.]*[0-9])", source)) <= sections
