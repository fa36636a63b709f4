"""A browser for the pages that maps are written to."""

from __future__ import annotations

import os

import pytest

from browser_server import find_browser


@pytest.fixture(scope="module")
def browser():
    """A browser for one module: while it is open, asyncio cannot be used in this thread."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if (path := find_browser()) is None:
        reason = "no browser: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
