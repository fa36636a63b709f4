"""Searching on the page: by text, molecule, file and item; how many, which, and what is said when it cannot be done."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from servers import ROOT

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
DATA = ROOT / "configs" / "data"


def cards(page):
    return page.locator(".cards.found > .card")


def first(page):
    return cards(page).first


def keys(page):
    return [card.get_attribute("data-key") for card in cards(page).all()]


def ask(page, text):
    page.locator(".query").fill(text)
    page.keyboard.press("Enter")
    expect(first(page)).to_be_visible()


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
def test_each_solution_begins_with_some_of_its_items(reader, name, title, items, kind):
    page = reader.open()
    page.get_by_role("navigation", name="Solutions").get_by_role("link", name=f"{title} {items}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    expect(page).to_have_url(re.compile(f"#/{name}$"))
    expect(page.get_by_role("list", name="Some indexed items").locator(f".card.{kind}").first).to_be_visible()


def test_a_molecule_is_drawn_as_it_is_typed_and_finds_its_like(reader):
    page = reader.open("molecules")
    page.locator(".query").type(ASPIRIN)
    drawn = page.get_by_alt_text("The molecule as it is read")
    expect(drawn).to_be_visible()
    assert drawn.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 300
    page.get_by_role("button", name="Search", exact=True).click()
    expect(cards(page)).to_have_count(10)
    expect(first(page)).to_have_attribute("data-key", "aspirin")
    expect(first(page).locator(".near")).to_have_text("1.000")
    structure = first(page).get_by_alt_text("Structure of aspirin")
    assert structure.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 300


def test_half_a_molecule_is_told_gently_and_searching_for_it_plainly(reader):
    reader.expected = ("422",)
    page = reader.open("molecules")
    page.locator(".query").fill("CC(=O)Oc1ccc")
    problem = page.locator(".ask .problem")
    expect(problem).to_contain_text("Not a SMILES")
    expect(problem).to_have_class(re.compile("gentle"))
    page.keyboard.press("Enter")
    expect(problem).not_to_have_class(re.compile("gentle"))
    expect(problem).to_contain_text("Not a SMILES")
    expect(cards(page)).to_have_count(0)


def test_a_question_finds_its_answer_and_the_address_can_be_shared(reader, visit):
    page = reader.open("qa")
    ask(page, "how do I pick nprobe")
    expect(first(page).get_by_role("heading")).to_contain_text("What is nprobe")
    expect(first(page)).to_contain_text("nprobe is how many of the nlist clusters")
    found = keys(page)
    other = visit().page
    other.goto(page.url)
    expect(other.locator(".query")).to_have_value("how do I pick nprobe")
    expect(first(other)).to_be_visible()
    assert keys(other) == found
    page.go_back()
    expect(page.locator(".query")).to_have_value("")
    expect(page.get_by_role("heading", name="From the index")).to_be_visible()


def test_an_example_is_a_search(reader):
    page = reader.open("qa")
    chip = page.locator(".chips .chip").first
    question = chip.inner_text()
    chip.click()
    expect(page.locator(".query")).to_have_value(question)
    expect(first(page).get_by_role("heading")).to_have_text(question)
    expect(first(page).locator(".near")).to_have_text("1.000")


@pytest.mark.parametrize(
    ("name", "file", "key", "preview"),
    [
        ("images-offline", "images/fish/fish-2.jpg", "fish/fish-2.jpg", "img"),
        ("audio", "sounds/birds/cuckoo.ogg", "birds/cuckoo.ogg", ".player"),
        ("videos", "videos/winter.mp4", "winter.mp4", "video"),
    ],
)
def test_an_uploaded_file_finds_itself(reader, name, file, key, preview):
    page = reader.open(name)
    page.locator("input[type=file]").set_input_files(DATA / file)
    expect(first(page)).to_have_attribute("data-key", key)
    expect(first(page).locator(".near")).to_have_text("1.000")
    expect(page.locator(".subject")).to_contain_text(file.rpartition("/")[2])
    expect(page.locator(f".subject .thumb {preview}")).to_be_visible()
    page.locator(".subject").get_by_role("button", name="Clear the search").click()
    expect(page.get_by_role("heading", name="From the index")).to_be_visible()


def test_a_video_is_found_by_a_picture_and_stands_at_the_moment(reader):
    page = reader.open("videos")
    page.locator("input[type=file]").set_input_files(DATA / "videos" / "fish.jpg")
    card = first(page)
    expect(card).to_have_attribute("data-key", "a-day-at-sea.mp4")
    minutes, seconds = card.locator(".jump").inner_text().split(":")
    start = int(minutes) * 60 + int(seconds)
    assert start > 0
    video = card.locator("video")
    page.wait_for_function("(video) => video.readyState >= 2", arg=video.element_handle())
    assert video.evaluate("(video) => video.currentTime") == pytest.approx(start, abs=0.1)
    card.locator(".start").click()
    page.wait_for_function(f"(video) => video.currentTime > {start + 0.2}", arg=video.element_handle())


def test_a_sound_plays_and_one_at_a_time(reader):
    page = reader.open("audio?q=%40birds%2Fcuckoo.ogg")
    expect(cards(page)).to_have_count(10)
    one, other = first(page), cards(page).nth(1)
    one.get_by_role("button", name=re.compile("^Play")).click()
    expect(one.get_by_role("button", name=re.compile("^Pause"))).to_be_visible()
    expect(one.get_by_role("slider")).to_have_attribute("aria-valuemax", re.compile("[1-9]"))
    other.get_by_role("button", name=re.compile("^Play")).click()
    expect(other.get_by_role("button", name=re.compile("^Pause"))).to_be_visible()
    expect(one.get_by_role("button", name=re.compile("^Play"))).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_was_played_of_a_sound_has_the_colour_of_the_button(visit, scheme):
    page = visit(color_scheme=scheme).open("audio?q=%40birds%2Fcuckoo.ogg")
    wave = first(page).get_by_role("slider")
    expect(wave).to_have_attribute("aria-valuemax", re.compile("[1-9]"))
    wave.click(position={"x": 200, "y": 20})
    expect(wave).to_have_attribute("aria-valuetext", "0:01")
    colours = """(canvas) => {
      const seen = new Set();
      const { data } = canvas.getContext("2d").getImageData(0, canvas.height / 2, canvas.width / 4, 1);
      for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255) seen.add(data.slice(at, at + 3).join(", "));
      return [...seen];
    }"""
    button = first(page).locator(".play").evaluate("(button) => getComputedStyle(button).backgroundColor")
    assert [f"rgb({colour})" for colour in wave.evaluate(colours)] == [button]


@pytest.mark.parametrize(
    ("gesture", "event"), [("drop", "DragEvent"), ("paste", "ClipboardEvent")], ids=["dropped", "pasted"]
)
def test_a_file_may_be_dropped_or_pasted(reader, gesture, event):
    page = reader.open("images-offline")
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
    expect(first(page)).to_have_attribute("data-key", "city/city-1.jpg")
    expect(page.locator(".subject")).to_contain_text("mine.jpg")


def test_a_file_that_cannot_be_read_is_refused_with_the_reason(reader, tmp_path):
    reader.expected = ("422",)
    letter = tmp_path / "letter.jpg"
    letter.write_text("Dear all, this is no picture.")
    page = reader.open("images-offline")
    page.locator("input[type=file]").set_input_files(letter)
    expect(page.locator(".ask .problem")).to_have_text("Not an image (looks like text)")
    expect(cards(page)).to_have_count(0)


def test_the_slider_sets_the_number_of_results(reader):
    page = reader.open("molecules")
    ask(page, ASPIRIN)
    for number in (3, 25, 100):
        page.get_by_role("slider", name="Results").fill(str(number))
        expect(cards(page)).to_have_count(number)
        expect(page.get_by_role("heading", name=f"{number} results")).to_be_visible()
        expect(page).to_have_url(re.compile(f"k={number}"))


def test_values_of_a_field_are_offered_as_a_filter(reader):
    page = reader.open("qa?k=100&q=which+metric")
    expect(cards(page)).to_have_count(100)
    page.get_by_role("button", name="Filter").click()
    topics = page.get_by_role("group", name="topic")
    topics.get_by_role("button", name="metric").click()
    expect(page).to_have_url(re.compile("w.topic=metric"))
    expect(page.locator(".cards.found .label").filter(has_not_text="metric")).to_have_count(0)
    topics.get_by_role("button", name="redis").click()
    expect(page.locator(".cards.found .label", has_text="redis").first).to_be_visible()
    topics.get_by_role("button", name="metric").click()
    expect(page.locator(".cards.found .label").filter(has_not_text="redis")).to_have_count(0)
    assert "redis" in page.locator(".cards.found .label").all_inner_texts()


def test_a_field_of_many_values_is_typed_and_may_be_a_beginning(reader):
    page = reader.open("molecules")
    ask(page, ASPIRIN)
    page.get_by_role("button", name="Filter").click()
    page.get_by_label("use").fill("NSAID")
    page.keyboard.press("Enter")
    expect(page.locator(".cards.found .label").filter(has_not_text="NSAID")).to_have_count(0)
    page.get_by_label("use").fill("anti*")
    page.keyboard.press("Enter")
    expect(page.locator(".cards.found .label").filter(has_not_text=re.compile("^anti"))).to_have_count(0)
    assert len(keys(page)) == 10


def test_an_expression_filters_and_a_wrong_one_is_explained_beside_it(reader):
    reader.expected = ("422",)
    page = reader.open("qa")
    ask(page, "recall")
    page.get_by_role("button", name="Filter").click()
    expression = page.get_by_label("Expression")
    expression.fill('topic == "redis"')
    expression.press("Enter")
    expect(page.locator(".cards.found .label").filter(has_not_text="redis")).to_have_count(0)
    expression.fill("topic = 3")
    expression.press("Enter")
    problem = page.locator(".filters .problem")
    expect(problem).to_contain_text("unexpected character")
    expect(problem).to_contain_text("A filter may use")
    expression.fill('topic == "nothing of the kind"')
    expression.press("Enter")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    expect(problem).to_be_empty()
    page.get_by_role("button", name="Remove the filter").click()
    expect(cards(page)).to_have_count(10)


def test_more_like_this_leaves_the_item_itself_out(reader):
    page = reader.open("molecules")
    ask(page, ASPIRIN)
    first(page).get_by_role("button", name="More like aspirin").click()
    expect(page.locator(".subject")).to_contain_text("aspirin")
    expect(first(page)).to_have_attribute("data-key", "salicylic acid")
    assert "aspirin" not in keys(page)
    page.go_back()
    expect(first(page)).to_have_attribute("data-key", "aspirin")


def test_a_picture_is_seen_large_with_all_that_is_known_of_it(reader):
    page = reader.open("images-offline?q=%40fish%2Ffish-1.jpg")
    first(page).get_by_role("button", name=re.compile("large")).click()
    viewer = page.get_by_role("dialog", name="Large view")
    expect(viewer).to_contain_text("1 of 10")
    expect(viewer.locator(".facts")).to_contain_text("folderfish")
    page.keyboard.press("ArrowRight")
    expect(viewer).to_contain_text("2 of 10")
    page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)


def test_everything_can_be_done_with_the_keyboard(reader):
    page = reader.open("molecules")
    expect(page.locator(".card").first).to_be_visible()
    page.keyboard.press("/")
    expect(page.locator(".query")).to_be_focused()
    page.keyboard.type(ASPIRIN)
    page.keyboard.press("Enter")
    expect(first(page)).to_have_attribute("data-key", "aspirin")
    page.keyboard.press("ArrowDown")
    expect(first(page)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(cards(page).nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(cards(page).nth(5)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(cards(page).nth(1)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".query")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Large view")).to_be_visible()
    page.keyboard.press("Escape")
    first(page).focus()
    page.keyboard.press("m")
    expect(page.locator(".subject")).to_contain_text("aspirin")


def test_the_skip_link_is_first(reader):
    page = reader.open("qa")
    expect(page.locator(".card").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_a_server_that_is_away_is_asked_again(reader):
    reader.expected = ("ERR_FAILED",)
    page = reader.open("qa")
    expect(page.locator(".card").first).to_be_visible()
    page.route("**/api/qa/search", lambda route: route.abort())
    page.locator(".query").fill("index")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="The server does not answer")).to_be_visible()
    expect(page.get_by_text("Trying again in")).to_be_visible()
    page.unroute("**/api/qa/search")
    expect(cards(page)).to_have_count(10)


def test_what_is_indexed_is_never_read_as_html(reader, server):
    evil = '<img src=x onerror="document.title=1"><b>bold</b>'
    body = {"key": evil, "content": evil, "metadata": {"topic": "index", "answer": evil * 3}}
    assert server.client.post("/api/qa/items", json=body).status_code == 201
    try:
        page = reader.open("qa")
        ask(page, evil)
        expect(first(page).get_by_role("heading")).to_have_text(evil)
        assert first(page).locator("img, b:not(.near b)").count() == 0
    finally:
        assert server.client.request("DELETE", "/api/qa/items", json={"keys": [evil]}).json() == {"removed": 1}


def test_an_unknown_solution_is_said_to_be_none(reader):
    page = reader.open("nothing")
    expect(page.get_by_role("heading", name="No such solution")).to_be_visible()
    page.get_by_role("link", name="Go to Molecules").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Molecules")
