"""Searching on the page: by text, molecule, file and item; the number of results, the filter, and error messages."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from servers import ROOT

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
DATA = ROOT / "configs" / "data"


def hit_cards(page):
    return page.locator(".cards.found > .card")


def first_hit(page):
    return hit_cards(page).first


def hit_keys(page):
    return [card.get_attribute("data-key") for card in hit_cards(page).all()]


def submit_query(page, text):
    page.locator(".query").fill(text)
    page.keyboard.press("Enter")
    expect(first_hit(page)).to_be_visible()


@pytest.mark.parametrize(
    ("name", "title", "items", "kind"),
    [
        ("molecules", "Molecules", "579", "svg"),
        ("qa", "QA", "175", "text"),
        ("images-offline", "Images offline", "40", "image"),
        ("audio", "Audio", "36", "audio"),
        ("videos", "Videos", "8", "video"),
    ],
)
def test_landing_view_shows_some_items_of_each_solution(tab, name, title, items, kind):
    page = tab.open()
    page.get_by_role("navigation", name="Solutions").get_by_role("link", name=f"{title} {items}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    expect(page).to_have_url(re.compile(f"#/{name}$"))
    expect(page.get_by_role("list", name="Some indexed items").locator(f".card.{kind}").first).to_be_visible()


def test_typed_molecule_is_drawn_and_finds_similar_ones(tab):
    page = tab.open("molecules")
    page.locator(".query").type(ASPIRIN)
    drawn = page.get_by_alt_text("The query as it is drawn")
    expect(drawn).to_be_visible()
    assert drawn.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 300
    page.get_by_role("button", name="Search", exact=True).click()
    expect(hit_cards(page)).to_have_count(10)
    expect(first_hit(page)).to_have_attribute("data-key", "aspirin")
    expect(first_hit(page).locator(".similarity")).to_have_text("1.000")
    structure = first_hit(page).get_by_alt_text("Drawing of aspirin")
    assert structure.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 300


def test_incomplete_molecule_shows_a_soft_message_until_it_is_submitted(tab):
    tab.expected = ("422",)
    page = tab.open("molecules")
    page.locator(".query").fill("CC(=O)Oc1ccc")
    problem = page.locator(".query-form .problem")
    expect(problem).to_contain_text("Not a SMILES")
    expect(problem).to_have_class(re.compile("soft"))
    page.keyboard.press("Enter")
    expect(problem).not_to_have_class(re.compile("soft"))
    expect(problem).to_contain_text("Not a SMILES")
    expect(hit_cards(page)).to_have_count(0)


def test_question_finds_its_answer_and_the_url_can_be_shared(tab, open_tab):
    page = tab.open("qa")
    submit_query(page, "how do I pick nprobe")
    expect(first_hit(page).get_by_role("heading")).to_contain_text("What is nprobe")
    expect(first_hit(page)).to_contain_text("nprobe is how many of the nlist clusters")
    found = hit_keys(page)
    other = open_tab().page
    other.goto(page.url)
    expect(other.locator(".query")).to_have_value("how do I pick nprobe")
    expect(first_hit(other)).to_be_visible()
    assert hit_keys(other) == found
    page.go_back()
    expect(page.locator(".query")).to_have_value("")
    expect(page.get_by_role("heading", name="From the index")).to_be_visible()


def test_clicking_an_example_searches_for_it(tab):
    page = tab.open("qa")
    chip = page.locator(".chips .chip").first
    question = chip.inner_text()
    chip.click()
    expect(page.locator(".query")).to_have_value(question)
    expect(first_hit(page).get_by_role("heading")).to_have_text(question)
    expect(first_hit(page).locator(".similarity")).to_have_text("1.000")


@pytest.mark.parametrize(
    ("name", "file", "key", "preview"),
    [
        ("images-offline", "images/fish/fish-2.jpg", "fish/fish-2.jpg", "img"),
        ("audio", "sounds/birds/cuckoo.ogg", "birds/cuckoo.ogg", ".player"),
        ("videos", "videos/winter.mp4", "winter.mp4", "video"),
    ],
)
def test_uploaded_file_finds_itself(tab, name, file, key, preview):
    page = tab.open(name)
    page.locator("input[type=file]").set_input_files(DATA / file)
    expect(first_hit(page)).to_have_attribute("data-key", key)
    expect(first_hit(page).locator(".similarity")).to_have_text("1.000")
    expect(page.locator(".subject")).to_contain_text(file.rpartition("/")[2])
    expect(page.locator(f".subject .thumb {preview}")).to_be_visible()
    page.locator(".subject").get_by_role("button", name="Clear the search").click()
    expect(page.get_by_role("heading", name="From the index")).to_be_visible()


def test_image_query_finds_a_video_and_seeks_to_the_segment(tab):
    page = tab.open("videos")
    page.locator("input[type=file]").set_input_files(DATA / "videos" / "fish.jpg")
    card = first_hit(page)
    expect(card).to_have_attribute("data-key", "a-day-at-sea.mp4")
    minutes, seconds = card.locator(".jump").inner_text().split(":")
    start = int(minutes) * 60 + int(seconds)
    assert start > 0
    video = card.locator("video")
    page.wait_for_function("(video) => video.readyState >= 2", arg=video.element_handle())
    assert video.evaluate("(video) => video.currentTime") == pytest.approx(start, abs=0.1)
    card.locator(".start").click()
    page.wait_for_function(f"(video) => video.currentTime > {start + 0.2}", arg=video.element_handle())


def test_only_one_audio_player_plays_at_a_time(tab):
    page = tab.open("audio?q=%40birds%2Fcuckoo.ogg")
    expect(hit_cards(page)).to_have_count(10)
    one, other = first_hit(page), hit_cards(page).nth(1)
    one.get_by_role("button", name=re.compile("^Play")).click()
    expect(one.get_by_role("button", name=re.compile("^Pause"))).to_be_visible()
    expect(one.get_by_role("slider")).to_have_attribute("aria-valuemax", re.compile("[1-9]"))
    other.get_by_role("button", name=re.compile("^Play")).click()
    expect(other.get_by_role("button", name=re.compile("^Pause"))).to_be_visible()
    expect(one.get_by_role("button", name=re.compile("^Play"))).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_played_part_of_the_waveform_has_the_color_of_the_button(open_tab, scheme):
    page = open_tab(color_scheme=scheme).open("audio?q=%40birds%2Fcuckoo.ogg")
    wave = first_hit(page).get_by_role("slider")
    expect(wave).to_have_attribute("aria-valuemax", re.compile("[1-9]"))
    wave.click(position={"x": 200, "y": 20})
    expect(wave).to_have_attribute("aria-valuetext", "0:01")
    colors = """(canvas) => {
      const seen = new Set();
      const { data } = canvas.getContext("2d").getImageData(0, canvas.height / 2, canvas.width / 4, 1);
      for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255) seen.add(data.slice(at, at + 3).join(", "));
      return [...seen];
    }"""
    button = first_hit(page).locator(".play").evaluate("(button) => getComputedStyle(button).backgroundColor")
    assert [f"rgb({color})" for color in wave.evaluate(colors)] == [button]


@pytest.mark.parametrize(
    ("gesture", "event"), [("drop", "DragEvent"), ("paste", "ClipboardEvent")], ids=["dropped", "pasted"]
)
def test_file_can_be_dropped_or_pasted(tab, gesture, event):
    page = tab.open("images-offline")
    expect(page.locator(".zone")).to_be_visible()
    page.evaluate(
        """async ([gesture, event]) => {
          const picture = await fetch("/api/images-offline/items/city%2Fcity-1.jpg/content");
          const data = new DataTransfer();
          data.items.add(new File([await picture.blob()], "mine.jpg", { type: "image/jpeg" }));
          const init = { bubbles: true, cancelable: true, dataTransfer: data, clipboardData: data };
          document.dispatchEvent(new window[event](gesture, init));
        }""",
        [gesture, event],
    )
    expect(first_hit(page)).to_have_attribute("data-key", "city/city-1.jpg")
    expect(page.locator(".subject")).to_contain_text("mine.jpg")


def test_unreadable_file_is_refused_with_the_reason(tab, tmp_path):
    tab.expected = ("422",)
    letter = tmp_path / "letter.jpg"
    letter.write_text("Dear all, this is no picture.")
    page = tab.open("images-offline")
    page.locator("input[type=file]").set_input_files(letter)
    expect(page.locator(".query-form .problem")).to_have_text("Not an image (looks like text)")
    expect(hit_cards(page)).to_have_count(0)


def test_slider_sets_the_number_of_results(tab):
    page = tab.open("molecules")
    submit_query(page, ASPIRIN)
    for number in (3, 25, 100):
        page.get_by_role("slider", name="Results").fill(str(number))
        expect(hit_cards(page)).to_have_count(number)
        expect(page.get_by_role("heading", name=f"{number} results")).to_be_visible()
        expect(page).to_have_url(re.compile(f"k={number}"))


def test_field_values_are_suggested_as_a_filter(tab):
    page = tab.open("qa?k=100&q=which+metric")
    expect(hit_cards(page)).to_have_count(100)
    page.get_by_role("button", name=re.compile("^Filter")).click()
    topics = page.get_by_role("group", name="topic")
    topics.get_by_role("button", name="metric").click()
    expect(page).to_have_url(re.compile("w.topic=metric"))
    expect(page.locator(".cards.found .label").filter(has_not_text="metric")).to_have_count(0)
    topics.get_by_role("button", name="redis").click()
    expect(page.locator(".cards.found .label", has_text="redis").first).to_be_visible()
    topics.get_by_role("button", name="metric").click()
    expect(page.locator(".cards.found .label").filter(has_not_text="redis")).to_have_count(0)
    assert "redis" in page.locator(".cards.found .label").all_inner_texts()


def test_field_with_many_values_is_typed_and_takes_a_prefix(tab):
    page = tab.open("molecules")
    submit_query(page, ASPIRIN)
    page.get_by_role("button", name=re.compile("^Filter")).click()
    page.get_by_label("use").fill("NSAID")
    page.keyboard.press("Enter")
    expect(page.locator(".cards.found .label").filter(has_not_text="NSAID")).to_have_count(0)
    page.get_by_label("use").fill("anti*")
    page.keyboard.press("Enter")
    expect(page.locator(".cards.found .label").filter(has_not_text=re.compile("^anti"))).to_have_count(0)
    assert len(hit_keys(page)) == 10


def test_invalid_filter_expression_is_explained_beside_its_input(tab):
    tab.expected = ("422",)
    page = tab.open("qa")
    submit_query(page, "recall")
    page.get_by_role("button", name=re.compile("^Filter")).click()
    expression = page.get_by_label("Expression")
    expression.fill('topic == "redis"')
    expression.press("Enter")
    expect(page.locator(".cards.found .label").filter(has_not_text="redis")).to_have_count(0)
    expression.fill("topic = 3")
    expression.press("Enter")
    problem = page.locator(".filters .problem")
    expect(problem).to_contain_text("unexpected character")
    expect(problem).to_contain_text("Write == to compare; a filter may use")
    expression.fill('topic == "nothing of the kind"')
    expression.press("Enter")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    expect(problem).to_be_empty()
    page.get_by_role("button", name="Remove the filter").click()
    expect(hit_cards(page)).to_have_count(10)


def test_similar_items_exclude_the_item_itself(tab):
    page = tab.open("molecules")
    submit_query(page, ASPIRIN)
    first_hit(page).get_by_role("button", name="Similar to aspirin").click()
    expect(page.locator(".subject")).to_contain_text("aspirin")
    expect(first_hit(page)).to_have_attribute("data-key", "salicylic acid")
    assert "aspirin" not in hit_keys(page)
    page.go_back()
    expect(first_hit(page)).to_have_attribute("data-key", "aspirin")


def test_large_view_shows_all_facts_and_moves_with_arrow_keys(tab):
    page = tab.open("images-offline?q=%40fish%2Ffish-1.jpg")
    first_hit(page).get_by_role("button", name=re.compile("large")).click()
    viewer = page.get_by_role("dialog", name="Large view")
    expect(viewer).to_contain_text("1 of 10")
    expect(viewer.locator(".facts")).to_contain_text("folderfish")
    page.keyboard.press("ArrowRight")
    expect(viewer).to_contain_text("2 of 10")
    page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)


def test_search_works_with_the_keyboard_alone(tab):
    page = tab.open("molecules")
    expect(page.locator(".card").first).to_be_visible()
    page.keyboard.press("/")
    expect(page.locator(".query")).to_be_focused()
    page.keyboard.type(ASPIRIN)
    page.keyboard.press("Enter")
    expect(first_hit(page)).to_have_attribute("data-key", "aspirin")
    page.keyboard.press("ArrowDown")
    expect(first_hit(page)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(hit_cards(page).nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(hit_cards(page).nth(5)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(hit_cards(page).nth(1)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".query")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Large view")).to_be_visible()
    page.keyboard.press("Escape")
    first_hit(page).focus()
    page.keyboard.press("m")
    expect(page.locator(".subject")).to_contain_text("aspirin")


def test_skip_link_is_the_first_tab_stop(tab):
    page = tab.open("qa")
    expect(page.locator(".card").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_search_is_retried_while_the_server_is_unreachable(tab):
    tab.expected = ("ERR_FAILED",)
    page = tab.open("qa")
    expect(page.locator(".card").first).to_be_visible()
    page.route("**/api/qa/search", lambda route: route.abort())
    page.locator(".query").fill("index")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="The server does not respond")).to_be_visible()
    expect(page.get_by_text("Trying again in")).to_be_visible()
    page.unroute("**/api/qa/search")
    expect(hit_cards(page)).to_have_count(10)


def test_indexed_text_is_never_parsed_as_html(tab, server):
    hostile = '<img src=x onerror="document.title=1"><b>bold</b>'
    body = {"key": hostile, "content": hostile, "metadata": {"topic": "index", "answer": hostile * 3}}
    assert server.client.post("/api/qa/items", json=body).status_code == 201
    try:
        page = tab.open("qa")
        submit_query(page, hostile)
        expect(first_hit(page).get_by_role("heading")).to_have_text(hostile)
        assert first_hit(page).locator("img, b:not(.similarity b)").count() == 0
    finally:
        assert server.client.request("DELETE", "/api/qa/items", json={"keys": [hostile]}).json() == {"removed": 1}


def test_unknown_solution_shows_a_message(tab):
    page = tab.open("nothing")
    expect(page.get_by_role("heading", name="No such solution")).to_be_visible()
    page.get_by_role("link", name="Go to Molecules").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Molecules")


def test_molecules_are_filtered_by_a_substructure(tab):
    tab.expected = ("422",)
    page = tab.open("molecules")
    submit_query(page, ASPIRIN)
    page.get_by_role("button", name=re.compile("^Filter")).click()
    pattern = page.get_by_label("substructure")
    pattern.fill("[N+](=O)[O-]")
    pattern.press("Enter")
    expect(first_hit(page)).not_to_have_attribute("data-key", "aspirin")
    assert "%7Esubstructure" in page.url or "~substructure" in page.url
    page.reload()
    expect(page.get_by_label("substructure")).to_have_value("[N+](=O)[O-]")
    pattern.fill("c1cc")
    pattern.press("Enter")
    expect(page.locator(".filters .problem")).to_contain_text("not a SMARTS")
