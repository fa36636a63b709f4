"""The page in a real browser, on real servers that serve copies of the sample solutions."""

from __future__ import annotations

import shutil

import pytest

from browser_server import NAMES, SAMPLES, SampleServer, copy_samples

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
    server = SampleServer(folder, *SAMPLES, "shelf", "pile")
    try:
        server.ingest(*NAMES)
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def locked_server(tmp_path_factory):
    """A server that requires an API key."""
    server = SampleServer(copy_samples(tmp_path_factory.mktemp("locked")), "molecule", VICINAL_API_KEYS="open-sesame")
    try:
        server.client.headers["X-API-Key"] = "open-sesame"
        server.ingest("molecules")
        yield server
    finally:
        server.close()


class BrowserTab:
    """A tab of the browser. Its errors and warnings fail the test, unless ``expected`` names a part of their text.

    A test may end its server while the page still loads a picture: a refused connection to it is no error.
    """

    def __init__(self, browser, url, **options):
        self._refused = f"net::ERR_CONNECTION_REFUSED {url}"
        options = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **options}
        self.context = browser.new_context(base_url=url, **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.messages = []
        self.expected = ()
        self.page.on(
            "console",
            lambda message: (
                message.type in ("error", "warning")
                and self._record(f"{message.text} {message.location.get('url', '')}")
            ),
        )
        self.page.on("pageerror", lambda error: self._record(str(error)))

    def _record(self, text):
        self.messages.append(text)

    def open(self, route=""):
        self.page.goto(f"/#/{route}")
        return self.page

    def close(self):
        self.context.close()
        expected = (self._refused, *self.expected)
        unexpected = [text for text in self.messages if not any(part in text for part in expected)]
        assert unexpected == []


@pytest.fixture
def tab(browser, server):
    tab = BrowserTab(browser, server.url)
    yield tab
    tab.close()


@pytest.fixture
def open_tab(browser, server):
    """Opens tabs with other screens, or of other servers."""
    tabs = []

    def open_tab(url=server.url, **options):
        tabs.append(BrowserTab(browser, url, **options))
        return tabs[-1]

    yield open_tab
    for tab in tabs:
        tab.close()
