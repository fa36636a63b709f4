"""The duplicates view: groups side by side, what to keep, other settings, removing, and nothing to show."""

from __future__ import annotations

import re
import shutil

import pytest
from PIL import Image
from playwright.sync_api import expect

from browser_server import SampleServer, copy_samples

ALBUM = """
name: album
source: {type: folder, path: album, include: ["*.jpg"]}
encoder: {type: efficientnet_lite0}
"""
EMPTY = """
name: nothing
source: {type: lines, path: nothing.txt}
encoder: {type: sentence}
"""


@pytest.fixture
def album_server(tmp_path):
    """Two pictures of balloons with recompressed copies, one of a fish without, and a solution without items."""
    folder = copy_samples(tmp_path)
    (folder / "album").mkdir()
    for name in ("balloons-1", "balloons-5", "fish-1"):
        (source,) = (folder / "data" / "images").glob(f"*/{name}.jpg")
        shutil.copy(source, folder / "album")
        if not name.startswith("fish"):
            with Image.open(source) as picture:
                picture.save(folder / "album" / f"{name} (copy).jpg", quality=75)
    (folder / "album.yaml").write_text(ALBUM)
    (folder / "nothing.txt").write_text("")
    (folder / "nothing.yaml").write_text(EMPTY)
    server = SampleServer(folder, "album", "nothing")
    try:
        server.ingest("album")
        yield server
    finally:
        server.close()


def list_groups(page):
    """The keys of each group, those to keep with a star."""
    return page.locator(".group").evaluate_all(
        "all => all.map((group) => [...group.querySelectorAll('.card')].filter((card) => !card.hidden)"
        ".map((card) => card.dataset.key + (card.querySelector('.keep') ? '*' : '')))"
    )


def test_groups_settings_and_removal(open_tab, album_server):
    tab = open_tab(album_server.url)
    page = tab.open("album")
    page.get_by_role("link", name="Duplicates", exact=True).click()
    summary = re.compile(r"2 groups among 5 items; 2 need not be kept, \d+ kB\. Nothing was removed\.")
    least = page.get_by_label("Similarity of at least")
    expect(least).to_have_value("0.95", timeout=60_000)
    least.fill("0.93")
    expect(page.locator(".told")).to_contain_text(summary, timeout=60_000)
    assert page.url.endswith("#/album/duplicates?min=0.93")
    groups = [[f"{name}.jpg*", f"{name} (copy).jpg"] for name in ("balloons-1", "balloons-5")]
    assert list_groups(page) == groups
    first = page.get_by_role("region", name="Group 1")
    expect(first.get_by_role("img")).to_have_count(2)
    for card in first.locator(".card").all():
        expect(card.locator("img")).to_be_visible()
    expect(first.locator(".mark").first).to_contain_text(re.compile(r"Keep\d+ kB · \w+"))

    page.get_by_label("Keep").select_option("the oldest")
    expect(page.locator(".mark .keep")).to_have_count(2)
    page.wait_for_url(re.compile(r"min=0\.93&s=oldest$"))
    expect(page.locator(".group")).to_have_count(2, timeout=60_000)

    first = page.get_by_role("region", name="Group 1")
    first.locator(".card", has_text="(copy)").hover()
    first.get_by_role("button", name="Remove balloons-1 (copy).jpg").click()
    assert list_groups(page)[0] == ["balloons-1.jpg*"]
    page.get_by_role("button", name="Undo").click()
    assert list_groups(page) == groups
    first.locator(".card", has_text="(copy)").hover()
    first.get_by_role("button", name="Remove balloons-1 (copy).jpg").click()
    page.get_by_role("link", name="Map", exact=True).click()  # what is left cannot be undone
    page.go_back()
    expect(page.locator(".told")).to_contain_text("1 group among 4 items; 1 need not be kept", timeout=60_000)
    assert list_groups(page) == groups[1:]

    page.get_by_label("Similarity of at least").fill("1")
    nothing = page.get_by_text("No two of 4 items have a similarity of 1 or more.")
    expect(nothing).to_be_visible(timeout=60_000)
    tab.expected = ("409",)
    page.goto("/#/nothing/duplicates")
    expect(page.get_by_text("Nothing is indexed yet")).to_be_visible()
    page.goto("/#/nothing/items")
    expect(page.get_by_text("Index the source, or add an item by hand.")).to_be_visible()
