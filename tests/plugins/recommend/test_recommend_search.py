"""Searching a solution with ``als`` on both engines: what is found agrees with ``implicit``'s own lists."""

from __future__ import annotations

import numpy as np
import pytest

from recommend_helpers import FILMS, fit_implicit, read_matrix
from vicinal.errors import ItemError, UnknownItemError
from vicinal.quality.sample import read_sample

pytestmark = pytest.mark.long_on_server

USERS = [str(number) for number in range(1, 401, 2)]
EXACT = "index: {type: FLAT, metric: IP}\nfields: {genre: varchar(64), genres: varchar(256), year: int64 = 0}"


def make_solution(workshop, params="", path=FILMS):
    return workshop.solution(
        source=f"{{type: movielens, path: '{FILMS}'}}",
        encoder=f"{{type: als, interactions: {{path: '{path}'}}{params}}}",
        extra=EXACT,
    )


@pytest.fixture
def films(workshop):
    solution = make_solution(workshop)
    report = solution.ingest()
    assert (report.new, report.failed, report.skipped) == (360, 0, 0)
    return solution


def list_keys(result):
    return [hit.key for hit in result]


def test_users_get_the_lists_of_implicit(films):
    matrix = read_matrix()
    model, rows = fit_implicit(matrix), np.searchsorted(matrix.users, USERS)
    assert [matrix.users[row] for row in rows] == USERS
    expected, scores = model.recommend(rows, matrix.weights[rows], N=10, recalculate_user=True)
    results = films.search([f"user:{user}" for user in USERS], limit=10)
    found = [list_keys(result) for result in results]
    assert found == [[matrix.items[item] for item in row] for row in expected]
    assert np.allclose([[hit.similarity for hit in result] for result in results], scores, atol=2e-3)


def test_a_map_compares_items_as_searches_by_items_do(films):
    """By their kind alone: how well known an item is, the stored vector's second half, moves it nowhere."""
    sample = read_sample(films, 1_000)
    keys = [record.key for record in sample.records]
    assert len(keys) == 360
    assert not sample.vectors[:, films.encoder.params.factors :].any()
    for row in (0, 100, 359):
        cosines = sample.vectors @ sample.vectors[row]
        cosines[row] = -2
        result = films.search("@" + keys[row], limit=10)
        assert list_keys(result) == [keys[place] for place in np.argsort(-cosines)[:10]]
        assert np.allclose([hit.similarity for hit in result], np.sort(cosines)[:-11:-1], atol=1e-5)


def test_what_a_user_has_seen_may_be_included(workshop):
    films = make_solution(workshop, ", seen: include")
    films.ingest()
    matrix = read_matrix()
    row = matrix.users.index("7")
    history = matrix.weights[[row]]
    model = fit_implicit(matrix)
    items, _ = model.recommend([row], history, N=10, recalculate_user=True, filter_already_liked_items=False)
    assert list_keys(films.search("user:7", limit=10)) == [matrix.items[item] for item in items[0]]


def test_similar_items_are_those_of_implicit(films):
    matrix = read_matrix()
    model = fit_implicit(matrix)
    items, scores = model.similar_items(matrix.items.index("3"), N=11)
    result = films.search("@3", limit=10)
    assert list_keys(result) == [matrix.items[item] for item in items[1:]]
    assert np.allclose([hit.similarity for hit in result], scores[1:], atol=1e-4)
    assert result[0].similarity < 1


def test_nobody_is_recommended_what_the_history_has(films):
    matrix = read_matrix()
    for user in ("1", "7", "42", "400"):
        history = {matrix.items[item] for item in matrix.weights[matrix.users.index(user)].indices}
        found = list_keys(films.search(f"user:{user}", limit=360))
        assert set(found) == set(matrix.items) - history


def test_filters_hold(films):
    found = films.search("user:7", limit=5, filter='genre == "Comedy"')
    assert [hit.metadata["genre"] for hit in found] == ["Comedy"] * 5
    romances = films.search("user:7", limit=5, filter='genres like "Comedy, R%" and year >= 1980')
    assert {hit.metadata["genres"] for hit in romances} == {"Comedy, Romance"}
    assert min(hit.metadata["year"] for hit in romances) >= 1980


def test_examples_are_folded_in(films):
    """The query has one system of equations: confidence 3, preference 1 for the liked and -1 for the unliked."""
    keys = [str(number) for number in range(1, 361)]
    factors = films.encoder.encode([films.encoder.decode(item)[0].sample for item in films.source])[:, 64:]
    factors = factors.astype(np.float64) / films.encoder.scale
    liked, unliked = factors[[2, 24]], factors[[1]]
    examples = np.concatenate([liked, unliked])
    left = factors.T @ factors + 20.0 * np.eye(64) + 2.0 * examples.T @ examples
    user = np.linalg.solve(left, 3.0 * (liked.sum(axis=0) - unliked.sum(axis=0)))
    order = np.argsort(-(factors @ user))
    expected = [keys[item] for item in order if keys[item] not in ("3", "25", "2")][:10]
    assert list_keys(films.search(like=("@3", "@25"), unlike=("@2",), limit=10)) == expected


def test_items_that_are_liked_and_not_liked_alike_are_refused(films):
    for like, unlike in ((["@1"], ["@1"]), (["@3", "@25", "@51"], ["@51", "@3", "@25"])):
        with pytest.raises(ItemError, match="the examples cancel each other out"):
            films.search(like=like, unlike=unlike)
    assert len(films.search(like=["@1", "@3"], unlike=["@1"])) == 10


def test_a_user_may_like_more(films):
    """A few examples beside a history of forty draw their kind up, and do not outweigh it."""
    alone, more = (films.search("user:7", like=like, limit=200) for like in ((), ("@3", "@25")))
    scores = [
        {hit.key: hit.similarity for hit in result if hit.metadata["genre"] == "Sci-Fi"} for result in (alone, more)
    ]
    shared = scores[0].keys() & scores[1].keys()
    assert len(shared) > 10
    assert np.mean([scores[1][key] - scores[0][key] for key in shared]) > 0.01
    assert not set(list_keys(more)) & {"3", "25", *films.encoder.list_excluded_keys("user:7")}


def test_an_unknown_user_is_an_unknown_item(films):
    with pytest.raises(UnknownItemError, match="there is no user '4000'"):
        films.search("user:4000")


def test_cold_items_are_counted_and_no_failures(workshop):
    known = workshop.folder / "ratings.csv"
    lines = (FILMS / "ratings.csv").read_text().splitlines()
    known.write_text("\n".join(line for line in lines if line.split(",")[1] not in ("3", "25")))
    films = make_solution(workshop, path=known)
    report = films.ingest()
    assert (report.new, report.skipped, report.failed, report.rows) == (358, 2, 0, 358)
    assert report.skip_reasons == {"nobody had to do with it when the encoder was fitted": 2}
    assert films.failures() == []
    assert films.ingest(prune=True).to_dict()["skipped"] == 2


def test_cold_items_are_found_by_a_filter_where_it_is_asked_for(workshop):
    known = workshop.folder / "ratings.csv"
    lines = (FILMS / "ratings.csv").read_text().splitlines()
    known.write_text("\n".join(line for line in lines if line.split(",")[1] != "3"))
    films = make_solution(workshop, ", cold: popular", path=known)
    assert films.ingest().new == 360
    title = next(item for item in films.source if item.key == "3")
    year = title.metadata["year"]
    assert "3" not in list_keys(films.search("user:7", limit=10))
    assert "3" in list_keys(films.search("user:7", limit=100, filter=f'genre == "Sci-Fi" and year == {year}'))


def test_it_finds_twice_as_much_of_what_was_held_back_as_popularity(workshop):
    """The last fifth of each user's ratings is held back; recall@10 of what is recommended from the others."""
    rows = [line.split(",") for line in (FILMS / "ratings.csv").read_text().splitlines()[1:]]
    users = {user: [row for row in rows if row[0] == user] for user in USERS}
    kept = {user: history[: len(history) * 4 // 5] for user, history in users.items()}
    training = [row for row in rows if row[0] not in kept] + [row for history in kept.values() for row in history]
    path = workshop.folder / "ratings.csv"
    path.write_text("\n".join(map(",".join, [["userId", "movieId", "rating", "timestamp"], *training])))
    films = make_solution(workshop, path=path)
    films.ingest()
    counts: dict[str, int] = {}
    for row in training:
        counts[row[1]] = counts.get(row[1], 0) + 1
    popular = sorted(counts, key=lambda key: -counts[key])
    recalls = []
    for user, result in zip(USERS, films.search([f"user:{user}" for user in USERS], limit=10), strict=True):
        seen = {row[1] for row in kept[user]}
        held_back = {row[1] for row in users[user]} - seen
        best = [key for key in popular if key not in seen][:10]
        recalls.append([len(held_back & set(keys)) / len(held_back) for keys in (list_keys(result), best)])
    ours, popularity = np.mean(recalls, axis=0)
    assert ours >= 2 * popularity > 0
