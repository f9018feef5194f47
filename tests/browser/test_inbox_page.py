"""The inbox as a page: it renders without a script or a request, fits a telephone, and shows what would be signed."""

from pathlib import Path

import pytest

from tests.browser.chromium import Browser
from tests.unit.transfer.hospitals import Hospital, acquaint, found, offer

ASK = ("--protocol", "2026-17", "--legal-basis", "GDPR art. 6(1)(e)", "--until", "P1Y", "--yes")


@pytest.fixture
def busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hospital:
    """A hospital whose steward has much to do."""
    a, b = (found(tmp_path, name, monkeypatch) for name in ("Hospital A", "Hospital B"))
    acquaint(a, b, tmp_path)
    a.make("ward")
    a.run("approve", "data/ward/synthetic", "--reason", "fit", "--yes")
    offer(a, tmp_path / "between")
    a.run("access", "request", "data/ward/synthetic", "--purpose", "<b>teach</b> & learn", *ASK)
    a.run("access", "grant", "data/ward/synthetic", "--terms", "none", "--report-every", "P1D", "--yes")
    a.run("access", "request", "data/ward/synthetic", "--purpose", "teach again", *ASK)
    a.make("clinic", verdict="review")
    a.make("a-department-with-a-name-that-is-much-too-long-for-one-line-of-a-telephone")
    return a


def test_the_inbox_renders(browser: Browser, busy: Hospital, tmp_path: Path, screenshots: Path | None) -> None:
    file = tmp_path / "inbox.html"
    busy.run("inbox", "--html", str(file))
    page = browser.open(file)
    for width, height, dark in ((1280, 1600, False), (375, 1600, True)):
        page.resize(width, height, dark=dark)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), width
        if screenshots is not None:
            page.screenshot(screenshots / f"inbox-{width}.png")
    assert page.evaluate("document.querySelectorAll('article').length") == 4
    assert page.evaluate("document.querySelectorAll('script, b').length") == 0
    text = page.evaluate("document.body.innerText")
    assert "Ada Lovelace (p-ada)" in text
    assert "purpose      teach again" in text
    assert "I grant access to data/ward/synthetic." in text
    assert "synthtrail review data/clinic/synthetic --outcome pass|refuse|comment" in text
    assert not page.complaints()
    assert not [url for url in page.requests() if not url.startswith("file:")]
