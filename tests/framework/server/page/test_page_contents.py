"""What the page shows of contents that are long, and of SVG that would run scripts."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from inprocess_server import run_server
from vicinal import Reranker, hookimpl


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


@pytest.fixture
def films(lite):
    """Numbers of films, which the encoder shows by their titles, and which are asked for by a member."""
    rows = ["1,aab,Heat", "2,aac,Alien", '3,aad,"<b>Brazil</b>"', "4,aae,"]
    (lite.folder / "films.csv").write_text("\n".join(["number,letters,title", *rows]))
    films = lite.solution(
        "films", encoder="{type: members}", source="{type: table, path: films.csv, key: number, content: letters}"
    )
    films.ingest()
    return films


def test_a_card_shows_the_title_that_the_encoder_gives(open_tab, films):
    with run_server(films) as server:
        page = open_tab(server.url).page
        card = search(page, "films", "aab")
        expect(card.locator("h3")).to_have_text("Heat")
        expect(card.locator(".foot .key")).to_have_text("1")
        expect(card).to_have_attribute("aria-label", "1. Heat, similarity 1.000")
        expect(card).not_to_contain_text("aab")
        titles = page.locator(".cards.found h3").all_inner_texts()
        assert sorted(titles) == ["<b>Brazil</b>", "Alien", "Heat", "aae"]
        card.get_by_role("button", name="More like Heat").click()
        strip = page.get_by_role("region", name="Examples")
        expect(strip.get_by_role("listitem")).to_have_text(["Heat"])
        page.reload()
        expect(strip.get_by_role("listitem")).to_have_text(["Heat"])
        page.get_by_role("button", name="Similar to Alien").click()
        expect(page.locator(".subject")).to_contain_text("Alien")


def test_queries_to_choose_from_are_suggested_while_one_types(open_tab, films):
    with run_server(films) as server:
        page = open_tab(server.url).open("films")
        chips = page.locator(".chips .chip")
        expect(chips).to_have_text([f"member:{letter}" for letter in "abcde"])
        field = page.get_by_role("combobox", name="A member, as member:a")
        options = page.locator(f"datalist#{field.get_attribute('list')} option")
        field.focus()
        expect(options).to_have_count(6)
        field.press_sequentially("member:f")
        expect(options).to_have_count(1)
        expect(options).to_have_attribute("value", "member:f")
        field.press("Enter")
        expect(page.locator(".cards.found > .card, .state").first).to_be_visible()
        assert page.url.endswith("films?q=member%3Af")


class SharedWords(Reranker):
    """First the hits that share most words with the query, which the note names."""

    def rerank(self, query, hits):
        words = set(str(query).split())
        shared = [sorted(words & set(hit.content.split())) for hit in hits]
        scored = [hit.with_score(len(one), ", ".join(one) or None) for hit, one in zip(hits, shared, strict=True)]
        return sorted(scored, key=lambda hit: -hit.score)


class SharedWordsPlugin:
    @hookimpl
    def register_rerankers(self, rerankers):
        rerankers.add("shared", f"{__name__}:SharedWords", summary="for tests")


def test_a_reranker_s_score_and_note_stand_beside_the_similarity(open_tab, lite):
    assert lite.manager.register(SharedWordsPlugin(), "shared words").status == "ok"
    lite.write([("one", "red blue", 1), ("two", "red green", 2)])
    things = lite.solution(extra="rerank: {type: shared}")
    things.ingest()
    with run_server(things) as server:
        page = open_tab(server.url).page
        card = search(page, "things", "red green")
        expect(card).to_have_attribute("data-key", "two")
        expect(card.locator(".score")).to_have_text("score 2.00")
        expect(card.locator(".remark")).to_have_text("green, red")
        other = page.locator(".cards.found > .card").nth(1)
        expect(other.locator(".score")).to_have_text("score 1.00")
        expect(other.locator(".remark")).to_have_text("red")
        card.get_by_text("Details").click()
        expect(card.locator(".facts")).to_contain_text("score2 (green, red)")
