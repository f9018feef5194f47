"""The page about a verification: what decides comes first, nothing is loaded, nothing is believed as HTML."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from synthtrail.cli import page
from synthtrail.cli.audit import Audit
from synthtrail.cli.main import main
from synthtrail.cli.page_entries import Row
from synthtrail.custody import policy as policies
from synthtrail.custody.artifacts import Presence
from synthtrail.custody.findings import Finding
from synthtrail.custody.report import Report
from tests.imports import loaded_by
from tests.test_architecture import HEAVY
from tests.unit.specification import EXAMPLE

VOID = {"meta", "br", "link", "img", "input", "hr"}
NASTY = "<img src=x onerror=alert(1)>\"'&</td><script>"


class Tags(HTMLParser):
    """Collects tags, and sees that they nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.ids: set[str] = set()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        values = dict(attrs)
        assert not {"src", "onerror", "onclick"} & values.keys()
        self.ids |= {str(values["id"])} if "id" in values else set()
        self.links |= {str(values["href"])} if "href" in values else set()
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(text: str) -> Tags:
    """The page's tags; each one is closed, and each link leads to a place on the page."""
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert {link.removeprefix("#") for link in tags.links} <= tags.ids
    assert not {"script", "img", "link", "iframe"} & tags.seen
    assert not re.search(r"https?:", text)
    return tags


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the example."""
    for kind in ("DATA", "CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / "home"))
    found = Path(shutil.copytree(EXAMPLE, tmp_path / "audit"))
    monkeypatch.chdir(found)
    return found


def written(code: int, *words: str) -> str:
    """The page that `synthtrail verify` writes while it exits with this code."""
    assert main(["verify", *words, "--policy", "policy.json", "--html", "page.html"]) == code
    return Path("page.html").read_text(encoding="utf-8")


def test_what_decides_comes_first(folder: Path) -> None:
    text = written(0, ".", "--since", "kept-checkpoint")
    tags = parsed(text)
    titles = ("Not checked", "Findings", "whose keys, which clock", "What the ledger says", "<h2>Entries")
    order = ['class="letter">B<', *titles]
    places = [text.lower().index(words.lower()) for words in order]
    assert places == sorted(places)
    assert {"e0", "e1", "e2"} <= tags.ids
    assert "byte for byte what was signed" in text
    assert "No level proves that a statement was true" in text


def test_an_attacked_ledger_links_its_findings(folder: Path) -> None:
    path = max(Path("ledger/tile/entries/000.p").iterdir())
    path.write_bytes(path.read_bytes().replace(b'"seq":1', b'"seq":2'))
    text = written(1, ".", "--no-artifacts")
    assert '<a href="#e1">entry 1</a>' in text
    assert "entry-edited" in text
    assert "No level is reached; do not rely on it" in text
    assert '<tr id="e1" class="bad">' in text
    parsed(text)


def test_a_changed_artifact_is_told_beside_a_ledger_that_holds(folder: Path) -> None:
    Path("data/tiny/raw/tiny.csv").write_text("other")
    text = written(1, ".")
    assert "The ledger holds, but 1 artifact contradicts it." in text
    assert "folder-changed" in text
    parsed(text)


def test_bundles_and_proofs_have_a_page_too(folder: Path) -> None:
    main(["bundle", "-o", "tiny.zip", "--policy", "policy.json", "--artifact", "data/tiny/raw"])
    assert "byte for byte what was signed" in written(0, "tiny.zip")
    text = written(0, str(next(Path("ledger/proofs").iterdir())), "--artifacts", "data/tiny/raw")
    assert "Proof of one entry" in text
    assert '<tr id="e2"' in text
    parsed(text)


def test_whatever_a_ledger_says_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, paths, outcomes, reasons and findings that look like HTML come out as what they are."""
    finding = Finding("entry-edited", NASTY, entry=1, path=NASTY)
    report = Report(NASTY, 2, NASTY, (), (finding,), (NASTY,), (NASTY,), (NASTY,), NASTY)
    outcome = Audit(report, [Presence(NASTY, NASTY, "missing", NASTY)], NASTY, (NASTY,))
    row = Row(1, NASTY, NASTY, NASTY, NASTY, NASTY, ((NASTY, "0" * 64),), NASTY)
    monkeypatch.setattr(page, "rows_of", lambda *_: [row, Row(2, "", "x", "", "", "", (), NASTY)])
    policy = policies.parse((EXAMPLE / "policy.json").read_bytes())

    def nothing(path: str) -> bytes:
        raise FileNotFoundError(path)

    text = page.page(outcome, nothing, policy)
    parsed(text)
    assert "<img" not in text
    assert text.count("&lt;img src=x onerror=alert(1)&gt;") >= 12


def test_the_page_needs_no_ml_library() -> None:
    assert not {name.split(".")[0] for name in loaded_by("import synthtrail.cli.page")} & HEAVY
