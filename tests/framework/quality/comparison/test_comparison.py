"""Comparing solutions: the same figures as an evaluation of each, tests of the differences, verdicts, odd cases."""

import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vicinal import VicinalError, compare, evaluate
from vicinal.errors import DependencyError, NothingIndexedError, StoreMismatchError
from vicinal.quality.comparison.comparison import name_solutions
from vicinal.quality.estimates import compute_sign_flip_p

pytestmark = pytest.mark.long_on_server

WORDS = ("apple", "lemon", "cherry", "walnut", "grape", "quince")
LABELLED = [(f"k{number}", f"{WORDS[number % 6]} {number}", number % 6) for number in range(60)]
TABLE = "{{type: table, path: {}, key: key, content: text}}"


def make(workshop, name, encoder, rows=LABELLED, extra=""):
    """An indexed solution of these rows, of a key, a text and a year."""
    workshop.write(rows, f"{name}.csv")
    solution = workshop.solution(name, encoder=encoder, source=TABLE.format(f"{name}.csv"), extra=extra)
    solution.ingest()
    return solution


def make_random(workshop):
    """Nothing is near to anything."""
    return make(workshop, "random", "{type: hashed}")


def make_letters(workshop):
    """Texts of the same word are near to each other; 256 bits, half as many bytes as sixteen floats have."""
    return make(workshop, "letters", "{type: letters}")


@pytest.fixture
def random(lite):
    return make_random(lite)


@pytest.fixture
def letters(lite):
    return make_letters(lite)


def test_figures_are_those_of_an_evaluation_of_each(workshop):
    random, letters = make_random(workshop), make_letters(workshop)
    path = workshop.folder / "table.parquet"
    compared = compare([random, letters], labels="year", measures=["mAP@10", "P@1"], per_query=path)
    for one, solution in zip(compared.solutions, (random, letters), strict=True):
        alone = evaluate(solution, labels="year", measures=["mAP@10", "P@1"])
        for name, estimate in alone.metrics.items():
            assert one.metrics[name].value == pytest.approx(estimate.value)
        assert (one.name, one.items, one.index.recall) == (solution.name, 60, alone.index.recall)
    assert (compared.queries, compared.items, compared.labels, compared.skipped) == (60, 60, 6, 0)
    assert compared.chance == pytest.approx(9 / 59)
    assert compared.warnings == []

    table = pq.read_table(path).to_pylist()
    values = {(row["solution"], row["query"]): row["mAP@10"] for row in table}
    differences = np.array([values["letters", key] - values["random", key] for key, *_ in LABELLED])
    pair = compared.pairs[0]
    assert (pair.first, pair.second, len(compared.pairs), len(table)) == ("random", "letters", 1, 120)
    assert pair.difference.value == pytest.approx(differences.mean())
    assert pair.p == pair.adjusted_p == pytest.approx(compute_sign_flip_p(differences), abs=2e-4)
    found = {(row["solution"], row["query"]): set(row["found"]) for row in table}
    shares = [len(found["letters", key] & found["random", key]) / 10 for key, *_ in LABELLED]
    assert pair.overlap.value == pytest.approx(np.mean(shares))


def test_the_better_one_is_named_with_its_figures_and_its_size(random, letters):
    compared = compare([random, letters], labels="year", speed=False)
    values = [f"{one.metrics['mAP@10'].value:.2f}" for one in compared.solutions]
    assert compared.verdict == (
        f"letters is better: mAP@10 {values[1]} against {values[0]} (p = 0.0001), and its vectors are half the size"
    )
    assert [one.size.bytes_per_item for one in compared.solutions] == [64, 32]
    assert compare([letters, random], labels="year", speed=False).verdict == compared.verdict


class TestOneSolutionTwice:
    def test_nothing_differs(self, letters):
        compared = compare([letters, letters], labels="year")
        assert compared.verdict.startswith("no difference: both find the same for each of 60 queries")
        assert [one.name for one in compared.solutions] == ["letters (1)", "letters (2)"]
        pair = compared.pairs[0]
        assert (pair.p, pair.difference.value, pair.overlap.value, pair.equal) == (1.0, 0.0, 1.0, 60)

    def test_two_objects_of_one_collection(self, workshop):
        """An embedded Milvus is open in one of them at a time."""
        letters = make_letters(workshop)
        other = workshop.solution("letters", encoder="{type: letters}", source=TABLE.format("letters.csv"))
        compared = compare([letters, other], labels="year", names=["old", "new"])
        assert compared.verdict.startswith("no difference: both find the same for each of 60 queries")
        assert [one.speed.queries for one in compared.solutions] == [60, 60]
        assert [one.index.recall.value for one in compared.solutions] == [1.0, 1.0]


def test_two_ways_of_searching_one_collection(lite):
    """An index of 16 cells, of which one is looked at, or all of them."""
    rows = [(f"k{number}", f"text {number}", number % 5) for number in range(2_000)]
    index = "index: {{type: IVF_FLAT, params: {{nlist: 16}}, search: {{nprobe: {}}}}}"
    one = make(lite, "things", "{type: hashed}", rows, index.format(1))
    every = lite.solution("things", source=TABLE.format("things.csv"), extra=index.format(16))
    compared = compare([one, every], labels="year", sample=50, names=["one cell", "16 cells"])
    recalls = [solution.index.recall.value for solution in compared.solutions]
    assert recalls[0] < 0.6
    assert recalls[1] == 1.0
    assert compared.verdict.startswith("no difference that 50 queries could show: mAP@10 0.0")


class TestCommonItems:
    def test_what_not_all_have_is_left_out(self, lite):
        """The figures are those of solutions that have indexed the common items alone."""
        common = LABELLED[10:50]
        more = [(f"x{number}", f"{WORDS[number % 6]} {number}", number % 6) for number in range(200)]
        first = make(lite, "first", "{type: letters}", LABELLED[:50])
        second = make(lite, "second", "{type: hashed}", LABELLED[10:] + more)
        expected = [
            evaluate(make(lite, f"only-{kind}", f"{{type: {kind}}}", common), labels="year", index_recall=False)
            for kind in ("letters", "hashed")
        ]
        compared = compare([first, second], labels="year", speed=False, index_recall=False)
        assert (compared.queries, compared.items) == (40, 40)
        assert [one.items for one in compared.solutions] == [50, 250]
        for one, alone in zip(compared.solutions, expected, strict=True):
            for name, estimate in alone.metrics.items():
                assert one.metrics[name].value == pytest.approx(estimate.value)
        assert compared.warnings == [
            "10 of 50 items of first are not in each solution, and left out",
            "210 of 250 items of second are not in each solution, and left out",
        ]

    def test_nothing_in_common(self, lite):
        first = make(lite, "first", "{type: letters}", LABELLED[:20])
        second = make(lite, "second", "{type: letters}", LABELLED[20:])
        with pytest.raises(VicinalError, match="the solutions have no item in common, by its key") as error:
            compare([first, second], labels="year")
        assert error.value.hint == "items are the same where their keys are: index the same source in each"

    def test_labels_are_those_of_common_items(self, lite):
        first = make(lite, "first", "{type: letters}")
        second = make(lite, "second", "{type: letters}", LABELLED[::6])
        with pytest.raises(VicinalError, match="all 10 items with a label have the same one, year = '0'"):
            compare([first, second], labels="year")
        with pytest.raises(VicinalError, match=r"no item has metadata 'yaer' \(did you mean 'year'\?\)"):
            compare([first, second], labels="yaer")

    def test_a_sample_is_the_same_for_one_seed(self, lite):
        first = make(lite, "first", "{type: letters}")

        def ask(seed):
            path = lite.folder / "table.csv"
            compare([first, first], labels="year", sample=20, seed=seed, per_query=path, speed=False)
            with path.open(newline="") as file:
                return [row["query"] for row in csv.DictReader(file)][:20]

        assert ask(1) == ask(1) != ask(2)
        assert len(set(ask(1))) == 20


class TestJudgments:
    def test_figures_are_those_of_an_evaluation_of_each(self, random, letters, lite):
        path = lite.folder / "pairs.csv"
        path.write_text("apple 6,k0\nlemon 7,k1\nlemon 7,k13\n@k2,k8\nbad,k3\n")
        compared = compare([random, letters], qrels=path, measures=["MRR@10"])
        for one, solution in zip(compared.solutions, (random, letters), strict=True):
            report = evaluate(solution, qrels=path)
            values = [query["id"] != "bad" for query in report.per_query.queries]
            expected = report.per_query.values["MRR@10"][values].mean()
            assert one.metrics["MRR@10"].value == pytest.approx(expected)
        assert (compared.queries, compared.skipped) == (3, 1)
        assert "query 'bad' was left out: the text says bad" in compared.warnings
        assert "3 queries are few: the intervals are rough, and too narrow" in compared.warnings

    def test_items_that_one_has_not_are_not_relevant(self, lite):
        first = make(lite, "first", "{type: letters}")
        second = make(lite, "second", "{type: letters}", LABELLED[:30])
        path = lite.folder / "pairs.csv"
        path.write_text("apple 0,k0\napple 0,k36\nlemon 1,k1\ncherry 50,k50\n")
        compared = compare([first, second], qrels=path, measures=["recall@1"], speed=False)
        assert [one.metrics["recall@1"].value for one in compared.solutions] == [1.0, 1.0]
        assert compared.warnings[:2] == [
            "2 of 4 items judged relevant are not indexed in each solution, and left out",
            "nothing else is relevant to 1 query, which was not asked",
        ]
        path.write_text("cherry 50,k50\n")
        with pytest.raises(VicinalError, match="none of the 1 items judged relevant is indexed in each solution"):
            compare([first, second], qrels=path)

    def test_one_query_is_too_few(self, lite):
        first = make(lite, "first", "{type: letters}")
        path = lite.folder / "pairs.csv"
        path.write_text("apple 0,k0\n")
        with pytest.raises(VicinalError, match="1 query is too few to say anything"):
            compare([first, first], qrels=path)


def test_without_labels_it_says_how_alike_the_answers_are(random, letters):
    compared = compare([random, letters], speed=False, index_recall=False)
    share = compared.pairs[0].overlap.value
    assert 0.05 < share < 0.4
    assert compared.verdict == (
        "without labels or judgments nothing says which is better: of the first 10 hits,"
        f" random and letters share {share:.0%}"
    )
    assert compared.to_dict()["measure"] is None


class TestSpeed:
    def test_one_that_sleeps_is_slower(self, lite):
        """It sleeps 20 ms a batch of four texts, and 20 ms at each query."""
        quick = make(lite, "quick", "{type: hashed}")
        slow = make(lite, "slow", "{type: hashed, pause: 0.02, batch_size: 4, salt: s}")
        first, second = (one.speed for one in compare([quick, slow], labels="year").solutions)
        assert (first.queries, second.queries, second.items) == (60, 60, 56)
        assert second.encode_ms >= 20
        assert first.encode_ms < second.encode_ms
        assert second.items_per_second <= 200
        assert second.items_per_second < first.items_per_second
        assert 0 < first.search_ms <= first.search_ms_p95


class TestOddInput:
    """Nothing is told where nothing can be, and no figure is made of what is no number."""

    def test_items_that_are_all_alike(self, lite):
        """Every hit is as near as every other: the index loses nothing, and nothing differs."""
        same = make(lite, "same", "{type: letters}", [(f"k{number}", "apple", number % 2) for number in range(12)])
        report = evaluate(same, labels="year", measures=["P@1"])
        assert 0 <= report.metrics["P@1"].value <= 1
        assert report.index.recall.value == 1.0
        compared = compare([same, same], labels="year", speed=False)
        assert compared.verdict == "no difference: both find the same for each of 12 queries"

    def test_labels_that_are_no_numbers(self, lite):
        """NaN in a column of numbers is no label: such items are no queries, and count as wrong."""
        years = [float("nan") if number % 3 == 0 else float(number % 2) for number in range(24)]
        table = {"key": [f"k{n}" for n in range(24)], "text": [f"apple {n}" for n in range(24)], "year": years}
        pq.write_table(pa.table(table), lite.folder / "items.parquet")
        solution = lite.solution(encoder="{type: letters}", source=TABLE.format("items.parquet"))
        solution.ingest()
        compared = compare([solution, solution], labels="year", speed=False)
        assert (compared.queries, compared.labels) == (16, 2)
        assert compared.warnings[0] == "8 items have no year, and count as not relevant where they are found"
        for name, estimate in evaluate(solution, labels="year", index_recall=False).metrics.items():
            assert compared.solutions[0].metrics[name].value == pytest.approx(estimate.value)

    def test_what_cannot_be_computed_is_known_before_the_work(self, lite, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "ir_measures", None)
        with pytest.raises(DependencyError, match="evaluate needs ir-measures"):
            compare([lite.solution()] * 2, labels="year")


class TestMoreThanTwo:
    @pytest.fixture
    def third(self, lite):
        return make(lite, "salted", "{type: hashed, salt: s}")

    def test_all_pairs_are_tested_and_corrected(self, random, letters, third):
        compared = compare([random, letters, third], labels="year", speed=False)
        assert [(pair.first, pair.second) for pair in compared.pairs] == [
            ("random", "letters"), ("random", "salted"), ("letters", "salted"),
        ]  # fmt: skip
        ps = [pair.p for pair in compared.pairs]
        assert ps[0] == ps[2] == pytest.approx(1 / 10_001)
        assert [pair.adjusted_p for pair in compared.pairs] == pytest.approx([3 * ps[0], ps[1], 3 * ps[0]])
        best, low, other = (compared.solutions[number].metrics["mAP@10"].value for number in (1, 0, 2))
        figures = {"random": low, "salted": other}
        worse = " and ".join(
            f"{name} ({figures[name]:.2f})" for name in sorted(figures, key=lambda name: -figures[name])
        )
        assert compared.verdict == f"letters is best: mAP@10 {best:.2f}, against {worse}, p ≤ 0.0003 by Holm"


class TestMistakes:
    def test_nothing_is_indexed_in_one(self, lite):
        first = make(lite, "first", "{type: letters}")
        with pytest.raises(NothingIndexedError, match="nothing is indexed in 'things' yet") as error:
            compare([first, lite.solution()], labels="year")
        assert error.value.hint == "run `vicinal ingest` with each YAML file first"

    def test_a_copy_with_another_encoder_and_the_same_name(self, lite):
        first = make(lite, "first", "{type: hashed}")
        copy = lite.solution("first", encoder="{type: hashed, salt: s}", source=TABLE.format("first.csv"))
        with pytest.raises(StoreMismatchError, match=r"^'first \(2\)' and 'first \(1\)' are called 'first'") as error:
            compare([first, copy], labels="year")
        assert error.value.hint == "give one of them another `name`, and run `vicinal ingest` with it"

    def test_arguments_that_do_not_go_together(self, lite):
        solution = lite.solution()
        for given, message in (
            ({"solutions": [solution]}, "a comparison takes two solutions or more"),
            ({"labels": "a", "qrels": "b"}, "labels and qrels exclude each other"),
            ({"queries": "b"}, "queries needs qrels"),
            ({"measures": ["P@1"]}, "measures need labels or qrels"),
            ({"labels": "a", "sample": 1}, "sample is 1"),
            ({"labels": "a", "seed": -1}, "seed is -1"),
            ({"labels": "a", "names": ["x"]}, "there are 1 names for 2 solutions"),
            ({"labels": "a", "measures": ["Q@1"]}, "there is no measure 'Q@1'"),
            ({"labels": "a", "per_query": lite.folder / "no" / "a.csv"}, "cannot write"),
        ):
            with pytest.raises(VicinalError, match=message):
                compare(**{"solutions": [solution, solution], **given})


def test_names_tell_solutions_apart():
    assert name_solutions(["a", "b"]) == ["a", "b"]
    assert name_solutions(["a", "b", "a"]) == ["a (1)", "b", "a (2)"]
    assert name_solutions(["a", "a", "a (1)"]) == ["a (2)", "a (3)", "a (1)"]
