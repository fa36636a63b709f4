"""Recommendations on the page: a user is chosen, or what somebody likes and does not like."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from inprocess_server import run_server
from recommend_helpers import index_films


@pytest.fixture
def films(lite):
    return index_films(lite)


def hit_cards(page):
    return page.locator(".cards.found > .card")


def expect_titles(page, result):
    expect(hit_cards(page).locator("h3")).to_have_text([hit.content for hit in result])


def test_a_user_is_chosen_and_the_list_follows_what_is_liked(open_tab, films):
    with run_server(films) as server:
        page = open_tab(server.url).open("films")
        page.locator(".chips").get_by_role("button", name="user:1", exact=True).click()
        expect_titles(page, films.search("user:1"))
        field = page.get_by_role("combobox", name="A user, as user:1")
        field.fill("user:3")
        options = page.locator(f"datalist#{field.get_attribute('list')} option")
        expect(options.first).to_have_attribute("value", "user:3")
        field.press("Enter")
        alone = films.search("user:3")
        expect_titles(page, alone)
        like, unlike = alone[0], alone[1]
        hit_cards(page).first.get_by_role("button", name=f"More like {like.content}").click()
        expect_titles(page, films.search("user:3", like=[f"@{like.key}"]))
        page.get_by_role("button", name=f"Less like {unlike.content}").click()
        expect_titles(page, films.search("user:3", like=[f"@{like.key}"], unlike=[f"@{unlike.key}"]))
        page.get_by_role("button", name="Clear the search").click()
        expect_titles(page, films.search(like=[f"@{like.key}"], unlike=[f"@{unlike.key}"]))
        strip = page.get_by_role("region", name="Examples")
        expect(strip.get_by_role("listitem")).to_have_text([like.content, unlike.content])


def test_an_unknown_user_is_explained_beside_the_input(open_tab, films):
    with run_server(films) as server:
        tab = open_tab(server.url)
        tab.expected = ("404",)
        page = tab.open("films?q=user%3A4000")
        problem = page.locator(".query-form .problem")
        expect(problem).to_have_text(
            "There is no user '4000' among the interactions. "
            "A user is written as user:1; one who came later is known after `vicinal reindex FILE`"
        )
        expect(hit_cards(page)).to_have_count(0)
        page.locator(".chips").get_by_role("button", name="user:1", exact=True).click()  # what to try instead
        expect(problem).to_be_hidden()
        expect_titles(page, films.search("user:1"))


def test_a_label_that_says_the_same_as_another_is_left_out(open_tab, films):
    """The first of a film's genres and all of them are two fields, and often one word."""
    with run_server(films) as server:
        page = open_tab(server.url).open("films?q=user%3A3")
        for hit in films.search("user:3"):
            labels = page.locator(f".card[data-key='{hit.key}'] .label")
            metadata = hit.metadata
            expect(labels).to_have_text(list(dict.fromkeys(map(str, metadata.values()))))


def test_on_a_phone_the_buttons_of_all_cards_stand_below_each_other(open_tab, films):
    """Also where the labels before them leave no room in their line."""
    with run_server(films) as server:
        page = open_tab(server.url, viewport={"width": 360, "height": 740}).open("films?q=user%3A12")
        expect_titles(page, films.search("user:12"))
        edges = page.locator(".found .actions").evaluate_all(
            "all => all.map((one) => one.getBoundingClientRect().right)"
        )
        assert len(set(edges)) == 1
