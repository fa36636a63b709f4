"""What the page shows of contents that are long, and of SVG that would run scripts."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from inprocess_server import run_server


def search(page, name, query):
    page.goto(f"/#/{name}")
    page.locator(".query").fill(query)
    page.keyboard.press("Enter")
    card = page.locator(".cards.found > .card").first
    expect(card).to_be_visible()
    return card


def body_length(page):
    return page.evaluate("document.body.innerHTML.length")


@pytest.fixture
def long_texts(lite):
    """A record of 50,000 words, searched as a whole, and with a segment for each of 2,000 words."""
    lite.write([("whole", "lorem " * 50_000, 1), ("short", "ipsum", 1)], "whole.csv")
    lite.write([("labelled", "dolor " * 2_000 + "banana", 1)], "labelled.csv")
    whole = lite.solution("whole", source="{type: table, path: whole.csv, key: key, content: text}")
    labelled = lite.solution(
        "labelled", encoder="{type: labelled}", source="{type: table, path: labelled.csv, key: key, content: text}"
    )
    whole.ingest()
    labelled.ingest()
    return whole, labelled


def test_a_long_text_is_shortened_and_opens_as_a_whole(open_tab, long_texts):
    with run_server(*long_texts) as server:
        page = open_tab(server.url).page
        card = search(page, "whole", "@short")
        expect(card.locator("h3")).to_contain_text("lorem lorem")
        assert len(card.locator("h3 .clamp").inner_text()) == 400
        expect(card.locator("h3 .clamp")).to_have_text(server_text("lorem ", 400))
        card.get_by_role("button", name="Show all").click()
        assert len(card.locator("h3 .clamp").inner_text()) == 2_000
        assert body_length(page) < 50_000
        with page.context.expect_page() as opened:
            card.get_by_role("link", name="Whole text").click()
        assert len(opened.value.inner_text("body")) >= 299_999


def server_text(word, length):
    """The beginning of a repeated word, as it is shortened to so many characters."""
    return (word * length)[: length - 1].rstrip() + "…"


def test_a_segment_of_a_long_text_is_shown_by_its_excerpt(open_tab, long_texts):
    with run_server(*long_texts) as server:
        page = open_tab(server.url).page
        card = search(page, "labelled", "banana")
        expect(card.locator("h3 .clamp")).to_have_text("banana")
        expect(card.locator(".foot .label").first).to_have_text("word 2001")
        expect(card.get_by_role("link", name="Whole text")).to_be_visible()


def test_the_content_behind_a_drawing_is_shortened_and_opens_as_a_whole(open_tab, lite):
    lite.write([("long", "ab" * 5_000, 1)])
    drawn = lite.solution(encoder="{type: hostile}")
    drawn.ingest()
    with run_server(drawn) as server:
        tab = open_tab(server.url)
        tab.expected = ("Blocked script execution", "Content Security Policy", "/ran")
        page = tab.page
        card = search(page, "things", "ab")
        card.get_by_role("button", name="See long large").click()
        viewer = page.get_by_role("dialog", name="Large view")
        expect(viewer.locator(".facts dd").filter(has_text="ababab")).to_contain_text(server_text("ab", 2_000))
        assert body_length(page) < 20_000
        with page.context.expect_page() as opened:
            viewer.get_by_role("link", name="Whole letters (JSON)").click()
        assert json.loads(opened.value.inner_text("pre"))["content"] == "ab" * 5_000


def write_notes(lite, *rows):
    (lite.folder / "items.csv").write_text("key,text,note\n" + "".join(f"{','.join(row)}\n" for row in rows))


def test_long_metadata_is_shortened_and_opens_as_a_whole(open_tab, lite):
    write_notes(lite, ("one", "ipsum", "sit " * 50_000))
    things = lite.solution()
    things.ingest()
    with run_server(things) as server:
        page = open_tab(server.url).page
        card = search(page, "things", "ipsum")
        note = card.locator(".clamp").nth(1)
        expect(note).to_have_text(server_text("sit ", 400))
        card.get_by_role("button", name="Show all").click()
        expect(note).to_have_text(server_text("sit ", 20_000))
        assert body_length(page) < 50_000
        expect(card.get_by_role("link", name="Whole item (JSON)")).to_have_attribute(
            "href", f"{server.url}/api/things/items/one?whole=true"
        )


def test_a_card_does_not_repeat_its_content(open_tab, lite):
    write_notes(lite, ("one", "ipsum", "ipsum"), ("two", "dolor", "sit"))
    things = lite.solution()
    things.ingest()
    with run_server(things) as server:
        page = open_tab(server.url).page
        assert search(page, "things", "ipsum").locator(".label").all_inner_texts() == []
        assert search(page, "things", "dolor").locator(".label").all_inner_texts() == ["sit"]


def test_a_text_card_shows_its_key(open_tab, long_texts):
    with run_server(*long_texts) as server:
        page = open_tab(server.url).page
        expect(search(page, "whole", "ipsum").locator(".foot .key")).to_have_text("short")


def test_nothing_in_a_rendered_svg_runs(open_tab, lite):
    """It is an image on the page; opened by itself, the sandbox of its content policy runs no script either."""
    lite.write([("one", "text", 1), ("two", "texts", 1)])
    things = lite.solution(encoder="{type: hostile}")
    things.ingest()
    with run_server(things) as server:
        tab = open_tab(server.url)
        tab.expected = ("Blocked script execution", "Content Security Policy", "/ran")
        page, answered = tab.page, []
        page.context.on("response", lambda response: answered.append(response.url))
        card = search(page, "things", "text")
        image = card.locator("img")
        assert image.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 0
        assert page.locator("main svg:not(.icon), iframe, object, embed").count() == 0
        page.goto(image.get_attribute("src"))
        assert page.evaluate("document.querySelector('rect').getAttribute('fill')") == "red"
        page.wait_for_timeout(300)
        assert page.title() != "ran"
        assert [url for url in answered if url.endswith("/ran")] == [], "its policy lets nothing be loaded"
