"""Tuning: the index that it chooses has the recall that was wanted, on queries that it never saw."""

import numpy as np
import pytest

from search_helpers import encode_texts
from vicinal import Solution, VicinalError, check_recall, tune
from vicinal.errors import FilterError, NothingIndexedError, StoreBusyError
from vicinal.quality.tuning.shadow import ShadowCollection
from vicinal.stores.writer_lock import TuneLock, WriterLock

pytestmark = pytest.mark.long_on_server

STORED = [f"text {number}" for number in range(5_000)]


def compute_recall(solution, texts, limit, filter="", stored=STORED):
    """The share of the nearest stored texts that searches find, by a comparison with all of them."""
    keys = {text: f"k{number}" for number, text in enumerate(stored)}
    allowed = [text for text in stored if not filter or int(text.split()[1]) % 10 == 3]
    near = np.argsort(-(encode_texts(texts) @ encode_texts(allowed).T), axis=1)[:, :limit]
    found = solution.search(list(texts), limit, filter)
    shared = [
        len({hit.key for hit in hits} & {keys[allowed[place]] for place in row}) / limit
        for hits, row in zip(found, near, strict=True)
    ]
    return float(np.mean(shared))


def apply(report, path, plugins):
    """Write the choice into a copy of the YAML, and build the index."""
    copy = path.with_name("applied.yaml")
    copy.write_text(path.read_text())
    report.write_yaml(copy)
    solution = Solution.from_yaml(copy, manager=plugins)
    solution.build_index()
    return solution


def test_the_choice_reaches_the_recall_on_queries_that_it_never_saw(solution, yaml_path, plugins):
    report = tune(solution, 0.9, limit=5, types=["IVF_FLAT"], clients=2)
    solution.close()

    assert report.chosen.status in ("confirmed", "exact")
    assert report.chosen.recall.low >= 0.9
    assert (report.kind, report.queries, report.rows) == ("held-out", 500, 5_000)
    assert report.metric == "COSINE"
    assert [point.status for point in report.frontier].count("exact") == 1
    with apply(report, yaml_path, plugins) as applied:
        built = applied.status()["index"]
        assert built["type"] == report.chosen.type
        assert built["params"] == report.chosen.params
        assert compute_recall(applied, [f"never seen {number}" for number in range(300)], 5) >= 0.88


class StopError(Exception):
    pass


@pytest.mark.parametrize("stop", [KeyboardInterrupt, StopError])
def test_the_copy_is_dropped_when_it_is_interrupted(solution, stop):
    def on_step(line):
        assert len(solution.vectors._client.list_collections()) == 2
        raise stop

    with pytest.raises(stop):
        tune(solution, 0.9, types=["IVF_FLAT"], on_step=on_step)

    assert solution.vectors._client.list_collections() == ["vicinal_things_v1"]


def test_only_one_tunes_at_a_time_while_others_write_and_nothing_of_it_stays(solution):
    """What a killed process left of a copy is replaced, too."""
    before = solution.status()
    left = ShadowCollection(solution).__enter__()
    left.add_rows([{"id": 1, "item": "k", "segment": 0, "year": 1, "vector": [1.0] * 16}])

    with TuneLock(solution.metadata), pytest.raises(StoreBusyError, match="'things' is being tuned by"):
        tune(solution)

    with WriterLock(solution.metadata):
        report = tune(solution, 0.5, types=["IVF_SQ8"], defaults_only=True)

    assert report.frontier[0].recall.value == 1.0
    assert solution.status() == before
    assert solution.vectors._client.list_collections() == ["vicinal_things_v1"]


@pytest.mark.long
def test_the_recall_holds_under_each_filter(solution, yaml_path, plugins):
    filter = "year == 2003"
    report = tune(solution, 0.9, limit=5, types=["IVF_FLAT"], filters=[filter], defaults_only=True)
    solution.close()

    assert report.filters == [filter]
    assert set(report.chosen.recalls) == {"", filter}
    assert all(recall.low >= 0.9 for recall in report.chosen.recalls.values())
    assert report.to_dict()["frontier"][0]["filters"][filter]["recall"]["value"] == 1.0
    with apply(report, yaml_path, plugins) as applied:
        assert compute_recall(applied, [f"unseen {number}" for number in range(300)], 5, filter) >= 0.88
        checked = check_recall(applied)
    assert set(checked.recalls) == {"", filter}


@pytest.mark.long
def test_queries_of_a_log_are_asked(solution, tmp_path):
    (tmp_path / "log.txt").write_text("".join(f"a question {number}\n\n" for number in range(600)))

    report = tune(solution, 0.5, types=["IVF_FLAT"], queries=tmp_path / "log.txt", defaults_only=True)

    assert (report.kind, report.queries) == ("log", 600)
    assert report.warnings == []


def test_few_rows_are_asked_without_themselves_and_compared_with_all(lite):
    """Of 300 rows nothing can be held out; a scan of so few is quick."""
    lite.write([(f"k{number}", f"text {number}", 2000) for number in range(300)])
    solution = lite.solution()
    solution.ingest()

    report = tune(solution, 0.95, types=["HNSW"], defaults_only=True)

    assert (report.kind, report.queries) == ("stored", 300)
    assert report.frontier[0].recall.value == 1.0
    assert any("indexed items" in warning for warning in report.warnings)
    assert any("300 queries" in warning for warning in report.warnings)
    if report.chosen.type == "FLAT":
        assert "comparing with every vector" in report.reason


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"recall": 1.0}, VicinalError, "recall is 1"),
        ({"recall": float("nan")}, VicinalError, "recall is nan"),
        ({"limit": 0}, VicinalError, "limit is 0"),
        ({"clients": 65}, VicinalError, "clients is 65"),
        ({"seed": -1}, VicinalError, "seed is -1"),
        ({"types": ["HNWS"]}, VicinalError, "builds no index 'HNWS'"),
        ({"types": ["IVF_PQ"]}, VicinalError, "Milvus Lite 3.2.2 builds no index 'IVF_PQ'"),
        ({"filters": ["yaer > 1"]}, FilterError, "yaer"),
        ({"filters": ["year > 3000"]}, VicinalError, "the filter 'year > 3000' lets no row through"),
    ],
)
def test_mistakes_are_named_before_the_work(solution, arguments, error, message):
    steps = []
    with pytest.raises(error, match=message):
        tune(solution, **arguments, on_step=steps.append)

    assert steps == []
    assert solution.vectors._client.list_collections() == ["vicinal_things_v1"]


def test_too_few_rows_cannot_be_measured(lite):
    lite.write([(f"k{number}", f"text {number}", 2000) for number in range(19)])
    solution = lite.solution()
    with pytest.raises(NothingIndexedError):
        tune(solution)
    solution.ingest()
    with pytest.raises(NothingIndexedError, match="has 19 rows, too few"):
        tune(solution)


def test_binary_vectors_are_tuned_and_an_index_that_is_not_in_use_is_seen(workshop):
    """Milvus Lite compares bits with every fingerprint; a server also has cells, but scans as few rows as these."""
    letters = np.random.default_rng(0).choice(list("abcdefghijklmnopqrstuvwxyz"), (600, 12))
    workshop.write([(f"k{number}", "".join(row), 2000 + number % 10) for number, row in enumerate(letters)])
    solution = workshop.solution(encoder="{type: letters}", extra="fields: {year: int64}")
    solution.ingest()

    report = tune(solution, 0.8, limit=5, filters=["year < 2005"], defaults_only=True)

    tried = {point.type: point for point in report.frontier}
    assert set(tried) == ({"BIN_FLAT"} if workshop.embedded else {"BIN_FLAT", "BIN_IVF_FLAT"})
    assert tried["BIN_FLAT"].recall.value == 1.0
    assert report.metric == "JACCARD"
    assert report.chosen is tried["BIN_FLAT"]
    if not workshop.embedded:
        assert tried["BIN_IVF_FLAT"].status == "unproven"
        assert tried["BIN_IVF_FLAT"].reason.startswith(("finds everything with the least effort", "no quicker"))
        assert report.warnings[-1] == "left out, since nothing proves that the index was used: BIN_IVF_FLAT"


def ingest_few_texts(workshop):
    workshop.write([(f"k{number}", f"text {number}", 2000) for number in range(1_200)])
    solution = workshop.solution()
    solution.ingest()
    return solution


@pytest.mark.long
def test_every_index_of_a_server_is_tried(workshop):
    """So few rows are scanned as quickly as an index answers: what is asked of each index is seen, not what wins."""
    if workshop.embedded:
        return
    solution = ingest_few_texts(workshop)

    report = tune(solution, 0.6, limit=5, defaults_only=True)

    assert {point.type for point in report.frontier} >= {"FLAT", "IVF_FLAT", "IVF_SQ8", "IVF_PQ", "HNSW", "SCANN"}
    assert report.frontier[0].recall.value == 1.0
    assert solution.vectors.find_collection("vicinal_things___tune") is None


@pytest.mark.long
def test_more_candidates_are_reordered_where_quantization_loses_too_much(workshop):
    if workshop.embedded:
        return
    solution = ingest_few_texts(workshop)

    report = tune(solution, 0.98, limit=5, types=["SCANN"], defaults_only=True)

    (point,) = [point for point in report.frontier if point.type == "SCANN" and point.status == "confirmed"]
    assert point.recall.low >= 0.98
    assert point.search["reorder_k"] in (80, 320), "with 20, a fixed number before, recall ends at 0.90"
