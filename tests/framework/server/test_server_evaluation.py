"""The latest evaluation over HTTP: what `vicinal evaluate` kept, with the items of its worst queries."""

from __future__ import annotations

import pytest

from inprocess_server import FIELDS, ROWS, check_error, run_server
from vicinal import evaluate


@pytest.fixture
def few(lite):
    """A client of sixty texts in ten years."""
    lite.write(ROWS[:60])
    solution = lite.solution(extra=FIELDS)
    solution.ingest()
    with run_server(solution) as client:
        client.solution = solution
        yield client


def test_there_is_none_at_first(few):
    response = few.get("/api/things/evaluation")
    assert response.status_code == 200
    nothing = dict.fromkeys(("evaluation", "self_test", "tuning"))
    assert response.json() == {"solution": "things", **nothing, "items": {}, "fields": ["year"]}


def test_the_latest_report_and_its_items(few):
    report = evaluate(few.solution, labels="year")
    answer = few.get("/api/things/evaluation").json()
    found, items = answer["evaluation"], answer["items"]
    assert (answer["solution"], answer["self_test"], found["is_current"]) == ("things", None, True)
    assert found["report"] == report.to_dict()
    assert found["details"] == report.details.to_dict()
    assert found["summary"] == "60 of 60 items as queries, 10 labels in year."
    assert found["findings"][0].startswith("Of the 10 nearest stored vectors, the index FLAT returns 100.0%")
    worst = found["details"]["worst"][0]
    keys = {worst["query"][1:], *(hit["key"] for hit in worst["hits"]), *worst["missed"]}
    assert keys <= set(items)
    key = worst["hits"][0]["key"]
    assert items[key] == few.get(f"/api/things/items/{key}").json()


def test_a_changed_collection_and_a_removed_item(few):
    evaluate(few.solution, labels="year", index_recall=False)
    before = few.get("/api/things/evaluation").json()
    gone = before["evaluation"]["details"]["worst"][0]["hits"][0]["key"]
    few.delete(f"/api/things/items/{gone}")
    after = few.get("/api/things/evaluation").json()
    assert after["evaluation"]["is_current"] is False
    assert set(before["items"]) - set(after["items"]) == {gone}


def test_unknown_parameters_and_solutions_are_refused(few):
    check_error(few.get("/api/things/evaluation?labels=year"), 422)
    check_error(few.get("/api/nothing/evaluation"), 404)
