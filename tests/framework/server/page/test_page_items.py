"""The list of items on the page in the order of a declared field, and how many items have each of its values."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from inprocess_server import run_server


def item_cards(page):
    return page.locator(".cards:not(.loading) > .card")


def expect_items(page, server, count, **params):
    """Wait until the list shows the items that the API lists."""
    items = server.client.get("/api/qa/items", params={"limit": count, **params}).json()["items"]
    page.wait_for_function(
        """(keys) => {
          const cards = [...document.querySelectorAll(".cards:not(.loading) > .card")];
          return JSON.stringify(cards.map((card) => card.dataset.key)) === JSON.stringify(keys);
        }""",
        arg=[item["key"] for item in items],
    )
    return [item["metadata"]["topic"] for item in items]


def read_counts(page, field):
    lines = page.get_by_role("list", name=f"Items by {field}").get_by_role("listitem").all_inner_texts()
    return dict(re.fullmatch(r"(.+?)\s*([\d,]+)", line, re.S).groups() for line in lines)


def test_items_are_sorted_by_a_field_up_and_down(tab, server):
    page = tab.open("qa/items")
    expect(item_cards(page)).to_have_count(24)
    page.get_by_label("Sort by").select_option("topic")
    expect(page).to_have_url(re.compile("s=topic$"))
    assert expect_items(page, server, 24, sort="topic") == ["encoder"] * 23 + ["index"]
    page.get_by_role("button", name="Show more").click()
    assert expect_items(page, server, 48, sort="topic") == ["encoder"] * 23 + ["index"] * 25
    page.get_by_role("button", name="Order: ascending").click()
    assert expect_items(page, server, 24, sort="-topic") == ["vicinal"] * 20 + ["search"] * 4
    page.reload()
    expect_items(page, server, 24, sort="-topic")
    expect(page.get_by_label("Sort by")).to_have_value("topic")
    expect(page.get_by_role("button", name="Order: descending")).to_be_visible()
    page.get_by_label("Sort by").select_option("")
    expect(page).to_have_url(re.compile("#/qa/items$"))
    expect(page.get_by_role("list", name="Items by topic")).to_have_count(0)


def test_values_of_the_field_are_counted(tab):
    page = tab.open("qa/items?s=topic")
    expect(page.get_by_role("list", name="Items by topic")).to_be_visible()
    counts = read_counts(page, "topic")
    assert list(counts.items())[:3] == [("milvus", "26"), ("index", "25"), ("encoder", "23")]
    assert sum(map(int, counts.values())) == 175
    page = tab.open("molecules/items?s=use")
    expect(page.get_by_role("list", name="Items by use")).to_be_visible()
    counts = read_counts(page, "use")
    assert len(counts) == 13, "the twelve most frequent ones, and the others together"
    assert sum(map(int, counts.values())) == 579


def test_a_list_of_too_many_items_is_not_sorted_and_says_why(open_tab, lite):
    lite.write([("one", "alpha", 1), ("two", "beta", 2)])
    things = lite.solution(extra="fields: {year: int64}")
    things.ingest()
    with run_server(things, max_sorted_items=1) as server:
        page = open_tab(server.url).open("things/items")
        expect(item_cards(page)).to_have_count(2)
        expect(page.get_by_label("Sort by")).to_be_disabled()
        expect(page.get_by_title("Up to 1 item can be sorted")).to_be_visible()


def test_a_solution_without_fields_has_no_order_to_choose(open_tab, lite):
    lite.write([("one", "alpha", 1)])
    things = lite.solution()
    things.ingest()
    with run_server(things) as server:
        page = open_tab(server.url).open("things/items")
        expect(item_cards(page)).to_have_count(1)
        expect(page.get_by_label("Sort by")).to_be_hidden()


def test_the_list_begins_anew_after_the_last_card_was_removed(open_tab, lite):
    lite.write([(f"k{number:02}", f"text {number}", number) for number in range(30)])
    things = lite.solution(extra="fields: {year: int64}")
    things.ingest()
    with run_server(things) as server:
        tab = open_tab(server.url)
        tab.expected = ("422",)
        page = tab.open("things/items?s=year")
        expect(item_cards(page)).to_have_count(24)
        server.delete("/api/things/items/k23")
        page.get_by_role("button", name="Show more").click()
        expect(page.locator(".card[data-key=k23]")).to_have_count(0)
        expect(page.locator(".card[data-key=k24]")).to_be_visible()
