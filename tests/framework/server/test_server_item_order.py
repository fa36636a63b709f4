"""Items over HTTP in the order of a declared field, how many have each of its values, and their titles."""

from __future__ import annotations

import pytest

from inprocess_server import check_error, run_server

pytestmark = pytest.mark.long_on_server

WORDS = ["delta", "alpha", "echo", "bravo", "charlie"]
KEYS = [f"k{number}" for number in range(60)]
LINES = [f"{key},text,{2000 + number % 7},{WORDS[number % 5]}" for number, key in enumerate(KEYS)]
FIELDS = "fields: {year: 'int64 = 0', title: varchar(20)}"


@pytest.fixture
def words(workshop):
    """A solution of sixty texts with a number and a word, on each engine."""
    (workshop.folder / "items.csv").write_text("\n".join(["key,text,year,title", *LINES]))
    solution = workshop.solution(extra=FIELDS)
    solution.ingest()
    return solution


def read_pages(client, **params):
    items, cursor = [], ""
    while cursor is not None:
        response = client.get("/api/things/items", params={**params, "cursor": cursor})
        assert response.status_code == 200, response.text
        items += response.json()["items"]
        cursor = response.json()["next"]
    return items


@pytest.mark.parametrize("limit", [1, 7, 60, 100])
@pytest.mark.parametrize("field", ["year", "title"])
def test_pages_are_sorted_by_a_field_up_and_down(words, field, limit):
    with run_server(words) as client:
        up = read_pages(client, sort=field, limit=limit)
        values = [item["metadata"][field] for item in up]
        assert values == sorted(values)
        assert sorted(item["key"] for item in up) == sorted(KEYS)
        down = read_pages(client, sort=f"-{field}", limit=limit)
        assert [item["key"] for item in down] == [item["key"] for item in reversed(up)]


def test_a_sorted_list_goes_on_among_the_keys_of_a_prefix(words):
    with run_server(words) as client:
        items = read_pages(client, sort="-year", prefix="k1", limit=3)
        assert {item["key"] for item in items} == {"k1", *(f"k1{n}" for n in range(10))}
        assert [item["metadata"]["year"] for item in items] == [
            2006,
            2005,
            2005,
            2004,
            2004,
            2003,
            2003,
            2002,
            2001,
            2001,
            2000,
        ]


def test_values_are_counted_among_all_items_of_the_prefix(words):
    with run_server(words) as client:
        page = client.get("/api/things/items", params={"counts": "title", "limit": 1}).json()
        assert page["counts"]["field"] == "title"
        assert {one["value"]: one["items"] for one in page["counts"]["values"]} == dict.fromkeys(WORDS, 12)
        assert page["counts"]["others"] == 0
        page = client.get(
            "/api/things/items", params={"counts": "year", "prefix": "k1", "sort": "year", "limit": 2}
        ).json()
        assert page["counts"]["values"][0] == {"value": 2001, "items": 2}
        assert sum(one["items"] for one in page["counts"]["values"]) == 11
        assert [item["metadata"]["year"] for item in page["items"]] == [2000, 2001]


def test_the_most_frequent_values_are_listed_and_the_others_together(lite):
    lite.write([(f"k{number}", "x", 0 if number % 4 == 0 else number) for number in range(160)])
    solution = lite.solution(extra="fields: {year: int64}")
    solution.ingest()
    with run_server(solution) as client:
        counts = client.get("/api/things/items", params={"counts": "year"}).json()["counts"]
        assert counts["values"][0] == {"value": 0, "items": 40}
        assert (len(counts["values"]), counts["others"]) == (100, 21)


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"sort": "price"}, "sort: 'things' declares no field 'price'"),
        ({"sort": "-"}, "sort: 'things' declares no field ''"),
        ({"sort": "--year"}, "sort: 'things' declares no field '-year'"),
        ({"counts": "-year"}, "counts: 'things' declares no field '-year'"),
        ({"counts": "key"}, "counts: 'things' declares no field 'key'"),
    ],
)
def test_an_undeclared_field_is_refused(text_client, params, error):
    body = check_error(text_client.get("/api/things/items", params=params), 422)
    assert (body["errors"], body["hint"]) == ([error], "declared: year")


def test_a_page_after_an_item_that_was_removed_is_refused(text_client):
    cursor = text_client.get("/api/things/items", params={"sort": "year", "limit": 3}).json()["next"]
    last = text_client.get("/api/things/items", params={"sort": "year", "limit": 3}).json()["items"][2]["key"]
    text_client.delete(f"/api/things/items/{last}")
    response = text_client.get("/api/things/items", params={"sort": "year", "limit": 3, "cursor": cursor})
    body = check_error(response, 422)
    assert body["errors"] == ["cursor: the item that it stands for no longer exists"]
    assert body["hint"] == "begin with the first page"


def test_more_items_than_the_server_sorts_are_refused(words):
    with run_server(words, max_sorted_items=59) as client:
        assert client.get("/api/solutions").json()["solutions"][0]["max_sorted_items"] == 59
        for params in ({"sort": "year"}, {"counts": "title"}):
            body = check_error(client.get("/api/things/items", params=params), 409)
            assert "'things' has 60 items, and all of them would be read: more than 59" in body["error"]
            assert "VICINAL_MAX_SORTED_ITEMS" in body["hint"]
        assert len(read_pages(client, limit=25)) == 60


def test_items_of_which_the_encoder_makes_another_text_have_it_as_title(lite):
    (lite.folder / "films.csv").write_text("key,text,title\n1,aab,Heat\n2,aac,\n")
    films = lite.solution(
        "films", encoder="{type: members}", source="{type: table, path: films.csv, key: key, content: text}"
    )
    films.ingest()
    with run_server(films) as client:
        items = client.get("/api/films/items").json()["items"]
        assert {item["key"]: item["title"] for item in items} == {"1": "Heat", "2": None}
        hits = client.search("aab", "films").json()["hits"]
        assert {hit["key"]: hit["title"] for hit in hits} == {"1": "Heat", "2": None}
        assert client.get("/api/films/items/1").json()["title"] == "Heat"
