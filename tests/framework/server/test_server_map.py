"""The map over HTTP: computed in the background, once for each state of the collection."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from inprocess_server import FIELDS, ROWS, check_error, run_server
from vicinal import build_map
from vicinal.quality.map.projection import project_vectors
from vicinal.quality.map.projection_process import ProjectionProcess


def wait_for_map(client, name="things"):
    """The map once it is there and current."""
    deadline = time.monotonic() + 120
    while True:
        response = client.get(f"/api/{name}/map")
        if response.status_code == 200 and response.json()["is_current"]:
            return response.json()
        assert response.status_code in (200, 202), response.text
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def few(lite):
    """A client of twelve texts, which PCA places."""
    lite.write(ROWS[:12])
    solution = lite.solution(extra=FIELDS)
    solution.ingest()
    with run_server(solution) as client:
        client.solution = solution
        yield client


def test_the_map_is_that_of_python(few):
    response = few.get("/api/things/map")
    assert (response.status_code, response.headers["retry-after"]) == (202, "1")
    assert response.json() == {"solution": "things", "state": "computing"}
    found = wait_for_map(few)
    expected = build_map(few.solution, "year")
    assert [point["key"] for point in found["points"]] == list(expected.keys)
    assert [point["label"] for point in found["points"]] == list(expected.labels)
    places = [(point["x"], point["y"]) for point in found["points"]]
    assert np.array(places) == pytest.approx(expected.coordinates, abs=1e-4)
    assert found["summary"] == expected.summary
    assert (found["items"], found["total"], found["method"], found["neighbors"]) == (12, 12, "pca", 6)
    assert found["neighbors_kept"] == pytest.approx(expected.neighbors_kept, abs=1e-4)
    assert found["fields"] == [
        {"name": "year", "kind": "number", "categories": [], "values": list(expected.coloring.values)}
    ]


def test_a_map_is_computed_once_until_the_collection_changes(few):
    before = wait_for_map(few)
    assert wait_for_map(few) == before
    assert few.post("/api/things/items", json={"key": "new", "content": "a new text"}).status_code == 201
    old = few.get("/api/things/map")
    assert (old.status_code, old.json()["is_current"]) == (200, False)
    assert old.json()["points"] == before["points"]
    after = wait_for_map(few)
    assert {point["key"] for point in after["points"]} == {point["key"] for point in before["points"]} | {"new"}


@pytest.mark.parametrize("change", [{"content": "other words"}, {"metadata": {"year": 1900}}])
def test_a_replaced_item_makes_a_new_map(few, change):
    """Neither the number of items nor the time of the last ingest changes."""
    wait_for_map(few)
    item = {"key": "k3", "content": "text 3", **change}
    assert few.post("/api/things/items", json=item).json()["status"] == "updated"
    assert few.get("/api/things/map").json()["is_current"] is False
    after = wait_for_map(few)
    place = [point["key"] for point in after["points"]].index("k3")
    assert after["points"][place]["label"] == item["content"]
    if "metadata" in change:
        assert after["fields"][0]["values"][place] == 1900


def test_searches_are_answered_while_umap_computes(text_client):
    """UMAP is imported and compiled for seconds, in a process that is not the server's."""
    assert text_client.search("text 3").status_code == 200
    for _ in range(20):
        assert text_client.get("/api/things/map").status_code in (200, 202)
        assert text_client.search("text 3").json()["hits"][0]["key"] == "k3"
        time.sleep(0.05)


def test_fewer_than_two_items_have_no_map(lite):
    lite.write(ROWS[:1])
    solution = lite.solution()
    with run_server(solution) as client:
        assert check_error(client.get("/api/things/map"), 409)["error"] == "nothing is indexed in 'things'"
        client.ingest()
        body = check_error(client.get("/api/things/map"), 409)
        assert (body["error"], body["hint"]) == ("one item is indexed in 'things'", "a map takes two items")


def test_unknown_parameters_and_solutions_are_refused(few):
    check_error(few.get("/api/things/map?limit=3"), 422)
    check_error(few.get("/api/nothing/map"), 404)


def test_a_server_that_stops_ends_what_is_computed(lite):
    lite.write(ROWS)
    solution = lite.solution()
    solution.ingest()
    with run_server(solution) as client:
        assert client.get("/api/things/map").status_code == 202
        started = time.monotonic()
    assert time.monotonic() - started < 10
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("vicinal-map")]


@pytest.mark.long
@pytest.mark.timeout(600)  # UMAP is compiled twice, 10 s of a core each
def test_another_process_places_points_as_this_one_does():
    vectors = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    for method in ("pca", "umap"):
        there, here = (place(vectors, "L2", 3, method) for place in (ProjectionProcess(), project_vectors))
        assert np.array_equal(there.coordinates, here.coordinates)
        assert (there.method, there.neighbors, there.neighbors_kept) == (method, here.neighbors, here.neighbors_kept)


def test_a_process_that_fails_or_is_closed_is_an_error():
    run = ProjectionProcess()
    with pytest.raises(RuntimeError, match=r"ended with code 1: (?s:.)*ValueError"):
        run(np.zeros(3, np.float32), "L2")
    run.close()
    with pytest.raises(RuntimeError, match="is closed"):
        run(np.zeros((3, 2), np.float32), "L2")
