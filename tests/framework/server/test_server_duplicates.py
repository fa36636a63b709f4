"""Near-equal items over HTTP: computed in the background, once for each state of the collection and each question."""

from __future__ import annotations

import threading
import time

import pytest

from inprocess_server import FIELDS, check_error, run_server
from vicinal import find_duplicates

ROWS = [("k0", "one", 1), ("k1", "two", 2), ("k2", "one", 3), ("k3", "two", 4), ("k4", "two", 0), ("k5", "three", 6)]


@pytest.fixture
def few(lite):
    """A client of six texts: two of one and three of another are equal."""
    lite.write(ROWS)
    solution = lite.solution(extra=FIELDS)
    solution.ingest()
    with run_server(solution) as client:
        client.solution = solution
        yield client


def wait_for(client, query=""):
    """The page once it is there and current."""
    deadline = time.monotonic() + 120
    while True:
        response = client.get(f"/api/things/duplicates{query}")
        if response.status_code == 200 and response.json()["is_current"]:
            return response.json()
        assert response.status_code in (200, 202), response.text
        assert time.monotonic() < deadline
        time.sleep(0.02)


def list_keys(page):
    return [[item["key"] for item in group["items"]] for group in page["groups"]]


def test_the_groups_are_those_of_python(few):
    response = few.get("/api/things/duplicates")
    assert (response.status_code, response.headers["retry-after"]) == (202, "1")
    assert response.json() == {"solution": "things", "state": "computing", "done": 0.0}
    found = wait_for(few)
    expected = find_duplicates(few.solution).to_dict()
    groups, listed = found.pop("groups"), expected.pop("groups")
    assert (found.pop("next"), found.pop("is_current")) == (None, True)
    assert {**found, "seconds": 0} == {**expected, "seconds": 0}
    assert [group["count"] for group in groups] == [3, 2]
    names = listed[0][0].keys()
    assert [[{name: item[name] for name in names} for item in group["items"]] for group in groups] == listed
    item = groups[0]["items"][1]
    assert (item["keep"], item["duplicate_of"], item["similarity"]) == (False, "k1", 1.0)
    assert (item["content"], item["metadata"]["year"], item["kind"], item["added"]) == ("two", 4, "text", False)
    assert item["content_url"] == "/api/things/items/k3/content"


def test_what_to_keep_is_chosen_by_a_field(few):
    page = wait_for(few, "?keep=oldest&by=year")
    assert list_keys(page) == [["k4", "k1", "k3"], ["k0", "k2"]]
    assert (page["keep"], page["field"]) == ("oldest", "year")


def test_groups_come_in_pages(few):
    first = wait_for(few, "?limit=1")
    assert (list_keys(first), first["next"], first["group_count"]) == ([["k1", "k3", "k4"]], 1, 2)
    second = wait_for(few, "?limit=1&offset=1")
    assert (list_keys(second), second["next"]) == ([["k0", "k2"]], None)


def test_a_report_is_computed_once_until_the_collection_changes(few):
    before = wait_for(few)
    assert wait_for(few) == before
    assert few.delete("/api/things/items/k3").status_code == 200
    old = few.get("/api/things/duplicates").json()
    assert (old["is_current"], list_keys(old)) == (False, [["k1", "k4"], ["k0", "k2"]])
    assert [group["count"] for group in old["groups"]] == [3, 2]
    assert few.post("/api/things/items", json={"key": "k6", "content": "three"}).status_code == 201
    assert list_keys(wait_for(few)) == [["k0", "k2"], ["k1", "k4"], ["k5", "k6"]]


def test_each_question_has_a_report_of_its_own(few):
    questions = [f"?similarity={similarity}" for similarity in (0.9, 0.92, 0.94, 0.96, 0.98)]
    found = [wait_for(few, question) for question in questions]
    assert [page["similarity"] for page in found] == [0.9, 0.92, 0.94, 0.96, 0.98]
    assert wait_for(few, questions[-1])["seconds"] == found[-1]["seconds"]


def test_errors(few):
    for query, location in (
        ("similarity=0", "similarity"),
        ("similarity=1.1", "similarity"),
        ("similarity=nan", "similarity"),
        ("keep=best", "keep"),
        ("limit=101", "limit"),
        ("offset=-1", "offset"),
        ("threshold=1", "threshold"),
    ):
        assert check_error(few.get(f"/api/things/duplicates?{query}"), 422)["errors"][0].startswith(location)
    deadline = time.monotonic() + 60
    while (response := few.get("/api/things/duplicates?by=colour")).status_code == 202 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert check_error(response, 409)["error"] == "by: no item has a number or a text in the field 'colour'"
    check_error(few.get("/api/nothing/duplicates"), 404)


def test_nothing_is_indexed(lite):
    lite.write(ROWS)
    with run_server(lite.solution()) as client:
        body = check_error(client.get("/api/things/duplicates"), 409)
        assert (body["error"], body["hint"]) == ("nothing is indexed in 'things'", "index the source first")


def test_a_server_that_stops_ends_what_is_computed(lite):
    lite.write(ROWS)
    solution = lite.solution()
    solution.ingest()
    with run_server(solution) as client:
        assert client.get("/api/things/duplicates").status_code == 202
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("vicinal-duplicates")]
