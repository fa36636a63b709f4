"""Recommendation in a terminal and over HTTP: users, examples, and a user that there is not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from inprocess_server import check_error, run_server
from recommend_helpers import FILMS, index_films


@pytest.fixture
def films(lite):
    return index_films(lite)


def test_http(films):
    with run_server(films) as client:
        (served,) = client.get("/api/solutions").json()["solutions"]
        (modality,) = served["query"]["modalities"]
        assert (modality["name"], modality["input"], modality["example"]) == ("user", "text", "user:1")
        found = client.post(
            "/api/films/search", json={"query": "user:7", "limit": 3, "filter": 'genre == "Comedy"'}
        ).json()
        assert [hit["metadata"]["genre"] for hit in found["hits"]] == ["Comedy"] * 3
        assert [hit["content"] for hit in found["hits"]] == [
            hit.content for hit in films.search("user:7", 3, 'genre == "Comedy"')
        ]
        assert {hit["content_label"] for hit in found["hits"]} == {"item"}
        assert client.get("/api/films/items/3").json()["content_label"] == "item"
        liked = client.post("/api/films/search", json={"like": ["@3", "@25"], "unlike": ["@2"], "limit": 5}).json()
        assert {hit["metadata"]["genre"] for hit in liked["hits"]} == {"Sci-Fi"}
        body = check_error(client.post("/api/films/search", json={"query": "user:4000"}), 404)
        assert (body["error"], body["type"]) == ("there is no user '4000' among the interactions", "UnknownItemError")
        assert "user:1" in body["hint"]
        unlike = {"query": "user:7", "unlike": ["@2", "user:8"]}
        body = check_error(client.post("/api/films/search", json=unlike), 422)
        assert body["errors"] == ["unlike.1: user:8: a user cannot be among what is not liked"]
        cancelled = {"like": ["@3"], "unlike": ["@3"]}
        body = check_error(client.post("/api/films/search", json=cancelled), 422)
        assert body["errors"] == ["examples: the examples cancel each other out"]
        assert "@KEY" in check_error(client.post("/api/films/search", json={"query": "a comedy"}), 422)["hint"]


def run(*arguments):
    return subprocess.run([sys.executable, "-m", "vicinal", *arguments], capture_output=True, text=True, timeout=120)


def test_terminal(lite, films):
    path = str(lite.folder / "films.yaml")
    films.close()
    hits = json.loads(run("search", path, "user:7", "--limit", "3", "--json").stdout)["hits"]
    assert len(hits) == 3
    table = run("search", path, "--like", "@3", "--like", "@25", "--limit", "3").stdout
    assert "Sci-Fi" in table
    assert "The " in table
    unliked = run("search", path, "user:7", "--unlike", "user:8")
    assert unliked.stderr.startswith("error: user:8: a user cannot be among what is not liked\n")
    unknown = run("search", path, "user:4000")
    assert (unknown.returncode, unknown.stderr.splitlines()) == (
        1,
        [
            "error: there is no user '4000' among the interactions",
            "hint: a user is written as user:1; one who came later is known after `vicinal reindex FILE`",
        ],
    )


def test_new_interactions_count_after_a_reindex_while_users_are_answered_all_the_time(lite):
    """Each answer is that of the old model or that of the new one, and a user who is new is known at the end."""
    ratings = (FILMS / "ratings.csv").read_text().splitlines()
    interactions = lite.folder / "ratings.csv"
    interactions.write_text("\n".join(ratings[: len(ratings) // 2]) + "\n")
    source, encoder = (
        f"{{type: movielens, path: '{FILMS}'}}",
        f"{{type: als, interactions: {{path: '{interactions}'}}}}",
    )
    films = lite.solution("films", source=source, encoder=encoder)
    films.ingest()
    newcomer = f"user:{ratings[-1].split(',')[0]}"
    queries = [{"query": "user:7"}, {"query": "@25"}, {"query": "user:7", "like": ["@3"], "unlike": ["@2"]}]

    def ask(client):
        found = [client.post("/api/films/search", json={**query, "limit": 10}).json()["hits"] for query in queries]
        return [[(hit["key"], hit["distance"]) for hit in hits] for hits in found]

    with run_server(films) as client:
        old, answers = ask(client), []
        check_error(client.post("/api/films/search", json={"query": newcomer}), 404)
        interactions.write_text("\n".join(ratings) + "\n")
        job = client.post("/api/films/reindex").json()
        while client.get(f"/api/films/ingest/{job['id']}").json()["state"] == "running":
            answers.append(ask(client))
        assert client.get(f"/api/films/ingest/{job['id']}").json()["state"] == "done"
        new = ask(client)
        assert client.post("/api/films/search", json={"query": newcomer}).status_code == 200
    assert all(before != after for before, after in zip(old, new, strict=True))
    assert answers
    for found in answers:
        assert all(one in (before, after) for one, before, after in zip(found, old, new, strict=True))
    fresh = lite.solution("fresh", source=source, encoder=encoder)
    fresh.ingest()
    assert [(hit.key, hit.distance) for hit in fresh.search("user:7")] == new[0]


def test_it_is_evaluated_while_another_process_holds_the_embedded_file(lite, films):
    """The interactions are all that it reads; the map needs the vectors."""
    films.search("user:7", limit=1)
    path = str(lite.folder / "films.yaml")
    evaluated = run("evaluate", path)
    assert evaluated.returncode == 0, evaluated.stderr
    assert evaluated.stdout.startswith("films: split time, 400 queries, 360 items ranked\n")
    refused = run("map", path, "--out", str(lite.folder / "map.html"))
    error, hint = refused.stderr.splitlines()
    assert refused.returncode == 1
    assert " is in use by process " in error
    assert (
        hint == "hint: one process at a time may open an embedded Milvus; end that one, or set MILVUS_URI to a server"
    )
    assert not (lite.folder / "map.html").exists()
