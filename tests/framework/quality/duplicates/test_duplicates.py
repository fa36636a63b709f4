"""Groups of near-equal items: which there are on each engine and by each metric, and which of each is kept."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from vicinal import VicinalError, find_duplicates
from vicinal.errors import NothingIndexedError
from vicinal.quality.duplicates import near_items, stored_vectors
from vicinal.quality.duplicates.disjoint_sets import DisjointSets
from vicinal.types import item_id

pytestmark = pytest.mark.long_on_server


def index(workshop, vectors, kind="numbers", metric="COSINE", extra="", values=None):
    """Index items k0, k1, … with these vectors; a list of vectors is an item of several segments."""
    rows = []
    for number, vector in enumerate(vectors):
        segments = vector if isinstance(vector, list) else [vector]
        text = "/".join(" ".join(f"{value:.9g}" for value in segment) for segment in segments)
        rows.append((f"k{number}", text, values[number] if values else 0))
    workshop.write(rows)
    encoder = f"{{type: {kind}, dimension: {len(segments[0])}, metric: {metric}}}"
    solution = workshop.solution(encoder=encoder, extra=extra)
    assert solution.ingest().failed == 0
    return solution


def list_groups(report):
    return sorted(sorted(item.key for item in group.items) for group in report.groups)


def list_kept(report):
    """The keys that are kept, and those that are kept in the place of others, with the similarity."""
    return [
        [item.key if item.keep else (item.key, item.duplicate_of, round(item.similarity, 3)) for item in group.items]
        for group in report.groups
    ]


def plant(count, pairs, dimension, seed=0):
    """Random vectors of length 1; the last ``pairs`` are near to the first ones, at a cosine of 0.96 to 1."""
    rng = np.random.default_rng(seed)
    vectors = scale(rng.standard_normal((count - pairs, dimension)))
    aside = rng.standard_normal((pairs, dimension))
    aside = scale(aside - (aside * vectors[:pairs]).sum(axis=1, keepdims=True) * vectors[:pairs])
    cosines = np.linspace(0.96, 1.0, pairs)[:, None]
    return np.concatenate([vectors, cosines * vectors[:pairs] + np.sqrt(1 - cosines**2) * aside])


def scale(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def compare_all(vectors, compute_similarities):
    """The groups that a comparison of all pairs gives at 0.95."""
    groups = {}
    for one, vector in enumerate(vectors):
        for other in (np.flatnonzero(compute_similarities(vector, vectors[one + 1 :]) >= 0.95) + one + 1).tolist():
            joined = groups.get(one, frozenset([one])) | groups.get(other, frozenset([other]))
            groups |= dict.fromkeys(joined, joined)
    return sorted(sorted(f"k{number}" for number in group) for group in set(groups.values()))


def compute_cosines(one, others):
    return others @ one


def angle(degrees):
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


# --- which groups there are


@pytest.mark.parametrize(("count", "exact"), [(5_000, True), (1_500, False)])
def test_all_planted_pairs_are_found_and_none_is_invented(lite, count, exact):
    vectors = plant(count, 100, 32)
    solution = index(lite, vectors, extra="" if exact else "index: {type: HNSW}")
    expected = compare_all(vectors, compute_cosines)
    assert len(expected) == 100
    report = find_duplicates(solution, 0.95, exact=exact)
    assert report.method == ("exact" if exact else "index")
    assert (report.items, report.rows, report.solution) == (count, count, "things")
    assert list_groups(report) == expected


@pytest.mark.parametrize("metric", ["COSINE", "IP", "L2"])
def test_each_metric_finds_what_a_comparison_of_all_finds_on_each_engine(workshop, metric):
    vectors = plant(200, 20, 8)
    solution = index(workshop, vectors, metric=metric)

    def compute_similarities(one, others):
        return 1 / (1 + np.square(others - one).sum(axis=1)) if metric == "L2" else others @ one

    expected = compare_all(vectors, compute_similarities)
    assert len(expected) >= 10
    for exact in (False, True):
        report = find_duplicates(solution, 0.95, exact=exact)
        assert list_groups(report) == expected
        assert report.metric == ("L2" if metric == "L2" else "COSINE")


def test_fingerprints_are_compared_by_tanimoto_on_each_engine(workshop):
    texts = [f"the quick brown fox number {number:03}" for number in range(0, 120, 7)] + ["entirely other words", "zz"]
    workshop.write([(f"k{number}", text, 0) for number, text in enumerate(texts)])
    solution = workshop.solution(encoder="{type: letters}")
    solution.ingest()
    bits = np.unpackbits(solution.encoder.encode(texts), axis=1).astype(float)

    def compute_tanimotos(one, others):
        common = others @ one
        return common / (one.sum() + others.sum(axis=1) - common)

    expected = compare_all(bits, compute_tanimotos)
    assert expected
    for exact in (False, True):
        assert list_groups(find_duplicates(solution, 0.95, exact=exact)) == expected


def test_equal_items_are_one_group_however_many_they_are_on_each_engine(workshop):
    """More than a search for one of them returns, so that these are compared with all items."""
    count = near_items.DEPTHS[-1] + 50
    vectors = [angle(10)] * count + [angle(90), angle(91)]
    solution = index(workshop, vectors)
    for exact in (False, True):
        report = find_duplicates(solution, 1.0, exact=exact)
        assert list_groups(report) == [sorted(f"k{number}" for number in range(count))]
        assert len(report.removable_keys) == count - 1
        assert min(item.similarity for item in report.removable) > 0.9999999


def test_a_chain_of_near_pairs_is_one_group_that_keeps_items_which_are_not_near_each_other(lite):
    """At 0.98, which is 11.5 degrees."""
    solution = index(lite, [angle(0), angle(10), angle(20), angle(30), angle(60)], values=[5, 6, 7, 8, 9])
    report = find_duplicates(solution, 0.98, keep="oldest", field="year")
    assert list_kept(report) == [["k0", ("k1", "k0", 0.985), "k2", ("k3", "k2", 0.985)]]


def test_under_ip_items_are_compared_by_cosine_whatever_their_lengths(lite):
    solution = index(lite, [angle(0), 0.5 * angle(1), 40 * angle(40), 0.1 * angle(80)], metric="IP")
    report = find_duplicates(solution, 0.95, exact=False)
    assert report.method == "exact"  # the index orders by length
    assert list_groups(report) == [["k0", "k1"]]


def test_items_of_segments_are_near_by_the_mean_of_the_best_matches_of_the_shorter_one(workshop):
    """A jingle that all share is not enough, an excerpt is."""
    jingle, *scenes = np.eye(8)
    film, excerpt = [jingle, scenes[0], scenes[1], scenes[2]], [scenes[2], scenes[1]]
    others = [[jingle, scenes[3], scenes[4]], [jingle, scenes[5]]]
    solution = index(workshop, [film, excerpt, *others, [scenes[6]], [jingle, scenes[0], scenes[6]]], "tracks")
    for exact in (False, True):
        report = find_duplicates(solution, 0.95, keep="longest", exact=exact)
        assert list_kept(report) == [["k0", ("k1", "k0", 1.0)], ["k5", ("k4", "k5", 1.0)]]
        assert [item.length for item in report.groups[0].items] == [4.0, 2.0]
        two_thirds = find_duplicates(solution, 0.66, keep="longest", exact=exact)
        assert list_kept(two_thirds) == [["k0", ("k5", "k0", 0.667), ("k1", "k0", 1.0), "k4"]]


def test_many_items_that_share_a_segment_are_not_near(lite):
    """Each has more neighbours at the shared segment than a search returns."""
    rng = np.random.default_rng(5)
    shared, count = np.eye(24)[0], near_items.DEPTHS[-1] + 20
    tracks = [[shared, *scale(rng.standard_normal((3, 24)))] for _ in range(count)]
    tracks.append(tracks[3][1:])
    solution = index(lite, tracks, "tracks")
    for exact in (False, True):
        report = find_duplicates(solution, 0.9, keep="longest", exact=exact)
        assert list_kept(report) == [["k3", (f"k{count}", "k3", 1.0)]]


def test_an_item_that_is_being_removed_is_in_no_group(lite):
    solution = index(lite, [angle(0), angle(1), angle(50), angle(51)])
    solution.metadata.delete([item_id("k1")])  # its row is still in Milvus
    assert list_groups(find_duplicates(solution, 0.95)) == [["k2", "k3"]]


# --- which of each is kept, and what is said of it


TEXTS = [("b.txt", "alpha beta"), ("a long name.txt", "alpha beta"), ("c.txt", "Alpha Beta, alpha"), ("d.txt", "zulu")]
"""Two that are equal, one that is longer, and one that is near to none."""


@pytest.fixture
def files(lite):
    """Text files, indexed by how often each letter occurs; the last written is the oldest."""
    (lite.folder / "texts").mkdir()
    for age, (name, text) in enumerate(TEXTS):
        path = lite.folder / "texts" / name
        path.write_text(text)
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    solution = lite.solution(source="{type: folder, path: texts}", encoder="{type: alphabet}")
    assert solution.ingest().new == 4
    return solution


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        ("largest", ["c.txt", ("b.txt", "c.txt", 0.98), ("a long name.txt", "c.txt", 0.98)]),
        ("oldest", ["c.txt", ("a long name.txt", "c.txt", 0.98), ("b.txt", "c.txt", 0.98)]),
    ],
)
def test_files_are_chosen_by_size_or_time_and_then_by_the_shorter_name(files, keep, expected):
    report = find_duplicates(files, 0.9, keep)
    assert list_kept(report) == [expected]


def test_a_report_says_what_could_be_removed(files, tmp_path):
    report = find_duplicates(files, 0.99)
    assert list_kept(report) == [["b.txt", ("a long name.txt", "b.txt", 1.0)]]
    assert (report.removable_keys, report.removable_bytes) == (["a long name.txt"], 10)
    found = report.to_dict()
    assert found.pop("seconds") > 0
    uri = (Path(files.folder) / "texts").as_uri()
    assert found == {
        "solution": "things", "similarity": 0.99, "metric": "COSINE", "method": "exact", "keep": "largest",
        "field": None, "items": 4, "rows": 4, "group_count": 1, "duplicates": 1, "duplicate_bytes": 10,
        "groups": [[
            {"key": "b.txt", "keep": True, "duplicate_of": None, "similarity": None, "bytes": 10, "length": None,
             "modified": "2023-11-14T22:13:20Z", "uri": f"{uri}/b.txt"},
            {"key": "a long name.txt", "keep": False, "duplicate_of": "b.txt", "similarity": 1.0, "bytes": 10,
             "length": None, "modified": "2023-11-14T22:13:19Z", "uri": f"{uri}/a%20long%20name.txt"},
        ]],
    }  # fmt: skip
    path = report.save(tmp_path / "found.csv")
    assert path.read_text().splitlines() == [
        "group,key,keep,duplicate_of,similarity,bytes,length,modified,uri",
        f"1,b.txt,yes,,,10,,2023-11-14T22:13:20Z,{uri}/b.txt",
        f"1,a long name.txt,no,b.txt,1.0,10,,2023-11-14T22:13:19Z,{uri}/a%20long%20name.txt",
    ]
    assert files.status()["items"] == 4


@pytest.mark.parametrize(("keep", "kept"), [("largest", "k2"), ("longest", "k2"), ("oldest", "k1")])
def test_a_field_decides_as_a_number_where_it_is_one(lite, keep, kept):
    solution = index(lite, [angle(0)] * 4, values=[200, 30, 1_000, ""])
    (group,) = find_duplicates(solution, 0.99, keep, field="year").groups
    assert group.items[0].key == kept
    assert group.items[-1].key == "k3"  # it has no value


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"similarity": 0.0}, "similarity is 0.0", "it is more than 0, and at most 1: 0.95, say"),
        ({"similarity": 1.1}, "similarity is 1.1", "it is more than 0, and at most 1: 0.95, say"),
        ({"similarity": float("nan")}, "similarity is nan", "it is more than 0, and at most 1: 0.95, say"),
        ({"keep": "best"}, "keep is 'best'", "it is one of largest, longest, oldest"),
        ({"field": "colour"}, "no item has a number or a text in the field 'colour'", "name another one"),
        ({"keep": "oldest"}, "no item of 'things' has a file", "name a field that it is chosen by"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_compared(lite, given, message, hint):
    solution = index(lite, [angle(0), angle(1)])
    with pytest.raises(VicinalError) as caught:
        find_duplicates(solution, progress=lambda _: pytest.fail("it compared"), **given)
    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_a_folder_of_temporary_files_that_is_too_small_is_named(lite, monkeypatch):
    solution = index(lite, [angle(0), angle(1)])
    monkeypatch.setattr(stored_vectors.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(VicinalError, match=r"all vectors take 0 MB on disk, and .+ has 0 MB"):
        find_duplicates(solution)


def test_nothing_is_indexed(lite):
    lite.write([])
    solution = lite.solution()
    with pytest.raises(NothingIndexedError, match="nothing is indexed in 'things' yet"):
        find_duplicates(solution)


def test_sets_join():
    sets = DisjointSets(7)
    for pair in ((0, 4), (5, 6), (4, 2), (6, 6)):
        sets.join(*pair)
    assert [members.tolist() for members in sets.iter_sets()] == [[0, 2, 4], [5, 6]]
    assert sets.find(3) == 3
    assert sets.find_all()[[0, 2, 4]].tolist() == [0, 0, 0]
