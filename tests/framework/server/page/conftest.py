"""The page in a real browser, on real servers that serve copies of the sample solutions."""

from __future__ import annotations

import os
import shutil

import pytest

from browser_server import NAMES, SAMPLES, Server, chromium, copy_samples

sync_api = pytest.importorskip("playwright.sync_api")

DAMAGED = {
    "half.jpg": lambda good: good[: len(good) // 3],
    "empty.jpg": lambda good: b"",
    "letter.jpg": lambda good: b"Dear all, this is no picture.",
}
SHELF = """
name: shelf
source: {type: folder, path: shelf, include: ["*.jpg"]}
encoder: {type: efficientnet_lite0}
"""
PILE = """
name: pile
source: {type: lines, path: pile.txt}
encoder: {type: sentence}
"""


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The sample solutions, indexed; `shelf`, 40 pictures and three damaged ones, and `pile`, many texts, are not."""
    folder = copy_samples(tmp_path_factory.mktemp("site"))
    (folder / "shelf").mkdir()
    for picture in sorted((folder / "data/images").glob("*/*.jpg")):
        shutil.copy(picture, folder / "shelf")
    good = picture.read_bytes()
    for name, damage in DAMAGED.items():
        (folder / "shelf" / name).write_bytes(damage(good))
    (folder / "shelf.yaml").write_text(SHELF)
    lines = (f"line {number} of many, each of them other words\n" for number in range(6000))
    (folder / "pile.txt").write_text("".join(lines))
    (folder / "pile.yaml").write_text(PILE)
    made = Server(folder, *SAMPLES, "shelf", "pile")
    try:
        made.ingest(*NAMES)
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def locked(tmp_path_factory):
    """A server that wants a key."""
    made = Server(copy_samples(tmp_path_factory.mktemp("locked")), "molecule", VICINAL_API_KEYS="open-sesame")
    try:
        made.client.headers["X-API-Key"] = "open-sesame"
        made.ingest("molecules")
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def browser():
    """A browser for one module: while it is open, asyncio cannot be used in this thread."""
    if (path := chromium()) is None:
        reason = "no browser: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield made
        made.close()


class Reader:
    """Someone at the page. Whatever the browser complains about is an error, but for what a test expects."""

    def __init__(self, browser, url, **options):
        options = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **options}
        self.context = browser.new_context(base_url=url, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.complaints = []
        self.expected = ()
        self.page.on("console", lambda message: message.type in ("error", "warning") and self._hear(message.text))
        self.page.on("pageerror", lambda error: self._hear(str(error)))

    def _hear(self, text):
        self.complaints.append(text)

    def open(self, route=""):
        self.page.goto(f"/#/{route}")
        return self.page

    def close(self):
        self.context.close()
        left = [text for text in self.complaints if not any(part in text for part in self.expected)]
        assert left == []


@pytest.fixture
def reader(browser, server):
    made = Reader(browser, server.url)
    yield made
    made.close()


@pytest.fixture
def visit(browser, server):
    """Makes readers with other screens."""
    made = []

    def make(url=server.url, **options):
        made.append(Reader(browser, url, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
