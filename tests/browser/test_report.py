"""The report page in a browser: nothing is loaded, nothing complains, nothing sticks out; light, dark, on a phone."""

import shutil
from pathlib import Path

import pytest

from synthtrail.cli.main import main
from tests.browser.chromium import Browser
from tests.unit.specification import EXAMPLE


@pytest.mark.parametrize("attacked", [False, True], ids=["good", "attacked"])
def test_the_report_is_drawn(attacked: bool, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("DATA", "CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / "home"))
    folder = Path(shutil.copytree(EXAMPLE, tmp_path / "audit"))
    if attacked:
        tile = max((folder / "ledger/tile/entries/000.p").iterdir())
        tile.write_bytes(tile.read_bytes().replace(b'"seq":1', b'"seq":2'))
    file = tmp_path / f"report-{attacked}.html"
    words = ["--policy", str(folder / "policy.json"), "--since", str(folder / "kept-checkpoint")]
    assert main(["verify", str(folder), *words, "--html", str(file)]) == int(attacked)
    page = browser.open(file)
    letter = page.evaluate("document.querySelector('strong.letter').textContent")
    assert letter == ("✗" if attacked else "B")
    for width, dark in ((1100, False), (1100, True), (390, False)):
        page.resize(width, 900, dark=dark)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")
    if attacked:
        page.evaluate("document.querySelector('a[href=\"#e1\"]').click()")
        assert page.evaluate("document.querySelector('tr:target').id") == "e1"
    page.print(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").stat().st_size > 10_000
    assert all(url.startswith("file:") for url in page.requests())
    assert not page.complaints()
