"""The page behind a proxy that serves it under a path prefix."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from inprocess_server import run_server
from prefix_proxy import run_prefix_proxy

MOLECULES = "name,smiles\nethanol,CCO\npropanol,CCCO\nphenol,c1ccccc1O\n"


@pytest.fixture
def molecules(lite):
    (lite.folder / "m.csv").write_text(MOLECULES)
    return lite.solution(
        "molecules", encoder="{type: morgan}", source="{type: table, path: m.csv, key: name, content: smiles}"
    )


def check_page_works(tab, prefix, links=None):
    """Index, search, show, add and remove, and open the docs; nothing may be requested from outside of the prefix."""
    page = tab.page
    requested = []
    page.on("request", lambda request: requested.append(request.url))
    expect(page.get_by_role("heading", level=1)).to_have_text("Molecules")
    page.get_by_role("link", name="Index the source").click()
    page.get_by_role("button", name="Index now").click()
    expect(page.get_by_role("heading", name="Done")).to_be_visible(timeout=60_000)
    page.get_by_role("link", name="Search", exact=True).click()
    page.locator(".query").fill("CCO")
    expect(page.get_by_alt_text("The query as it is drawn")).to_be_visible()
    page.keyboard.press("Enter")
    hit = page.locator(".cards.found > .card").first
    expect(hit).to_have_attribute("data-key", "ethanol")
    structure = hit.get_by_alt_text("Drawing of ethanol")
    assert structure.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 300
    icon = page.locator(".brand img")
    assert icon.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 0
    page.reload()
    expect(hit).to_have_attribute("data-key", "ethanol")
    page.get_by_role("link", name="API").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("vicinal")
    page.wait_for_load_state()
    expect(page.locator("main")).to_have_css("max-width", "900px")
    link = page.get_by_role("link", name="openapi.json")
    assert link.evaluate("(link) => link.href") == f"{links or prefix}/openapi.json"
    outside = [url for url in requested if url != prefix and not url.startswith((f"{prefix}/", "blob:"))]
    assert outside == []


def test_page_works_behind_a_proxy_that_strips_a_prefix(open_tab, molecules):
    with run_server(molecules) as server, run_prefix_proxy(server.url, "/search") as url:
        tab = open_tab(url)
        tab.page.goto("/search/")
        check_page_works(tab, f"{url}/search")


@pytest.mark.parametrize(
    ("entry", "strips_prefix"),
    [
        ("/tools/search", True),
        ("/tools/search/", False),
        pytest.param("/tools/search", False, marks=pytest.mark.long),
        pytest.param("/tools/search/", True, marks=pytest.mark.long),
    ],
)
def test_page_works_with_a_root_path(open_tab, molecules, entry, strips_prefix):
    with (
        run_server(molecules, root_path="/tools/search") as server,
        run_prefix_proxy(server.url, "/tools/search", strips_prefix=strips_prefix) as url,
    ):
        tab = open_tab(url)
        tab.page.goto(entry)
        check_page_works(tab, f"{url}/tools/search")


def test_page_with_a_root_path_can_be_opened_directly(open_tab, molecules):
    with run_server(molecules, root_path="/search") as server:
        tab = open_tab(server.url)
        tab.page.goto("/")
        check_page_works(tab, server.url, links=f"{server.url}/search")
