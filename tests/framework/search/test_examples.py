"""Searches by examples, against brute force over the same formula, on both engines."""

from pathlib import Path

import numpy as np
import pytest

from encoders import Hashed, Labelled, Letters, hookimpl
from search_helpers import ROWS, encode_texts, keys
from vicinal import ItemError, VicinalError
from vicinal.errors import PluginError, UnknownItemError
from vicinal.types import SearchRequest

pytestmark = pytest.mark.long_on_server

TEXTS = [text for _, text, _ in ROWS]


def rocchio(liked, unliked):
    mean = np.mean(liked, axis=0)
    return mean + (mean - np.mean(unliked, axis=0)) if len(unliked) else mean


def rank_items(query, vectors, metric):
    """The keys of all items, nearest to the query first."""
    if metric == "L2":
        nearness = -((vectors - query) ** 2).sum(axis=1)
    else:
        nearness = vectors @ query / (np.linalg.norm(vectors, axis=1) if metric == "COSINE" else 1)
    return [f"k{number}" for number in np.argsort(-nearness)]


@pytest.mark.parametrize("metric", ["COSINE", "IP", "L2"])
def test_examples_equal_rocchio_over_all_items(workshop, metric):
    """Vectors of different lengths, which are made equal where the metric is cosine."""
    workshop.write(ROWS)
    solution = workshop.solution(encoder="{type: lengths}", extra=f"index: {{metric: {metric}, type: FLAT}}")
    solution.ingest()
    vectors = solution.encoder.encode(TEXTS).astype(np.float64)

    def encode(text):
        vector = solution.encoder.encode([text])[0].astype(np.float64)
        return vector / np.linalg.norm(vector) if metric == "COSINE" else vector

    for query, like, unlike in (
        (None, ["@k1", "@k2"], []),
        (None, ["@k1", "@k2", "another text"], ["@k3", "@k4"]),
        ("text 7", ["@k1"], ["@k3"]),
        ("@k7", ["@k1", "@k2"], ["a third text"]),
        ("text 7", [], ["@k3", "@k4"]),
    ):
        liked, unliked = (
            [encode(TEXTS[int(one[2:])] if one.startswith("@") else one) for one in part]
            for part in ([query, *like] if query else like, unlike)
        )
        named = {one[1:] for one in [query or "", *like, *unlike] if one.startswith("@")}
        expected = [key for key in rank_items(rocchio(liked, unliked), vectors, metric) if key not in named]
        found = solution.search(query, limit=300, like=like, unlike=unlike)
        assert keys(found) == expected
        assert [hit.rank for hit in found] == list(range(1, len(expected) + 1))
        assert keys(solution.search(query, limit=4, like=like, unlike=unlike)) == expected[:4]


def test_a_query_beside_examples_is_one_of_the_liked(lite):
    lite.write(ROWS)
    solution = lite.solution()
    solution.ingest()
    for limit in (5, 300):
        beside = solution.search("text 7", limit=limit, like=["text 8"], unlike=["@k9"])
        assert keys(beside) == keys(solution.search(limit=limit, like=["text 7", "text 8"], unlike=["@k9"]))
    several = solution.search(["text 7", "text 8"], like=["@k9"])
    assert [keys(hits) for hits in several] == [keys(solution.search(query, like=["@k9"])) for query in TEXTS[7:9]]
    assert keys(solution.search(like=["text 7"])) == keys(solution.search("text 7"))


def count_bits(texts):
    return np.unpackbits(Letters().encode(texts), axis=1).astype(np.float64)


def find_tanimotos(a, b):
    common = a @ b.T
    return common / (a.sum(axis=1)[:, None] + b.sum(axis=1) - common)


WORDS = ["apple", "applet", "maple", "grape", "grapes", "peach", "people", "pear", "pearl", "plea", "leap", "appeal"]
WORDY = [(f"k{number}", f"{WORDS[number % 12]} {WORDS[number * 7 % 11]} {number % 5}", 1) for number in range(240)]


@pytest.mark.parametrize(("query", "like", "unlike"), [
    (None, ["@k1", "@k2"], []),
    (None, ["@k1", "@k2", "grapefruit"], ["@k3", "@k40", "people leap"]),
    ("applet pear", ["@k5"], ["@k6", "@k7"]),
    ("@k17", [], ["@k18"]),
])  # fmt: skip
def test_bits_are_ranked_by_their_best_tanimoto_to_any_example(workshop, query, like, unlike):
    workshop.write(WORDY)
    solution = workshop.solution(encoder="{type: letters}")
    solution.ingest()
    texts = [text for _, text, _ in WORDY]

    def encode(parts):
        return count_bits([texts[int(one[2:])] if one.startswith("@") else one for one in parts])

    near = find_tanimotos(count_bits(texts), encode([query, *like] if query else like)).max(axis=1)
    far = find_tanimotos(count_bits(texts), encode(unlike)).max(axis=1) if unlike else np.zeros(len(near))
    named = {one[1:] for one in [query or "", *like, *unlike] if one.startswith("@")}
    expected = {
        f"k{number}": near[number]
        for number in range(240)
        if near[number] and far[number] <= near[number] and f"k{number}" not in named
    }
    assert len(expected) < 240 - len(named) or not unlike
    for limit in (3, 10, 300):
        found = solution.search(query, limit=limit, like=like, unlike=unlike)
        best = sorted(expected.values(), reverse=True)[:limit]
        assert [hit.similarity for hit in found] == pytest.approx(best, abs=1e-6)
        assert [expected[hit.key] for hit in found] == pytest.approx(best, abs=1e-6)  # any of equal ones
        assert len(set(keys(found))) == len(found)


def test_an_example_of_several_segments_is_their_mean(workshop):
    texts = {f"k{number}": f"w{number} w{number % 7} w{number % 11 + 50}" for number in range(150)}
    workshop.write([(key, text, 1) for key, text in texts.items()])
    solution = workshop.solution(encoder="{type: labelled}")
    solution.ingest()

    def encode(text):
        vectors = Labelled().encode(text.split()).astype(np.float64)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def mean(text):
        vector = encode(text).mean(axis=0)
        return vector / np.linalg.norm(vector)

    query = rocchio([mean(texts["k1"]), mean("w3 w90")], [mean(texts["k9"])])
    best = {key: (encode(text) @ query).max() for key, text in texts.items() if key not in ("k1", "k9")}
    found = solution.search(like=["@k1", "w3 w90"], unlike=["@k9"], limit=20)
    similarities = [hit.similarity * np.linalg.norm(query) for hit in found]
    assert similarities == pytest.approx(sorted(best.values(), reverse=True)[:20], abs=1e-5)
    assert similarities == pytest.approx([best[hit.key] for hit in found], abs=1e-5)  # any of those that share a word


def test_a_single_example_needs_no_list_and_none_is_no_example(lite):
    lite.write(ROWS)
    solution = lite.solution()
    solution.ingest()
    expected = keys(solution.search("text 7", like=["@k1"], unlike=["text 9"]))
    assert keys(solution.search("text 7", like="@k1", unlike="text 9")) == expected
    assert keys(solution.search("text 7", like=Path("@k1"), unlike=iter(["text 9"]))) != []
    assert keys(solution.search(like="text 7", unlike=None)) == keys(solution.search(like=("text 7",)))
    assert keys(solution.search("text 7", like=None)) == keys(solution.search("text 7"))


# --- what an encoder makes of examples


class Halves(Hashed):
    """Stores a direction twice, the second half with a length; one half is searched in."""

    _lengths = 1.0

    @property
    def signature(self):
        return "halves"

    def encode(self, samples):
        vectors = super().encode(samples)
        vectors[:, 8:] = vectors[:, :8] * 3
        return vectors

    def to_query_vector(self, stored):
        query = stored.copy()
        query[8:] = 0
        return query

    def combine_examples(self, liked, unliked):
        query = liked.sum(axis=0)
        query[:8] = 0
        return query

    def list_excluded_keys(self, query):
        return [f"k{number}" for number in range(int(query.split()[-1]))] if "without" in query else ()


class Plugin:
    @hookimpl
    def register_encoders(self, encoders):
        encoders.add("halves", "test_examples:Halves", summary="for tests")


@pytest.fixture
def halves(workshop):
    workshop.manager.register(Plugin(), "halves")
    workshop.write(ROWS)
    solution = workshop.solution(encoder="{type: halves, metric: IP}", extra="index: {type: FLAT}")
    solution.ingest()
    return solution


def test_an_encoder_says_how_an_item_and_examples_are_searched(halves):
    vectors = halves.encoder.encode(TEXTS).astype(np.float64)
    first, second = vectors[:, :8] @ vectors[7, :8], vectors[:, 8:] @ (vectors[7] + vectors[8])[8:]
    by_item = [f"k{number}" for number in np.argsort(-first) if number != 7]
    assert keys(halves.search("@k7", limit=299)) == by_item
    by_examples = [f"k{number}" for number in np.argsort(-second) if number not in (7, 8)]
    assert keys(halves.search(like=["@k7", "@k8"], limit=298)) == by_examples
    whole = [f"k{number}" for number in np.argsort(-(vectors @ vectors[7]))]
    assert keys(halves.search("text 7", limit=300)) == whole


@pytest.mark.parametrize("count", [3, 100, 101, 250, 5_000])
def test_as_many_hits_as_are_wanted_though_an_encoder_leaves_some_out(halves, count):
    """Few are dropped after the search, many are left out by Milvus; most are not even there."""
    left = [f"k{number}" for number in range(count, 300)]
    everything = keys(halves.search(f"without {count}", limit=300))
    assert sorted(everything) == sorted(left)
    assert keys(halves.search(f"without {count}", limit=10)) == everything[:10]
    vector = halves.encoder.encode([f"without {count}"])[0]
    nearness = dict(zip((key for key, _, _ in ROWS), halves.encoder.encode(TEXTS) @ vector, strict=True))
    assert everything == sorted(left, key=nearness.get, reverse=True)
    several = halves.search([f"without {count}", "text 7", "without 2"], limit=300)
    assert [len(hits) for hits in several] == [len(left), 300, 298]


def test_a_liked_text_leaves_out_what_a_query_would(halves):
    assert not {"k0", "k1", "k2"} & set(keys(halves.search(like=["without 3"], limit=300)))
    assert {"k0", "k1"} < set(keys(halves.search("text 7", unlike=["without 3"], limit=300)))


def test_excluded_keys_and_a_filter_are_both_obeyed(workshop):
    workshop.manager.register(Plugin(), "halves")
    workshop.write(ROWS)
    solution = workshop.solution(encoder="{type: halves}", extra="fields: {year: int64}")
    solution.ingest()
    found = solution.search("without 200", limit=300, filter="year == 2003 or year == 2004")
    assert sorted(keys(found)) == sorted(key for key, _, year in ROWS[200:] if year in (2003, 2004))


@pytest.mark.parametrize("count", [5, 200])
def test_a_search_for_words_leaves_out_what_an_encoder_excludes(lite, count):
    lite.manager.register(Plugin(), "halves")
    lite.write(ROWS)
    solution = lite.solution(encoder="{type: halves}", extra="hybrid: true")
    solution.ingest()
    found = solution.search(f"text without {count}", limit=300)
    assert sorted(keys(found)) == sorted(key for key, _, _ in ROWS[count:])


# --- mistakes


def test_a_search_for_nothing_is_refused(lite):
    lite.write(ROWS[:10])
    solution = lite.solution()
    solution.ingest()
    for options in ({}, {"unlike": ["@k1"]}, {"like": []}):
        with pytest.raises(VicinalError) as error:
            solution.search(**options)
        assert (str(error.value), error.value.hint) == (
            "there is nothing to search for", "give a query, or an example to be like",
        )  # fmt: skip


def test_an_example_that_fails_is_named(lite):
    lite.write(ROWS[:10])
    solution = lite.solution()
    solution.ingest()
    with pytest.raises(UnknownItemError, match="no item has the key 'nobody'") as unknown:
        solution.search("text 1", like=["@k1", "@nobody"])
    assert unknown.value.argument == "like.1"
    with pytest.raises(ItemError) as unreadable:
        solution.search(["text 1", "text 2"], like=["@k1"], unlike=["a bad text"])
    assert (str(unreadable.value), unreadable.value.argument) == ("a bad text: the text says bad", "unlike.0")
    requests = [SearchRequest("text 1"), SearchRequest(like=("@nobody",)), SearchRequest(like=("@k1", "@nobody"))]
    first, *others = solution.search_many(requests)
    assert len(first) == 10
    assert [other.argument for other in others] == ["like.0", "like.1"]


@pytest.mark.parametrize("metric", ["COSINE", "IP"])
def test_examples_that_cancel_each_other_out_are_refused(lite, monkeypatch, metric):
    lite.write(ROWS[:10])
    solution = lite.solution(encoder=f"{{type: lengths, metric: {metric}}}")
    solution.ingest()
    monkeypatch.setattr(Hashed, "combine_examples", lambda self, liked, unliked: liked[0] - unliked[0])
    with pytest.raises(ItemError, match="the examples cancel each other out"):
        solution.search(like=["@k1"], unlike=["text 1"])
    monkeypatch.setattr(Hashed, "combine_examples", lambda self, liked, unliked: liked[0] * 1e-7)
    with pytest.raises(ItemError, match="the examples cancel each other out"):
        solution.search(like=["@k1"], unlike=["text 1"])
    monkeypatch.setattr(Hashed, "combine_examples", lambda self, liked, unliked: liked[0] * 1e-5)
    assert len(solution.search(like=["@k1"], unlike=["text 2"])) == 9


def test_the_point_zero_is_between_two_examples_where_distances_count(lite, monkeypatch):
    lite.write(ROWS[:10])
    solution = lite.solution(encoder="{type: lengths, metric: L2}", extra="index: {type: FLAT}")
    solution.ingest()
    monkeypatch.setattr(Hashed, "combine_examples", lambda self, liked, unliked: liked[0] - unliked[0])
    lengths = np.linalg.norm(solution.encoder.encode(TEXTS[:10]), axis=1)
    found = solution.search(like=["@k1"], unlike=["text 1"])
    assert keys(found) == [f"k{number}" for number in np.argsort(lengths) if number != 1]


def test_what_an_encoder_makes_of_examples_is_checked(lite, monkeypatch):
    lite.write(ROWS[:10])
    solution = lite.solution()
    solution.ingest()
    monkeypatch.setattr(Hashed, "combine_examples", lambda self, liked, unliked: liked[0] * np.nan)
    with pytest.raises(ItemError, match="encoder Hashed returned NaN or infinity"):
        solution.search(like=["@k1"])
    monkeypatch.setattr(Hashed, "combine_examples", lambda self, liked, unliked: liked)
    with pytest.raises(PluginError, match="encoder Hashed: combine_examples returned"):
        solution.search(like=["@k1"])


def test_an_error_of_combining_names_the_example_or_all_of_them(lite, monkeypatch):
    lite.write(ROWS[:10])
    solution = lite.solution()
    solution.ingest()

    def refuse(argument):
        def combine(self, liked, unliked):
            error = ItemError("this does not go with the others")
            error.argument = argument
            raise error

        monkeypatch.setattr(Hashed, "combine_examples", combine)
        with pytest.raises(ItemError) as found:
            solution.search("text 1", like=["@k2"], unlike=["@k3", "text 4"])
        return str(found.value), found.value.argument

    assert refuse("unlike.1") == ("text 4: this does not go with the others", "unlike.1")
    assert refuse("like.0") == ("@k2: this does not go with the others", "like.0")
    assert refuse("") == refuse("unlike.7") == ("this does not go with the others", "examples")


def test_an_example_is_encoded_once_for_all_requests(lite, monkeypatch):
    lite.write(ROWS[:10])
    solution = lite.solution()
    solution.ingest()
    encoded = []
    encode = Hashed.encode
    monkeypatch.setattr(Hashed, "encode", lambda self, samples: encoded.append(list(samples)) or encode(self, samples))
    solution.search(["text 1", "text 2"], like=["one", "two"], unlike=["one"])
    assert encoded == [["text 1", "one", "two", "text 2"]]


def test_words_are_searched_for_beside_examples(lite):
    lite.write(ROWS)
    solution = lite.solution(extra="hybrid: true")
    solution.ingest()
    assert keys(solution.search("text 7", limit=3, like=["@k8"]))[0] == "k7"
    assert "k8" not in keys(solution.search("text 7", limit=300, like=["@k8"]))
    plain = encode_texts(TEXTS)
    near = plain @ rocchio(plain[7:9], [])
    expected = [f"k{number}" for number in np.argsort(-near) if number not in (7, 8)]
    assert keys(solution.search(like=["@k7", "@k8"], limit=5)) == expected[:5]
