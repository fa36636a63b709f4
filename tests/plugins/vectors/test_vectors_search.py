"""A solution of embeddings that exist already: indexed, searched by vectors from Python, the terminal and HTTP."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from inprocess_server import run_server
from vicinal import VicinalError
from vicinal.cli.app import app

pytestmark = pytest.mark.long_on_server

TITLES = "title,color\n" + "".join(f"thing {number},{('red', 'blue')[number % 2]}\n" for number in range(300))


@pytest.fixture
def vectors():
    return np.random.default_rng(0).standard_normal((300, 12)).astype(np.float32)


def make_solution(workshop, vectors, encoder="{type: vectors, dimension: 12}", source=""):
    np.save(workshop.folder / "v.npy", vectors)
    (workshop.folder / "t.csv").write_text(TITLES)
    return workshop.solution(
        source=source or "{type: vectors, path: v.npy, table: t.csv}",
        encoder=encoder,
        extra="fields: {color: varchar(16)}",
    )


def rank(vectors, query, limit):
    """The numbers of the nearest rows by cosine, computed directly."""
    scores = (vectors @ query) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)
    return [str(row) for row in np.argsort(-scores)[:limit]]


def keys(result):
    return [hit.key for hit in result]


def test_it_finds_what_numpy_finds_however_a_vector_is_given(workshop, vectors):
    solution = make_solution(workshop, vectors)
    report = solution.ingest()
    assert (report.new, report.failed, report.rows) == (300, 0, 300)
    query = np.random.default_rng(1).standard_normal(12).astype(np.float32)
    np.save(workshop.folder / "q.npy", query)
    expected = rank(vectors, query, 5)
    for form in (
        query,
        query.tolist(),
        tuple(query.tolist()),
        json.dumps(query.tolist()),
        workshop.folder / "q.npy",
        str(workshop.folder / "q.npy"),
    ):
        assert keys(solution.search(form, limit=5)) == expected, type(form)
    several = solution.search(vectors[:3], limit=4)
    assert [keys(result) for result in several] == [rank(vectors, row, 4) for row in vectors[:3]]
    assert [keys(one) for one in solution.search(vectors[:2].tolist(), limit=2)] == [
        keys(one)[:2] for one in several[:2]
    ]
    assert keys(solution.search("@7", limit=3)) == rank(vectors, vectors[7], 4)[1:]
    assert keys(solution.search(like=query, limit=5)) == expected
    assert len(solution.search(like=[query, "@3"], unlike=vectors[9], limit=5)) == 5
    assert {hit.metadata["color"] for hit in solution.search(query, limit=5, filter='color == "red"')} == {"red"}
    hit = solution.search("@7", limit=1)[0]
    assert hit.metadata["title"] == f"thing {hit.key}"
    assert solution.render(hit).value == f"thing {hit.key}"


def test_an_unchanged_rerun_writes_nothing_and_a_changed_row_is_one_update(workshop, vectors):
    solution = make_solution(workshop, vectors)
    solution.ingest()
    again = solution.ingest()
    assert (again.new, again.updated, again.unchanged) == (0, 0, 300)
    vectors[5] = -vectors[5]
    np.save(workshop.folder / "v.npy", vectors)
    changed = solution.ingest()
    assert (changed.new, changed.updated, changed.unchanged) == (0, 1, 299)
    assert keys(solution.search(vectors[5], limit=1)) == ["5"]


def test_rows_that_are_no_vectors_are_failures_with_their_reasons(workshop, vectors):
    vectors[3, 1], vectors[4] = np.nan, 0
    solution = make_solution(workshop, vectors)
    report = solution.ingest()
    assert (report.new, report.failed, report.rows) == (298, 2, 298)
    assert {failure.key: failure.message for failure in solution.failures()} == {
        "3": "its number 2 is nan",
        "4": "it is all zeros, which have no direction",
    }
    vectors[3:5] = 1
    np.save(workshop.folder / "v.npy", vectors)
    assert (solution.ingest().new, list(solution.failures())) == (2, [])


def test_bits_are_compared_by_tanimoto(workshop):
    bits = np.random.default_rng(2).random((300, 64)) < 0.3
    solution = make_solution(workshop, bits, "{type: vectors, dimension: 64, metric: JACCARD}")
    assert solution.ingest().new == 300
    query = bits[11]
    scores = (bits & query).sum(axis=1) / (bits | query).sum(axis=1)
    result = solution.search(query.astype(int).tolist(), limit=5)
    assert [hit.similarity for hit in result] == pytest.approx(np.sort(scores)[::-1][:5].tolist())
    assert result[0].key == "11"


def test_a_vector_of_a_table_s_column_of_lists(lite, vectors):
    rows = [json.dumps({"id": f"n{number}", "emb": row.tolist(), "color": "red"}) for number, row in enumerate(vectors)]
    (lite.folder / "rows.jsonl").write_text("\n".join(rows))
    solution = make_solution(lite, vectors, source="{type: table, path: rows.jsonl, key: id, content: emb}")
    assert solution.ingest().new == 300
    assert solution.ingest().unchanged == 300
    assert keys(solution.search(vectors[17], limit=1)) == ["n17"]


def test_items_are_added_by_hand(lite, vectors):
    solution = make_solution(lite, vectors)
    solution.ingest()
    with run_server(solution) as client:
        new = {"key": "mine", "content": "[" + "0.5, " * 11 + "0.5]", "metadata": {"color": "red"}}
        assert client.post("/api/things/items", json=new).status_code == 201
        assert client.search([0.5] * 12, limit=1).json()["hits"][0]["key"] == "mine"
        refused = client.post("/api/things/items", json={**new, "key": "bad", "content": "[1, 2]"})
        assert refused.status_code == 422
        assert refused.json()["errors"] == ["content: it has 2 numbers, and `dimension` is 12"]


def test_over_http(lite, vectors):
    solution = make_solution(lite, vectors)
    solution.ingest()
    query = np.random.default_rng(1).standard_normal(12).astype(np.float32)
    expected = rank(vectors, query, 3)
    np.save(lite.folder / "q.npy", query)
    with run_server(solution) as client:
        (shown,) = client.get("/api/solutions").json()["solutions"]
        assert [(one["name"], one["input"]) for one in shown["query"]["modalities"]] == [
            ("vector", "text"),
            ("vector-file", "file"),
        ]
        for body in (query.tolist(), json.dumps(query.tolist()), ", ".join(map(str, query.tolist()))):
            response = client.search(body, limit=3)
            assert [hit["key"] for hit in response.json()["hits"]] == expected
        assert response.json()["hits"][0]["title"] == f"thing {expected[0]}"
        several = client.post("/api/things/search", json={"queries": [query.tolist(), "@7"], "limit": 3}).json()
        assert [hit["key"] for hit in several["results"][0]["hits"]] == expected
        liked = client.post("/api/things/search", json={"like": [query.tolist()], "limit": 3}).json()
        assert [hit["key"] for hit in liked["hits"]] == expected
        with (lite.folder / "q.npy").open("rb") as file:
            found = client.post("/api/things/search", files={"file": ("q.npy", file)}, data={"limit": "3"})
        assert [hit["key"] for hit in found.json()["hits"]] == expected
        for wrong, status, error in (
            ([1, 2], 422, "query: it has 2 numbers, and `dimension` is 12"),
            (str(lite.folder / "q.npy"), 422, "query: "),
            ([1, "2"], 422, "query.1: Input should be a valid number"),
            ([], 422, "query: List should have at least 1 item"),
            ([True] * 12, 422, "query.0: Input should be a valid number"),
            (7, 422, "query: Input should be a valid string"),
        ):
            response = client.search(wrong)
            assert response.status_code == status
            assert response.json()["errors"][0].startswith(error), response.text


def test_a_typed_vector_may_be_longer_than_a_typed_sentence(lite):
    """1,024 numbers of 20 characters are more than the 10,000 characters of other queries."""
    vectors = np.random.default_rng(0).standard_normal((20, 1024)).astype(np.float32)
    np.save(lite.folder / "v.npy", vectors)
    solution = lite.solution(source="{type: vectors, path: v.npy}", encoder="{type: vectors, dimension: 1024}")
    solution.ingest()
    text = json.dumps(vectors[3].astype(np.float64).tolist())
    assert len(text) > 20_000
    with run_server(solution) as client:
        assert client.search(text, limit=1).json()["hits"][0]["key"] == "3"
        assert client.search("1" * 50_000).status_code == 422


def test_other_solutions_refuse_a_vector(lite):
    lite.write([("a", "some words", 2000)])
    solution = lite.solution()
    solution.ingest()
    with pytest.raises(VicinalError, match="query is a list of float") as error:
        solution.search([0.5, 0.25])
    assert error.value.hint == "give a text, a Path, or a list of them"
    with run_server(solution) as client:
        response = client.search([0.5, 0.25])
        assert response.status_code == 409
        assert response.json()["errors"] == ["query: 'things' cannot be searched by a vector"]


def test_in_the_terminal(lite, vectors):
    solution = make_solution(lite, vectors)
    solution.ingest()
    solution.close()
    np.save(lite.folder / "q.npy", vectors[8])
    config = str(lite.folder / "things.yaml")
    for query in (str(lite.folder / "q.npy"), json.dumps(vectors[8].tolist())):
        done = CliRunner().invoke(app, ["search", config, query, "--limit", "1", "--json"])
        assert json.loads(done.output)["hits"][0]["key"] == "8"


def test_init_writes_a_solution_that_works(lite, vectors, monkeypatch):
    monkeypatch.chdir(lite.folder)
    np.save("mine.npy", vectors)
    done = CliRunner().invoke(app, ["init", "mine.npy"])
    assert done.exit_code == 0, done.output
    (written,) = lite.folder.glob("*.yaml")
    done = CliRunner().invoke(app, ["ingest", str(written), "--json"])
    assert json.loads(done.output)["new"] == 300


def test_the_example_of_the_documentation_runs(tmp_path, monkeypatch):
    page = (Path(__file__).parents[3] / "docs" / "solutions" / "vectors.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"^```(yaml|python)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "embeddings.yaml").write_text(blocks["yaml"])
    names = {}
    exec(blocks["python"], names)
    assert names["nearest"][0].key == "n17"
    assert [len(names["similar"]), len(names["several"])] == [3, 2]
    assert {hit.metadata["year"] for hit in names["similar"]} <= set(range(2011, 2020))
