"""Indexing with live progress, failures, adding and removing items, and keys."""

from __future__ import annotations

import re
import shutil

import pytest
from playwright.sync_api import expect

from servers import ROOT

IMAGES = ROOT / "configs" / "data" / "images"


def count_tile(page, name):
    return page.locator(".tile").filter(has=page.get_by_text(name, exact=True)).locator("dd")


def test_ingest_shows_progress_failures_and_their_reasons(tab, server):
    page = tab.open("shelf")
    page.get_by_role("link", name="Index the source").click()
    page.evaluate(
        """() => {
          window.progress = [];
          const look = () => {
            const bar = document.querySelector("[role=progressbar]");
            if (bar.hasAttribute("aria-valuenow")) window.progress.push(Number(bar.getAttribute("aria-valuenow")));
          };
          const bar = document.querySelector("[role=progressbar]");
          new MutationObserver(look).observe(bar, { attributes: true, attributeFilter: ["aria-valuenow"] });
        }"""
    )
    page.get_by_role("button", name="Index now").click()
    expect(page.get_by_role("heading", name="Indexing")).to_be_visible()
    expect(page.get_by_role("heading", name="Done")).to_be_visible(timeout=60_000)
    progress = page.evaluate("window.progress")
    assert progress == sorted(progress)
    assert progress[-1] == 100
    expect(count_tile(page, "new")).to_have_text("40")
    expect(count_tile(page, "failed")).to_have_text("3")
    expect(page.locator(".run")).to_contain_text(re.compile(r"43 of 43 items · [\d,]+ items/s"))
    expect(page.get_by_role("heading", name="3 failures")).to_be_visible()
    for key, reason in [
        ("half.jpg", "truncated"),
        ("empty.jpg", "empty"),
        ("letter.jpg", "not an image (looks like text)"),
    ]:
        expect(page.locator(".failed li").filter(has_text=key)).to_contain_text(reason)
    expect(page.get_by_role("navigation", name="Solutions")).to_contain_text("Shelf40")

    shutil.copy(IMAGES / "fish" / "fish-1.jpg", server.folder / "shelf" / "half.jpg")
    page.get_by_role("button", name="Retry them").click()
    expect(page.get_by_role("heading", name="2 failures")).to_be_visible(timeout=60_000)
    expect(count_tile(page, "new")).to_have_text("1")
    page.reload()
    expect(page.get_by_role("heading", name="Done")).to_be_visible()
    expect(page.locator(".statistics")).to_contain_text("items41")


def test_cancelled_ingest_keeps_finished_batches(tab, server):
    page = tab.open("pile/index")
    page.get_by_role("button", name="Index now").click()
    expect(count_tile(page, "new")).to_have_text(re.compile("[1-9]"), timeout=60_000)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="Cancelled; finished batches are kept")).to_be_visible(timeout=60_000)
    done = int(count_tile(page, "new").inner_text().replace(",", ""))
    assert 0 < done < 6000
    assert server.client.get("/api/pile/stats").json()["items"] == done
    expect(page.get_by_role("button", name="Index now")).to_be_enabled()


def test_items_are_paged_and_filtered_by_key_prefix(tab):
    page = tab.open("molecules/items")
    cards = page.locator(".cards:not(.loading) > .card")
    expect(cards).to_have_count(24)
    page.get_by_role("button", name="Show more").click()
    expect(cards).to_have_count(48)
    keys = [card.get_attribute("data-key") for card in cards.all()]
    assert len(set(keys)) == 48
    page.get_by_role("searchbox", name="Show items whose key begins with").fill("aspi")
    expect(cards).to_have_count(1)
    expect(cards).to_have_attribute("data-key", "aspirin")
    expect(page).to_have_url(re.compile("p=aspi"))
    cards.get_by_role("button", name="Similar to aspirin").click()
    expect(page.locator(".cards.found .card").first).to_have_attribute("data-key", "salicylic acid")


def test_item_is_added_replaced_refused_and_removed(tab, server):
    tab.expected = ("422",)
    page = tab.open("molecules/items")
    page.get_by_role("button", name="Add").click()
    form = page.locator(".adder")
    for smiles, status in [("CCO", "added"), ("OCC=C", "replaced"), ("OCC=C", "already there, unchanged")]:
        form.get_by_label("Key").fill("mine")
        form.get_by_label("SMILES").fill(smiles)
        form.get_by_label("use", exact=True).fill("test")
        form.get_by_role("button", name="Add").click()
        expect(form.get_by_role("status")).to_have_text(f"mine: {status}")
    form.get_by_label("Key").fill("wrong")
    form.get_by_label("SMILES").fill("C1CC")
    form.get_by_role("button", name="Add").click()
    expect(form.locator(".problem").filter(has_text="not a SMILES")).to_be_visible()

    page.get_by_role("searchbox").fill("mine")
    card = page.locator(".card[data-key=mine]")
    expect(card).to_contain_text("test")
    card.get_by_role("button", name="Remove mine").click()
    expect(card).to_be_hidden()
    page.get_by_role("button", name="Undo").click()
    expect(card).to_be_visible()
    assert server.client.get("/api/molecules/items/mine").status_code == 200
    card.get_by_role("button", name="Remove mine").click()
    with page.expect_response(lambda response: response.request.method == "DELETE") as removed:
        page.get_by_role("link", name="Search", exact=True).click()  # leaving the view makes the removal final
    assert removed.value.json() == {"removed": 1}
    assert server.client.get("/api/molecules/items/mine").status_code == 404


def test_files_are_added_and_an_unreadable_one_says_why(tab, server, tmp_path):
    tab.expected = ("422",)
    good, bad = tmp_path / "added.jpg", tmp_path / "broken.jpg"
    shutil.copy(IMAGES / "city" / "city-2.jpg", good)
    bad.write_bytes(good.read_bytes()[:2000])
    page = tab.open("images-offline/items")
    page.get_by_role("button", name="Add").click()
    page.get_by_label("folder").fill("uploads")
    page.locator(".adder input[type=file]").set_input_files([bad, good])
    lines = page.locator(".uploads li")
    expect(lines.nth(0)).to_contain_text("broken.jpg")
    expect(lines.nth(0)).to_have_class("bad")
    expect(lines.nth(0)).to_contain_text("the image is truncated")
    expect(lines.nth(1)).to_have_text("added.jpgadded")
    try:
        item = server.client.get("/api/images-offline/items/added.jpg").json()
        assert (item["metadata"]["folder"], item["added"]) == ("uploads", True)
        page.goto("/#/images-offline?q=%40added.jpg&w.folder=city")
        expect(page.locator(".cards.found .card").first).to_have_attribute("data-key", "city/city-2.jpg")
    finally:
        page.goto("about:blank")  # so that no picture of it is asked for once it is gone
        assert server.client.delete("/api/images-offline/items/added.jpg").json() == {"removed": 1}


@pytest.fixture
def locked_tab(open_tab, locked_server):
    tab = open_tab(locked_server.url)
    tab.expected = ("401",)
    return tab


def test_api_key_is_asked_for_once(locked_tab):
    page = locked_tab.open("molecules?q=CCO")
    dialog = page.get_by_role("dialog", name="API key required")
    dialog.get_by_label("API key").fill("guess")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text("This key is not valid.")
    dialog.get_by_label("API key").fill("open-sesame")
    page.keyboard.press("Enter")
    picture = page.locator(".cards.found .card img").first
    expect(picture).to_be_visible()
    assert picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 300
    page.reload()
    expect(picture).to_be_visible()
    assert page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]


def test_nothing_is_shown_without_an_api_key(locked_tab):
    page = locked_tab.open("molecules")
    page.get_by_role("dialog").get_by_role("button", name="Not now").click()
    expect(page.get_by_role("heading", name="An API key is required")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("dialog", name="API key required")).to_be_visible()
