"""The audit and the certificate as pages: they render without a script or a request, and fit a telephone."""

from pathlib import Path

import pytest

from tests.browser.chromium import Browser
from tests.unit.handover.lab import Lab, open_lab, private


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab in which something was stored, held, and disposed of."""
    private(monkeypatch, tmp_path)
    made = open_lab(tmp_path, monkeypatch)
    made.make("iris")
    made.make("wine")
    made.run("store", "data/wine/raw", "data/iris/report", "--to", str(tmp_path / "store"))
    made.run("retain", "--yes", "--as", "operator")
    made.run("hold", "data/wine/raw", "--reason", "<b>case</b> & more", "--yes", "--as", "operator")
    made.run("dispose", "request", "data/iris/report", "--reason", "<i>over</i>", "--yes")
    made.run("dispose", "approve", "data/iris/report", "--reason", "checked", "--as", "ada", "--yes")
    made.run("dispose", "execute", "data/iris/report")
    made.run("audit", "--html", str(tmp_path / "audit.html"))
    return made


def test_both_pages_render(browser: Browser, lab: Lab, tmp_path: Path, screenshots: Path | None) -> None:
    """Every artifact has its drawn timeline, and every copy its method; nothing leaves the page."""
    (certificate,) = (lab.root / "ledger/certificates").glob("*.html")
    for name, file in (("audit", tmp_path / "audit.html"), ("certificate", certificate)):
        page = browser.open(file)
        for width in (1280, 375):
            page.resize(width, 1600, dark=False)
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (name, width)
            if screenshots is not None:
                page.screenshot(screenshots / f"{name}-{width}.png")
        assert page.evaluate("document.querySelectorAll('script, b, i').length") == 0
        assert not page.complaints()
        assert not [url for url in page.requests() if not url.startswith("file:")]
        text = page.evaluate("document.body.innerText")
        if name == "audit":
            assert page.evaluate("document.querySelectorAll('svg g').length") == len(drawn(lab))
            assert "0 errors" in text
        else:
            assert "deleted, not purged" in text
            assert "key destroyed" in text
            assert "<i>over</i>; approved: checked" in text


def drawn(lab: Lab) -> list[int]:
    """Return every entry once for each artifact that it concerns: the marks of all timelines."""
    state = lab.custodian.ledger.state
    return [entry for row in range(len(state.lives)) for entry in state.lives.history(row)]
