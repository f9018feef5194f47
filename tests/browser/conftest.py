"""One browser and one page for all tests of the page; skipped where there is no Chromium."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import PROGRAM, Browser
from tests.browser.page import PAGE
from tests.browser.verifier import Verifier


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"no Chromium: {PROGRAM} is absent")
    profile = tmp_path_factory.mktemp("profile")
    with Browser(profile) as started:
        yield started
    shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture(scope="session")
def verifier(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    page = browser.open(PAGE)
    page.resize(1280, 900)
    return Verifier(page, tmp_path_factory.mktemp("dropped"))


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ledgers are made here by the hundred, and none of these tests is about a crash."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="session")
def screenshots() -> Path | None:
    """Where to leave pictures for people to look at, if the environment names a folder."""
    named = os.environ.get("SYNTHTRAIL_SCREENSHOTS")
    if named is None:
        return None
    folder = Path(named)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
