"""Suggestions over HTTP: queries that begin with what a user has typed."""

from __future__ import annotations

import pytest

from inprocess_server import check_error, run_server


@pytest.fixture
def members(lite):
    """A solution whose encoder has queries to choose from."""
    lite.write([("one", "alpha", 1), ("two", "beta", 2)])
    solution = lite.solution("members", encoder="{type: members}")
    solution.ingest()
    return solution


def test_queries_that_begin_with_a_text_are_suggested(members):
    with run_server(members) as client:
        suggested = client.get("/api/members/suggestions", params={"prefix": "member:", "limit": 3}).json()
        assert suggested == {"queries": ["member:a", "member:b", "member:c"]}
        assert client.get("/api/members/suggestions", params={"prefix": "member:f"}).json() == {"queries": ["member:f"]}
        assert client.get("/api/members/suggestions", params={"prefix": "nobody"}).json() == {"queries": []}
        assert len(client.get("/api/members/suggestions").json()["queries"]) == 6
        assert client.get("/api/solutions").json()["solutions"][0]["query"]["suggests"] is True
        for query in suggested["queries"]:
            assert client.search(query, "members").status_code == 200


def test_an_encoder_without_suggestions_suggests_nothing(text_client):
    assert text_client.get("/api/things/suggestions", params={"prefix": "t"}).json() == {"queries": []}
    assert text_client.get("/api/solutions").json()["solutions"][0]["query"]["suggests"] is False


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 1001}, {"prefix": "x" * 1025}, {"query": "x"}])
def test_invalid_parameters_are_refused(text_client, params):
    check_error(text_client.get("/api/things/suggestions", params=params), 422)


def test_nothing_is_suggested_before_something_is_indexed(members):
    members.drop()
    with run_server(members) as client:
        assert "nothing is indexed" in check_error(client.get("/api/members/suggestions"), 409)["error"]


def test_what_is_no_list_of_texts_is_the_encoder_s_mistake(members, monkeypatch):
    monkeypatch.setattr(type(members.encoder), "suggest_queries", lambda *_: "member:a")
    with run_server(members) as client:
        error = check_error(client.get("/api/members/suggestions"), 500)["error"]
        assert error == "encoder Members: suggest_queries returned a str, not a list of texts"
