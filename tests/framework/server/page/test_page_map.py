"""The map view: points that are seen, hovered, chosen by pointer and by keys, and colored by a field."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from browser_server import SampleServer, copy_samples

TINY = """
name: drugs
source: {type: table, path: drugs.csv, key: name, content: smiles}
encoder: {type: morgan}
fields: {use: varchar(64)}
"""
EMPTY = """
name: nothing
source: {type: lines, path: nothing.txt}
encoder: {type: sentence}
"""
# Where a point of the map is on the canvas, as map_plot.js places it.
PLACE = """([canvas, x, y]) => {
  const unit = Math.min(canvas.clientWidth, canvas.clientHeight) / 2 - 18;
  return [canvas.clientWidth / 2 + x * unit, canvas.clientHeight / 2 - y * unit];
}"""


@pytest.fixture(scope="module")
def map_server(tmp_path_factory):
    """Fourteen drugs, which PCA places at once, and a solution without items."""
    folder = copy_samples(tmp_path_factory.mktemp("maps"))
    lines = (folder / "data" / "molecules.csv").read_text().splitlines()
    (folder / "drugs.csv").write_text("\n".join(lines[:15]) + "\n")
    (folder / "drugs.yaml").write_text(TINY)
    (folder / "nothing.txt").write_text("")
    (folder / "nothing.yaml").write_text(EMPTY)
    server = SampleServer(folder, "drugs", "nothing")
    try:
        server.ingest("drugs")
        yield server
    finally:
        server.close()


@pytest.fixture
def points(map_server):
    """The points of the map as the API gives them."""
    while (response := map_server.client.get("/api/drugs/map")).status_code == 202:
        pass
    return response.json()["points"]


@pytest.fixture
def open_map(open_tab, map_server):
    def open_map(route="drugs/map", expected=(), **options):
        tab = open_tab(map_server.url, **options)
        tab.expected = expected
        return tab.open(route)

    return open_map


def move_to(page, point):
    canvas = page.locator(".plot canvas")
    box = canvas.bounding_box()
    x, y = page.evaluate(PLACE, [canvas.element_handle(), point["x"], point["y"]])
    page.mouse.move(box["x"] + x, box["y"] + y)


def test_the_view_says_how_well_the_map_keeps_neighbours(open_map, points):
    page = open_map("drugs")
    page.get_by_role("link", name="Map", exact=True).click()
    summary = r"14 items, placed by PCA\. Of the 7 nearest items of each point, the map keeps \d+%\."
    expect(page.locator(".map-bar")).to_contain_text(re.compile(summary))
    expect(page.get_by_role("img", name=re.compile("Map of Drugs"))).to_be_visible()


@pytest.mark.long
def test_the_pointer_shows_an_item_and_a_click_chooses_it(open_map, points):
    page = open_map()
    expect(page.locator(".plot canvas")).to_be_visible()
    for point in points[:3]:
        move_to(page, point)
        expect(page.locator(".map .tip")).to_be_visible()
    keys = [point["key"] for point in points]
    shown = page.locator(".map .tip b").inner_text()
    assert shown in keys
    expect(page.locator(".map .tip img")).to_have_js_property("complete", True)
    page.mouse.down()
    page.mouse.up()
    card = page.locator(".chosen .card")
    expect(card).to_have_attribute("data-key", shown)
    card.get_by_role("button", name=f"Similar to {shown}").click()
    expect(page).to_have_url(re.compile(r"drugs\?q=%40"))
    expect(page.locator(".cards.found .card").first).to_be_visible()


def test_arrow_keys_go_from_point_to_point_and_enter_chooses(open_map, points):
    page = open_map()
    canvas = page.locator(".plot canvas")
    canvas.focus()
    seen = set()
    for key in ("ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowUp", "ArrowDown", "ArrowRight"):
        canvas.press(key)
        seen.add(page.locator(".map .tip b").inner_text())
    assert len(seen) > 2
    current = page.locator(".map .tip b").inner_text()
    expect(page.locator("#live")).to_contain_text(current)
    canvas.press("+")
    canvas.press("0")
    canvas.press("ArrowRight")
    current = page.locator(".map .tip b").inner_text()
    canvas.press("Enter")
    expect(page.locator(".chosen .card")).to_have_attribute("data-key", current)


def test_points_are_colored_by_a_field_and_a_category_is_highlighted(open_map, points):
    page = open_map()
    select = page.get_by_label("Color points by")
    expect(select).to_have_value("use")
    pixels = "canvas => canvas.toDataURL()"
    canvas = page.locator(".plot canvas")
    colored = canvas.evaluate(pixels)
    first = page.locator(".legend .chip").first
    first.click()
    expect(page.locator(".legend .chip").first).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".legend .chip").first).to_be_focused()
    assert canvas.evaluate(pixels) != colored
    select.select_option("")
    expect(page.locator(".legend")).to_be_hidden()
    assert canvas.evaluate(pixels) != colored


def test_numbers_that_are_not_declared_do_not_color_by_themselves(open_tab, server):
    """The sizes of the files of eight videos say nothing of them."""
    page = open_tab(server.url).open("videos/map")
    select = page.get_by_label("Color points by")
    expect(select).to_have_value("", timeout=60_000)
    expect(select.locator("option")).to_contain_text(["nothing", "bytes"])


def test_a_solution_without_items_says_so(open_map):
    page = open_map("nothing/map", expected=("409",))
    expect(page.get_by_role("heading", name="A map takes two items")).to_be_visible()
    expect(page.get_by_role("link", name="Index the source")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_view_fits_a_phone(open_map, points, scheme):
    page = open_map(viewport={"width": 390, "height": 844}, color_scheme=scheme, has_touch=True, is_mobile=True)
    expect(page.locator(".plot canvas")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    heights = page.locator(".views a").evaluate_all("links => links.map((link) => link.offsetHeight)")
    assert max(heights) < 40  # none of the four names is broken
    canvas = page.locator(".plot canvas")
    box = canvas.bounding_box()
    x, y = page.evaluate(PLACE, [canvas.element_handle(), points[0]["x"], points[0]["y"]])
    page.touchscreen.tap(box["x"] + x, box["y"] + y)
    expect(page.locator(".chosen .card")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
