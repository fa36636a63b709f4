"""Known-item search: how often disturbed items find their own, equal to what is computed directly, and what is said."""

import csv
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import disturbed_encoders
from disturbed_encoders import SHORTENED, Bag
from vicinal import VicinalError, evaluate
from vicinal.errors import NothingIndexedError, PluginError
from vicinal.plugin.disturbance_calls import make_generator

pytestmark = pytest.mark.long_on_server

WORDS = ["red", "green", "blue", "one", "two", "three", "north", "south", "east", "west", "sun", "moon"]
TEXTS = [" ".join(words) for words in combinations(WORDS, 3)][::2]
KEYS = [f"k{number}" for number in range(len(TEXTS))]


@pytest.fixture
def manager(manager):
    manager.register(disturbed_encoders, "disturbed")
    return manager


def ingest(workshop, texts=TEXTS, encoder="{type: bag}", **given):
    workshop.write([(f"k{number}", text, 2000) for number, text in enumerate(texts)])
    solution = workshop.solution(encoder=encoder, **given)
    solution.ingest()
    return solution


def self_test(solution, *disturbances, **given):
    return evaluate(solution, self_test=True, disturbances=disturbances, **given)


def without_seconds(report):
    return {name: value for name, value in report.to_dict().items() if name != "seconds"}


def compute_ranks(texts, seed):
    """The rank at which each text is found by what is left of it, among the first ten; else 0."""
    left = [
        SHORTENED.apply(text, make_generator(seed, key, "shortened")) for key, text in zip(KEYS, texts, strict=True)
    ]
    encoder = Bag()
    queries, stored = (encoder.encode(one) for one in (left, texts))
    queries, stored = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (queries, stored))
    similarities = queries @ stored.T
    own = np.diag(similarities)[:, None]
    ranks = (similarities > own + 1e-5).sum(axis=1) + 1
    return np.where(ranks <= 10, ranks, 0)


def test_figures_equal_a_direct_computation(workshop):
    solution = ingest(workshop)
    report = self_test(solution, "shortened", seed=3)
    ranks = compute_ranks(TEXTS, seed=3)
    result = report.disturbances["shortened"]
    expected = {"recall@1": np.mean(ranks == 1), "recall@10": np.mean(ranks > 0)}
    expected["MRR@10"] = np.mean([1 / rank if rank else 0 for rank in ranks])
    assert {name: one.value for name, one in result.metrics.items()} == pytest.approx(expected)
    assert 0.1 < expected["recall@1"] < 0.9
    assert all(one.low <= one.value <= one.high for one in result.metrics.values())
    assert (result.queries, report.sample, report.items, report.missing) == (len(TEXTS), len(TEXTS), len(TEXTS), 0)
    assert report.disturbances["unchanged"].metrics["recall@1"].value == 1.0


def test_a_report_is_the_same_for_one_seed(lite):
    solution = ingest(lite)
    first = self_test(solution, sample=40)
    assert without_seconds(self_test(solution, sample=40)) == without_seconds(first)
    assert without_seconds(self_test(solution, sample=40, seed=1)) != without_seconds(first)
    assert (first.sample, first.disturbances["shouted"].queries) == (40, 40)
    alone = self_test(solution, "shortened", sample=40)
    assert alone.disturbances["shortened"] == first.disturbances["shortened"]


def test_the_object_and_the_table_of_each_query(lite):
    path = lite.folder / "table.csv"
    report = self_test(ingest(lite), "shouted", sample=30, per_query=path).to_dict()
    assert list(report) == [
        "solution", "disturbances", "sample", "items", "missing", "near_duplicates", "seconds", "warnings",
    ]  # fmt: skip
    assert list(report["disturbances"]) == ["unchanged", "shouted"]
    shouted = report["disturbances"]["shouted"]
    assert set(shouted["recall@1"]) == {"value", "low", "high"}
    assert (shouted["label"], shouted["queries"]) == ("shouted texts", 30)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["disturbance", "query", "relevant", "recall@1", "recall@10", "MRR@10", "found"]
    assert [row["disturbance"] for row in rows] == ["unchanged"] * 30 + ["shouted"] * 30
    mean = np.mean([float(row["MRR@10"]) for row in rows[30:]])
    assert mean == pytest.approx(shouted["MRR@10"]["value"], abs=1e-6)


def test_what_is_found_too_seldom_is_a_warning_that_says_what_to_do(lite):
    report = self_test(ingest(lite), "shouted")
    share = report.disturbances["shouted"].found
    assert share < 0.5
    assert f"shouted texts are found in {int(100 * share + 0.5)}%: speak low" in report.warnings


def test_an_item_that_a_disturbance_does_not_change_is_not_asked(lite):
    report = self_test(ingest(lite, [*TEXTS, "alone"]), "shortened")
    result = report.disturbances["shortened"]
    assert (result.queries, result.unaffected) == (len(TEXTS), 1)


def test_a_disturbance_that_changes_nothing_has_no_figures(lite):
    report = self_test(ingest(lite, WORDS), "shortened")
    assert list(report.disturbances) == ["unchanged"]
    assert "shortened: not measured, since it changes none of these items" in report.warnings


@pytest.mark.parametrize(
    "encoder", ["{type: bag}", "{type: bag, metric: L2}", "{type: bag, metric: IP}", "{type: heard}", "{type: spelt}"]
)
def test_twins_explain_what_is_found_in_an_item_s_place(lite, encoder):
    """A text that is indexed twice: only one of them can be found first."""
    report = self_test(ingest(lite, [*TEXTS[:40], TEXTS[0]], encoder), "shortened")
    assert {frozenset((pair.key, pair.found)) for pair in report.near_duplicates} == {frozenset(("k0", "k40"))}
    assert report.near_duplicates[0].similarity == pytest.approx(1.0, abs=1e-5)
    unchanged = report.disturbances["unchanged"]
    if "IP" not in encoder:  # an inner product is larger still with a longer vector
        assert unchanged.metrics["recall@1"].value == pytest.approx(40 / 41)
        assert (unchanged.near_duplicates, unchanged.found) == (1, 1.0)
    keys = {"k0": "k40", "k40": "k0"}
    first = report.near_duplicates[0].key
    near = [warning for warning in report.warnings if "vicinal duplicates FILE" in warning]
    assert len(near) == 1
    assert near[0].startswith("1 item has a near-duplicate that is found in its place, ")
    assert f"{keys[first]!r} for {first!r}: see `vicinal duplicates FILE`" in near[0]


def test_all_segments_of_an_item_are_it(workshop):
    """A word less than the item has, and each word is a segment."""
    report = self_test(ingest(workshop, TEXTS[:40], "{type: heard}"), "shortened")
    assert report.disturbances["unchanged"].metrics["recall@1"].value == 1.0
    assert report.disturbances["shortened"].metrics["recall@10"].value > 0.5


def test_a_text_that_begins_as_a_key_is_a_text(lite):
    report = self_test(ingest(lite, ["@k1 is a text", "another one", "a third one"]), "shortened")
    assert report.missing == 0
    assert report.disturbances["unchanged"].metrics["recall@1"].value == 1.0


def test_an_encoder_that_makes_all_alike_is_a_warning(lite):
    """Its items are no near-duplicates: any two of them are as similar."""
    report = self_test(ingest(lite, encoder="{type: bag, alike: 100.0}"), "shouted")
    assert report.near_duplicates == []
    assert report.warnings[0] == "all texts are alike"
    assert report.warnings[1].startswith("two random items have a similarity of 1.000: ")
    assert report.warnings[2].startswith("shouted texts are found in ")


def test_what_cannot_be_disturbed_is_counted(lite):
    report = self_test(ingest(lite, ["a refused text", "a text with a defect", *TEXTS[:30]]), "stumbled")
    result = report.disturbances["stumbled"]
    assert (result.queries, result.refused) == (30, 2)
    [warning] = [warning for warning in report.warnings if warning.startswith("stumbled")]
    assert warning in (
        "stumbled: 2 queries were left out: 'k0' for one: it is refused",
        "stumbled: 2 queries were left out: 'k1' for one: ZeroDivisionError: a defect of the plugin",
    )


def test_a_set_up_at_fault_ends_it(lite):
    with pytest.raises(PluginError, match="nothing can be disturbed"):
        self_test(ingest(lite, ["misconfigured", "another"]), "stumbled")


def index_files(workshop, count):
    folder = workshop.folder / "files"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        (folder / f"{number}.bin").write_bytes(rng.integers(0, 8, 40, np.uint8).tobytes() + bytes([number]) * 20)
    solution = workshop.solution(encoder="{type: noisy}", source="{type: folder, path: files}")
    solution.ingest()
    return solution, folder


def test_files_are_disturbed_and_searched_with_as_files(workshop):
    solution, _ = index_files(workshop, 40)
    report = self_test(solution)
    assert {name: one.metrics["recall@1"].value for name, one in report.disturbances.items()} == {
        "unchanged": 1.0,
        "noisy": 1.0,
    }
    assert not list(Path(workshop.folder).rglob("vicinal-self-*"))


def test_files_that_are_gone_are_counted(lite):
    solution, folder = index_files(lite, 12)
    for number in range(4):
        (folder / f"{number}.bin").unlink()
    report = self_test(solution)
    assert (report.sample, report.missing, report.items) == (8, 4, 12)
    assert report.disturbances["noisy"].queries == 8
    [warning] = [warning for warning in report.warnings if "left out" in warning]
    assert warning.startswith("4 items were left out: ")
    assert ".bin; are the files where they were when they were indexed?" in warning
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(VicinalError, match="0 queries are too few to say anything") as caught:
        self_test(solution)
    assert "there is no file" in caught.value.hint


def test_a_file_that_changed_is_found_by_what_it_was(lite):
    solution, folder = index_files(lite, 30)
    (folder / "7.bin").write_bytes(bytes([200]) * 50)
    for other in range(8, 20):
        (folder / f"{other}.bin").write_bytes(bytes([other + 60]) * 50)
    report = self_test(solution)
    assert report.disturbances["unchanged"].found < 1.0
    assert any(
        one.startswith("unchanged items are found in ") and "run `vicinal ingest`" in one for one in report.warnings
    )


def test_mistakes(lite):
    solution = ingest(lite, TEXTS[:3])
    with pytest.raises(VicinalError, match="encoder 'bag' has no disturbance 'shortend'") as caught:
        self_test(solution, "shortend")
    assert caught.value.hint == "known: shortened, shouted, stumbled"
    with pytest.raises(VicinalError, match="self_test excludes labels"):
        evaluate(solution, self_test=True, labels="year")
    with pytest.raises(VicinalError, match="disturbances needs self_test"):
        evaluate(solution, labels="year", disturbances=["shouted"])
    with pytest.raises(VicinalError, match="sample is 1"):
        self_test(solution, sample=1)
    silent = lite.solution("silent", encoder="{type: hashed}")
    with pytest.raises(VicinalError, match="encoder 'hashed' does not say how its items may be disturbed"):
        self_test(silent)
    with pytest.raises(NothingIndexedError):
        self_test(lite.solution("empty", encoder="{type: bag}"))
