"""Searching on the page by what is liked and unliked, and with the options of a search."""

from __future__ import annotations

import re

from playwright.sync_api import expect

PHONE = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}


def hit_cards(page):
    return page.locator(".cards.found > .card")


def hit_keys(page):
    return [card.get_attribute("data-key") for card in hit_cards(page).all()]


def click_example(page, key, label):
    """Click one of the two buttons of a card."""
    card = page.locator(f".card[data-key='{key}']")
    card.hover()
    card.get_by_role("button", name=re.compile(f"^{label} ")).click()


def examples(page, label):
    return (
        page.get_by_role("region", name="Examples").get_by_role("list", name=label, exact=True).get_by_role("listitem")
    )


def search_by_api(server, name, **body):
    hits = server.client.post(f"/api/{name}/search", json=body).json()["hits"]
    return [hit["key"] for hit in hits]


def expect_hits(page, keys):
    """Wait until the list shows these items; hits follow one another quickly, and the last ones count."""
    page.wait_for_function(
        """(keys) => {
          const cards = [...document.querySelectorAll(".cards.found > .card")];
          const isSettled = !document.querySelector("[aria-busy]");
          return isSettled && JSON.stringify(cards.map((card) => card.dataset.key)) === JSON.stringify(keys);
        }""",
        arg=keys,
    )


def test_the_list_follows_two_liked_and_one_unliked(tab, server):
    page = tab.open("molecules")
    liked, unliked = ["aspirin", "ibuprofen"], "salicylic acid"
    page.goto("/#/molecules/items?p=aspirin")
    click_example(page, "aspirin", "More like")
    page.get_by_role("link", name="Show results").click()
    found = [search_by_api(server, "molecules", like=["@aspirin"], limit=10)]
    expect_hits(page, found[0])
    assert unliked in found[0]
    click_example(page, unliked, "Less like")
    found.append(search_by_api(server, "molecules", like=["@aspirin"], unlike=[f"@{unliked}"]))
    expect_hits(page, found[1])
    page.get_by_role("link", name="Items", exact=True).click()
    page.get_by_role("searchbox").fill("ibuprofen")
    click_example(page, "ibuprofen", "More like")
    page.get_by_role("link", name="Show results").click()
    found.append(search_by_api(server, "molecules", like=[f"@{key}" for key in liked], unlike=[f"@{unliked}"]))
    expect_hits(page, found[2])
    assert len({tuple(keys) for keys in found}) == 3, "each click changes the list"
    assert not {*liked, unliked} & {*hit_keys(page)}, "examples are not among the hits"
    expect(examples(page, "More like")).to_have_text(liked)
    expect(examples(page, "Less like")).to_have_text([unliked])


def test_examples_are_kept_in_the_url(tab):
    page = tab.open("images-offline")
    click_example(page, page.locator(".cards:not(.loading) > .card").first.get_attribute("data-key"), "More like")
    expect(hit_cards(page)).to_have_count(10)
    first, liked = hit_keys(page), examples(page, "More like").inner_text()
    expect(page).to_have_url(re.compile(r"like=[a-z]+%2F"))
    click_example(page, first[4], "Less like")
    expect(examples(page, "Less like")).to_have_count(1)
    expect(hit_cards(page).filter(has_text=first[4].rpartition("/")[2])).to_have_count(0)
    page.reload()
    expect(examples(page, "More like")).to_have_text([liked])
    expect(examples(page, "More like").get_by_role("img")).to_have_count(0)  # a thumbnail beside the name is decoration
    expect(examples(page, "More like").locator("img")).to_be_visible()
    expect(examples(page, "Less like")).to_have_text([first[4]])
    page.go_back()
    expect(page.get_by_role("list", name="Less like")).to_have_count(0)
    expect_hits(page, first)
    page.go_back()
    expect(page.get_by_role("region", name="Examples")).to_be_hidden()
    expect(page.get_by_role("heading", name="From the index")).to_be_visible()


def test_examples_are_removed_one_by_one_and_all_at_once(tab):
    page = tab.open("molecules?like=aspirin&like=ibuprofen&unlike=naproxen")
    expect(hit_cards(page)).to_have_count(10)
    page.get_by_role("button", name="Remove aspirin").click()
    expect(examples(page, "More like")).to_have_text(["ibuprofen"])
    expect(page).to_have_url(re.compile("like=ibuprofen&unlike=naproxen$"))
    assert page.evaluate("document.activeElement.closest('.examples') !== null"), "the focus stays in the strip"
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.get_by_role("region", name="Examples")).to_be_hidden()
    expect(page).to_have_url(re.compile("#/molecules$"))


def test_a_query_counts_beside_the_examples(tab, server):
    page = tab.open("qa?q=how+do+I+pick+nprobe")
    expect(hit_cards(page)).to_have_count(10)
    key = hit_keys(page)[1]
    click_example(page, key, "More like")
    expect_hits(page, search_by_api(server, "qa", query="how do I pick nprobe", like=[f"@{key}"], limit=10))
    expect(page.locator(".query")).to_have_value("how do I pick nprobe")
    name = examples(page, "More like").inner_text()
    assert name != key, "a text is shown by its beginning"
    page.get_by_role("button", name="Clear the search").click()
    expect_hits(page, search_by_api(server, "qa", like=[f"@{key}"], limit=10))


def test_a_file_counts_beside_the_examples(tab, server):
    picture = server.client.get("/api/images-offline/items/fish%2Ffish-2.jpg/content").content
    page = tab.open("images-offline?like=city%2Fcity-1.jpg&unlike=city%2Fcity-3.jpg")
    expect(hit_cards(page)).to_have_count(10)
    file = {"name": "mine.jpg", "mimeType": "image/jpeg", "buffer": picture}
    page.locator("input[type=file]").set_input_files(file)
    expect(page.locator(".subject")).to_contain_text("mine.jpg")
    form = {"limit": "10", "like": '["@city/city-1.jpg"]', "unlike": '["@city/city-3.jpg"]'}
    hits = server.client.post("/api/images-offline/search", files={"file": ("mine.jpg", picture)}, data=form).json()
    expect_hits(page, [hit["key"] for hit in hits["hits"]])


def test_liking_what_is_unliked_moves_it(tab):
    page = tab.open("molecules/items?p=aspirin&unlike=aspirin")
    card = page.locator(".card[data-key=aspirin]")
    more, less = (card.get_by_role("button", name=f"{label} aspirin") for label in ("More like", "Less like"))
    expect(less).to_have_attribute("aria-pressed", "true")
    expect(more).to_have_attribute("aria-pressed", "false")
    more.click()
    expect(more).to_have_attribute("aria-pressed", "true")
    expect(less).to_have_attribute("aria-pressed", "false")
    more.click()
    expect(more).to_have_attribute("aria-pressed", "false")
    expect(page.get_by_role("region", name="Examples")).to_be_hidden()


def test_examples_are_chosen_with_the_keyboard_alone(tab):
    page = tab.open("molecules?q=CC(%3DO)Oc1ccccc1C(%3DO)O")
    expect(hit_cards(page)).to_have_count(10)
    keys = hit_keys(page)
    page.locator(".query").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("l")
    expect(examples(page, "More like")).to_have_text([keys[1]])
    expect(hit_cards(page).nth(1)).to_be_focused()  # where the liked one was
    disliked = hit_keys(page)[1]
    page.keyboard.press("u")
    expect(examples(page, "Less like")).to_have_text([disliked])
    expect(hit_cards(page).nth(1)).not_to_have_attribute("data-key", disliked)
    expect(hit_cards(page).nth(1)).to_be_focused()
    page.keyboard.press("Tab")
    expect(hit_cards(page).nth(1).get_by_role("button").first).to_be_focused()


def test_examples_alone_of_what_is_not_wanted_search_for_nothing(tab):
    page = tab.open("molecules")
    key = page.locator(".cards:not(.loading) > .card").first.get_attribute("data-key")
    click_example(page, key, "Less like")
    pressed = page.locator(f".card[data-key='{key}']").get_by_role("button", pressed=True)
    expect(pressed).to_have_accessible_name(f"Less like {key}")
    expect(pressed).to_be_focused()
    expect(page.get_by_role("heading", name="From the index")).to_be_visible()
    expect(examples(page, "Less like")).to_have_text([key])
    page.reload()
    expect(pressed).to_have_count(1)


def test_an_example_that_is_gone_is_named_and_can_be_removed(tab):
    tab.expected = ("404",)
    page = tab.open("molecules?like=aspirin&like=nobody")
    expect(page.get_by_text("no item has the key 'nobody'", exact=False).first).to_be_visible()
    page.get_by_role("button", name="Remove nobody").click()
    expect(hit_cards(page)).to_have_count(10)


def test_the_options_of_a_search_are_kept_in_the_url(tab, server):
    page = tab.open("qa?q=index")
    expect(hit_cards(page)).to_have_count(10)
    similarities = [float(text) for text in hit_cards(page).locator(".similarity b").all_inner_texts()]
    page.get_by_role("button", name=re.compile("^Options")).click()
    page.get_by_label("Least similarity").fill(str(similarities[3]))
    page.keyboard.press("Enter")
    expect_hits(page, search_by_api(server, "qa", query="index", min_similarity=similarities[3]))
    assert 3 <= len(hit_keys(page)) <= 5
    page.get_by_label("Least similarity").fill("")
    page.keyboard.press("Enter")
    page.get_by_role("slider", name="Diversity").fill("0.7")
    expect_hits(page, search_by_api(server, "qa", query="index", diversity=0.7))
    expect(page).to_have_url(re.compile("d=0.7$"))
    page.reload()
    expect(page.get_by_role("slider", name="Diversity")).to_have_value("0.7")
    expect_hits(page, search_by_api(server, "qa", query="index", diversity=0.7))


def test_a_similarity_that_no_item_can_have_is_explained_beside_its_input(tab):
    tab.expected = ("409", "422")
    page = tab.open("qa?q=index&min=7")
    least = page.get_by_label("Least similarity")
    expect(least).to_have_attribute("aria-invalid", "true")
    expect(least).to_have_accessible_description(re.compile("-1 to 1"))
    least.fill("0.9")
    least.press("Enter")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    expect(page.get_by_text("No item is as similar.")).to_be_visible()


def test_the_strip_fits_a_phone(open_tab):
    page = open_tab(**PHONE).open("qa?like=nprobe&like=index-auto&unlike=primary-key&d=0.5")
    expect(hit_cards(page)).to_have_count(10)
    expect(examples(page, "More like")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
