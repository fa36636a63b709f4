"""The page of a map in a real browser: nothing is requested, nothing fails, the pointer shows the item."""

from __future__ import annotations

import pytest

from file_encoders import index_pictures
from image_helpers import SAMPLE_IMAGES
from vicinal import build_map

HOSTILE = "<img src=x onerror=document.title='ran'></script><script>document.title='ran'</script>&lt;b>"


class Tab:
    """A page that is read from a file, and all that it requests and complains of."""

    def __init__(self, browser, path, **options):
        self.problems = []
        self._path = path
        self.context = browser.new_context(viewport={"width": 1000, "height": 700}, **options)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", self._note_request)
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-drawn]", state="attached")
        self.points = self.page.locator("#map .points path.point")
        self.tip = self.page.locator("#tip")

    def _note_request(self, request):
        if not request.url.startswith(("data:", "blob:")) and request.url != self._path.as_uri():
            self.problems.append(request.url)

    def hover(self, number):
        box = self.points.nth(number).bounding_box()
        self.page.mouse.move(1, 1)
        self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=3)
        self.tip.wait_for(state="visible")


@pytest.fixture
def open_map(browser, tmp_path):
    """Opens the page of a map; its problems fail the test."""
    tabs = []

    def open_map(item_map, **options):
        tabs.append(Tab(browser, item_map.save(tmp_path / f"map{len(tabs)}.html"), **options))
        return tabs[-1]

    yield open_map
    for tab in tabs:
        tab.context.close()
        assert tab.problems == []


@pytest.fixture
def pictures(lite):
    """Six indexed pictures in two folders."""
    return index_pictures(lite, SAMPLE_IMAGES[:6])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pointer_shows_an_items_thumbnail_key_and_value(pictures, open_map, scheme):
    found = build_map(pictures, "folder")
    tab = open_map(found, color_scheme=scheme)
    assert tab.page.locator("h1").inner_text() == "things"
    assert tab.page.locator("#summary").inner_text() == found.summary
    assert tab.points.count() == 6
    assert tab.page.locator("#map .legendtext").all_text_contents() == ["even", "odd"]
    shown = set()
    for number in range(6):
        tab.hover(number)
        shown.add(tab.tip.locator("b").inner_text())
        assert tab.tip.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 20
        assert tab.tip.locator("span").inner_text() in ("folder: even", "folder: odd")
        box = tab.tip.bounding_box()
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= 1000
        assert box["y"] + box["height"] <= 700
    assert shown == set(found.keys)


def test_numbers_have_a_scale_and_texts_are_shown(lite, open_map):
    lite.write([(f"k{number}", f"text {number}", 2000 + number) for number in range(8)])
    solution = lite.solution(extra="fields: {year: 'int64 = 0'}")
    solution.ingest()
    tab = open_map(build_map(solution, "year"))
    assert "year" in tab.page.locator("#map .colorbar").text_content()
    tab.hover(0)
    assert tab.tip.locator("img").count() == 0
    assert tab.tip.locator("span").first.inner_text().startswith("text ")


def test_nothing_of_an_item_runs_or_is_read_as_html(lite, open_map):
    lite.write([(f"{number}{HOSTILE}", HOSTILE, f"{HOSTILE}{number % 2}") for number in range(6)])
    solution = lite.solution()
    solution.ingest()
    tab = open_map(build_map(solution, "year"))
    tab.hover(0)
    assert tab.tip.locator("b").inner_text()[1:] == HOSTILE
    assert tab.tip.locator("span").first.inner_text() == HOSTILE
    assert tab.tip.locator("img").count() == 0
    assert HOSTILE[:50] in tab.page.locator("#map .legendtext").first.text_content()
    assert tab.page.title() == "things: map"


def test_a_drawing_that_tries_to_run_scripts_is_only_seen(lite, open_map):
    lite.write([(f"k{number}", f"ab{number}cd{number}", number) for number in range(6)])
    solution = lite.solution(encoder="{type: hostile}")
    solution.ingest()
    tab = open_map(build_map(solution))
    tab.hover(0)
    assert tab.tip.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 60
    tab.page.wait_for_timeout(200)
    assert tab.page.title() == "things: map"
