"""Evaluating searches by labels and by judgments: figures equal to what is computed from the vectors directly."""

import csv
import math

import numpy as np
import pyarrow.parquet as pq
import pytest

from search_helpers import ROWS, encode_texts
from vicinal import VicinalError, evaluate
from vicinal.errors import DependencyError, NothingIndexedError

pytestmark = pytest.mark.long_on_server

NAMES = ["P@1", "P@10", "recall@10", "mAP@10", "MRR@10", "nDCG@10"]


def write_labelled(workshop, labels, name="items.csv"):
    """Thirty texts, with these labels in turn."""
    lines = ["key,text,label", *(f"k{number},text {number},{labels[number % len(labels)]}" for number in range(30))]
    (workshop.folder / name).write_text("\n".join(lines) + "\n")


def rank_others(texts):
    """For each text the numbers of the others, most similar first."""
    vectors = encode_texts(texts)
    near = vectors @ vectors.T
    np.fill_diagonal(near, -np.inf)
    return np.argsort(-near, axis=1)[:, :-1]


def compute_figures(relevant, total):
    """P@1, P@10, recall@10, mAP@10, MRR@10 and nDCG@10 of one ranking, written out."""
    top = relevant[:10]
    precisions = [sum(top[: place + 1]) / (place + 1) for place in range(10) if top[place]]
    gains = sum(one / math.log2(place + 2) for place, one in enumerate(top))
    ideal = sum(1 / math.log2(place + 2) for place in range(min(total, 10)))
    first = next((1 / (place + 1) for place, one in enumerate(top) if one), 0)
    return [float(top[0]), sum(top) / 10, sum(top) / total, sum(precisions) / total, first, gains / ideal]


def test_figures_by_labels_equal_a_direct_computation(workshop):
    """Sixty texts in ten groups of six; every text is asked for."""
    workshop.write(ROWS[:60])
    solution = workshop.solution(extra="fields: {year: int64}")
    solution.ingest()
    years = np.array([year for _, _, year in ROWS[:60]])
    order = rank_others([text for _, text, _ in ROWS[:60]])
    expected = [compute_figures((years[row] == years[number]).tolist(), 5) for number, row in enumerate(order)]

    report = evaluate(solution, labels="year", per_query=workshop.folder / "table.parquet")
    assert list(report.metrics) == NAMES
    assert [one.value for one in report.metrics.values()] == pytest.approx(np.mean(expected, axis=0))
    assert all(one.low < one.value < one.high for one in report.metrics.values())
    assert (report.queries, report.items, report.labels, report.skipped) == (60, 60, 10, 0)
    assert report.chance == pytest.approx(5 / 59)
    assert report.warnings == []
    assert (report.index.recall.value, report.index.queries, report.index.rows) == (1.0, 60, 60)

    asked = {query["query"]: number for number, query in enumerate(report.per_query.queries)}
    for name, column in zip(NAMES, np.transpose(expected), strict=True):
        values = report.per_query.values[name]
        assert [values[asked[f"k{number}"]] for number in range(60)] == pytest.approx(column)

    table = {row["query"]: row for row in pq.read_table(workshop.folder / "table.parquet").to_pylist()}
    assert len(table) == 60
    for number in (0, 17, 59):
        row = table[f"k{number}"]
        assert [row[name] for name in NAMES] == pytest.approx(expected[number])
        assert (row["label"], row["relevant"]) == (str(years[number]), 5)
        assert row["found"] == [f"k{other}" for other in order[number][:10]]


def test_what_an_index_loses_equals_a_direct_computation(lite):
    """An index of 16 cells that looks at one of them; over so few rows a server would compare with all of them."""
    lite.write([(f"k{number}", f"text {number}", number % 5) for number in range(2_000)])
    index = "index: {type: IVF_FLAT, params: {nlist: 16}, search: {nprobe: 1}}\nfields: {year: int64}"
    solution = lite.solution(extra=index)
    solution.ingest()
    report = evaluate(solution, labels="year", sample=60, measures=["P@5"])
    order = rank_others([f"text {number}" for number in range(2_000)])

    keys = evaluated_keys(solution, lite)
    found = solution.search([f"@{key}" for key in keys], limit=5)
    shared = [
        len({hit.key for hit in hits} & {f"k{other}" for other in order[int(key[1:])][:5]}) / 5
        for key, hits in zip(keys, found, strict=True)
    ]
    assert report.index.recall.value == pytest.approx(np.mean(shared))
    assert 0.1 < report.index.recall.value < 0.9
    assert report.index.to_dict()["recall@5"]["value"] == pytest.approx(np.mean(shared), abs=1e-6)
    assert (report.index.index, report.index.queries, report.index.rows) == ("IVF_FLAT", 60, 2_000)


def evaluated_keys(solution, workshop):
    path = workshop.folder / "keys.csv"
    evaluate(solution, labels="year", sample=60, measures=["P@5"], per_query=path, index_recall=False)
    with path.open(newline="") as file:
        return [row["query"] for row in csv.DictReader(file)]


@pytest.mark.parametrize("encoder", ["words", "letters", "{type: hashed, metric: L2}", "{type: lengths, metric: IP}"])
def test_every_kind_of_vector_is_compared_exactly(workshop, encoder):
    """Segments, fingerprints, and each metric: an exact index returns all that an exact search finds."""
    write_labelled(workshop, ["a", "b", "c"])
    solution = workshop.solution(encoder=encoder if "{" in encoder else f"{{type: {encoder}}}")
    solution.ingest()
    report = evaluate(solution, labels="label", measures=["P@3"], sample=4)
    assert report.index.recall.value == 1.0
    assert report.index.rows == (60 if encoder == "words" else 30)
    assert report.metrics["P@3"].value > 0


def test_an_item_finds_its_twin_although_both_are_as_near(lite):
    """Ties at the last place count, whichever of them the index returns."""
    lite.write([(f"k{number}", "the same" if number < 20 else f"text {number}", number % 2) for number in range(60)])
    solution = lite.solution(extra="fields: {year: int64}")
    solution.ingest()
    report = evaluate(solution, labels="year", measures=["P@5"])
    assert report.index.recall.value == 1.0


def test_a_sample_is_the_same_for_one_seed(lite):
    lite.write(ROWS)
    solution = lite.solution(extra="fields: {year: int64}")
    solution.ingest()
    tables = []
    for seed in (0, 0, 1):
        path = lite.folder / "table.csv"
        report = evaluate(solution, labels="year", sample=40, seed=seed, per_query=path, index_recall=False)
        assert (report.queries, report.index) == (40, None)
        tables.append(path.read_text())
    assert tables[0] == tables[1] != tables[2]


@pytest.mark.parametrize("given", [{"seed": -1}, {"seed": 2**32}, {"sample": -1}, {"sample": 0}, {"sample": 1}])
def test_seeds_and_samples_out_of_range_are_errors(lite, given):
    write_labelled(lite, ["a", "b"])
    ((name, value),) = given.items()
    with pytest.raises(VicinalError, match=f"{name} is {value}"):
        evaluate(lite.solution(), labels="label", **given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"labels": "label", "qrels": "pairs.csv"}, "labels and qrels exclude each other: both say what is relevant"),
        ({"labels": "label", "queries": "q.csv"}, "queries needs qrels, which says what is relevant to them"),
        ({"queries": "q.csv"}, "queries needs qrels, which says what is relevant to them"),
        ({"labels": "label", "split": "time"}, "split and search are for the evaluation that an encoder brings"),
        ({"qrels": "pairs.csv", "search": True}, "split and search are for the evaluation that an encoder brings"),
    ],
)
def test_arguments_that_exclude_each_other(lite, given, message):
    write_labelled(lite, ["a", "b"])
    with pytest.raises(VicinalError) as error:
        evaluate(lite.solution(), **given)
    assert str(error.value) == message


class TestLabels:
    @pytest.fixture
    def solution(self, lite):
        lines = ["key,text,group,lone,same,empty"]
        lines += [f"k{number},text {number},g{number % 3},own {number},all," for number in range(12)]
        lines += ["k12,text 12,,own 12,all,", "k13,text 13,alone,own 13,all,"]
        (lite.folder / "items.csv").write_text("\n".join(lines) + "\n")
        solution = lite.solution()
        solution.ingest()
        return solution

    def test_items_without_a_label_and_labels_of_one_item_are_no_queries(self, solution):
        report = evaluate(solution, labels="group", measures=["P@1"])
        assert (report.queries, report.items, report.labels) == (12, 14, 4)
        assert report.chance == pytest.approx(3 / 13)
        assert report.warnings == [
            "1 item shares its label with no other, and was not asked",
            "1 item has no group, and counts as not relevant where it is found",
            "12 queries are few: the intervals are rough, and too narrow",
        ]

    @pytest.mark.parametrize(
        ("field", "message", "hint"),
        [
            ("groups", "no item has metadata 'groups' (did you mean 'group'?)", "known: empty, group, lone, same"),
            ("nothing", "no item has metadata 'nothing'", "known: empty, group, lone, same"),
            ("empty", "no item has a label: field 'empty' is empty in all 14 items", "name another one"),
            (
                "same",
                "all 14 items with a label have the same one, same = 'all': everything found is right",
                "a label has to tell items apart; name another field",
            ),
            (
                "lone",
                "no two items share a label: 'lone' has another value in each of 14 items",
                "a label says which items belong together; name another field",
            ),
        ],
    )
    def test_fields_that_tell_nothing(self, solution, field, message, hint):
        with pytest.raises(VicinalError) as error:
            evaluate(solution, labels=field)
        assert (str(error.value), error.value.hint) == (message, hint)

    def test_lists_are_no_labels(self, lite):
        rows = "".join(f'{{"key": "k{number}", "text": "t {number}", "tags": ["a", "b"]}}\n' for number in range(4))
        (lite.folder / "items.jsonl").write_text(rows)
        solution = lite.solution(source="{type: table, path: items.jsonl, key: key, content: text}")
        solution.ingest()
        with pytest.raises(VicinalError, match="field 'tags' holds a list of str, which is no label"):
            evaluate(solution, labels="tags")

    def test_nothing_is_indexed_yet(self, lite):
        write_labelled(lite, ["a"])
        with pytest.raises(NothingIndexedError, match="nothing is indexed in 'things' yet"):
            evaluate(lite.solution(), labels="label")

    def test_a_field_has_to_be_named(self, solution):
        with pytest.raises(VicinalError) as error:
            evaluate(solution)
        assert str(error.value) == "which items are relevant to which?"
        assert error.value.hint == (
            "--labels FIELD takes items of equal metadata for similar (empty, group, lone, same);"
            " --qrels FILE reads judgments; --self takes each item for its own"
        )

    def test_the_package_for_measures_may_be_missing(self, solution, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "ir_measures", None)
        with pytest.raises(DependencyError, match="evaluate needs ir-measures") as error:
            evaluate(solution, labels="group")
        assert error.value.hint == 'pip install "vicinal[evaluate]"'

    @pytest.mark.parametrize("name", ["no/table.csv", "no/table.parquet"])
    def test_a_table_that_cannot_be_written(self, solution, lite, name):
        with pytest.raises(VicinalError, match=rf"^cannot write \S+{name}: No such file or directory$") as error:
            evaluate(solution, labels="group", per_query=lite.folder / name)
        assert error.value.hint == "name a file in a folder that exists"

    def test_an_older_table_stays_where_the_evaluation_fails(self, solution, lite, monkeypatch):
        path = lite.folder / "table.csv"
        path.write_text("older")
        monkeypatch.setitem(__import__("sys").modules, "ir_measures", None)
        with pytest.raises(DependencyError):  # once the table is open
            evaluate(solution, labels="group", per_query=path)
        assert path.read_text() == "older"
        assert list(lite.folder.glob("*.part")) == []

    def test_a_table_of_another_kind_is_refused(self, solution, lite):
        with pytest.raises(VicinalError, match=r"table\.xlsx: a per-query table is \.parquet or \.csv"):
            evaluate(solution, labels="group", per_query=lite.folder / "table.xlsx")


class TestJudgments:
    @pytest.fixture
    def solution(self, lite):
        lite.write(ROWS)
        solution = lite.solution()
        solution.ingest()
        return solution

    def test_figures_by_judgments_equal_a_direct_computation(self, solution, lite):
        """Two queries by TREC's qrels, with relevance of more than 1 and one judged not relevant."""
        near = encode_texts(["text 7", "another"]) @ encode_texts([text for _, text, _ in ROWS]).T
        first, second = (np.argsort(-row) for row in near)
        lines = [f"q1 0 k{first[0]} 2", f"q1 0 k{first[3]} 1", f"q1 0 k{first[200]} 1", f"q2 0 k{second[1]} 1"]
        lines += [f"q2 0 k{second[0]} 0", f"q3 0 k{second[0]} 0"]
        (lite.folder / "qrels").write_text("\n".join(lines) + "\n")
        (lite.folder / "queries.tsv").write_text("q1\ttext 7\nq2\tanother\n")
        table = lite.folder / "table.csv"
        with pytest.raises(VicinalError, match="query 'q3' is not in"):
            evaluate(solution, qrels=lite.folder / "qrels", queries=lite.folder / "queries.tsv")
        (lite.folder / "queries.tsv").write_text("q1\ttext 7\nq2\tanother\nq3\tnothing is relevant to it\n")
        report = evaluate(solution, qrels=lite.folder / "qrels", queries=lite.folder / "queries.tsv", per_query=table)
        gain = 2 + 1 / math.log2(5)
        ideal = 2 + 1 / math.log2(3) + 1 / math.log2(4)
        assert {name: one.value for name, one in report.metrics.items()} == pytest.approx(
            {
                "P@1": 1 / 2,
                "P@10": (2 + 1) / 20,
                "recall@10": (2 / 3 + 1) / 2,
                "mAP@10": ((1 + 2 / 4) / 3 + 1 / 2) / 2,
                "MRR@10": (1 + 1 / 2) / 2,
                "nDCG@10": (gain / ideal + 1 / math.log2(3)) / 2,
            }
        )
        assert (report.queries, report.items, report.labels, report.chance) == (2, 300, None, None)
        with table.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [(row["id"], row["query"], row["relevant"]) for row in rows] == [
            ("q1", "text 7", "3"),
            ("q2", "another", "1"),
        ]

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("pairs.csv", "query,key\ntext 1,k1\ntext 2,k2\n"),
            ("pairs.csv", "text 1,k1\ntext 2,k2\n"),
            ("graded.tsv", "query-id\tcorpus-id\tscore\ntext 1\tk1\t2\ntext 2\tk2\t1\n"),
            ("bom.csv", "\ufeffquery,key\n\ntext 1,k1\ntext 2,k2\n"),
            ("twice.csv", "text 1,k1\ntext 2,k2\ntext 1,k1\ntext 1,k9,0\ntext 1,k9,-1\n"),
            ("high.csv", "text 1,k1,1000000\ntext 2,k2,1\n"),
        ],
    )
    def test_queries_may_stand_in_the_judgments_themselves(self, solution, lite, name, text):
        (lite.folder / name).write_text(text, encoding="utf-8")
        report = evaluate(solution, qrels=lite.folder / name, measures=["P@1", "recall@1"])
        assert [one.value for one in report.metrics.values()] == [1.0, 1.0]
        assert report.judged_by == str(lite.folder / name)

    def test_items_that_are_not_indexed_count_as_missed(self, solution, lite):
        (lite.folder / "pairs.csv").write_text("text 1,k1\ntext 1,gone\ntext 2,k2\n")
        report = evaluate(solution, qrels=lite.folder / "pairs.csv", measures=["recall@10"])
        assert report.metrics["recall@10"].value == pytest.approx((1 / 2 + 1) / 2)
        assert report.warnings[0] == "1 of 3 items judged relevant is not indexed; it counts as missed"

    def test_a_query_by_key_is_not_judged_by_its_own_item(self, solution, lite):
        """The figures are those of the other items; a text that is an item's own finds it, and so is judged by it."""
        path = lite.folder / "pairs.csv"
        near = rank_others([text for _, text, _ in ROWS])
        others = "".join(f"@k{number},k{near[number][0]}\n" for number in (1, 2))
        path.write_text(f"@k0,k0\n{others}@k1,k1\ntext 3,k3\n")
        report = evaluate(solution, qrels=path, measures=["P@1", "recall@1"])
        assert (report.queries, [one.value for one in report.metrics.values()]) == (3, [1.0, 1.0])
        assert report.warnings[:2] == [
            "2 queries have their own items judged relevant, which they never find; those were left out",
            "nothing else is relevant to 1 of them, which was not asked",
        ]
        path.write_text(f"{others}@k1,k1,2\n@k1,k0,0\n")
        report = evaluate(solution, qrels=path, measures=["nDCG@1"])
        assert (report.queries, report.metrics["nDCG@1"].value) == (2, 1.0)
        assert report.warnings[0] == (
            "1 query has its own item judged relevant, which it never finds; that judgment was left out"
        )
        path.write_text("@k0,k0\n@k1,k1\n")
        with pytest.raises(VicinalError, match="each query has only its own item judged relevant, '@k0' for one"):
            evaluate(solution, qrels=path)

    def test_queries_that_cannot_be_read_are_counted(self, solution, lite):
        (lite.folder / "pairs.csv").write_text("text 1,k1\nbad,k5\ntext 2,k2\n")
        report = evaluate(solution, qrels=lite.folder / "pairs.csv", measures=["P@1"])
        assert (report.queries, report.skipped, report.metrics["P@1"].value) == (2, 1, 1.0)
        assert report.warnings[0] == "query 'bad' was left out: the text says bad"

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("qrels", "q1 0 k1\n", "qrels:1: 3 columns"),
            ("pairs.csv", "a,b,c,d\n", "pairs.csv:1: 4 columns"),
            ("qrels", "q1 0 k1 much\n", "qrels:1: relevance 'much' is no whole number"),
            ("pairs.csv", "text 1,k1,1\ntext 2,k2,1000001\n", "pairs.csv:2: relevance is 1000001"),
            ("qrels", "q1 0 k1 99999999999999999999\n", "qrels:1: relevance is 99999999999999999999"),
            ("pairs.csv", "a,k1,2\na,k2,1\na,k1,0\n", "pairs.csv:3: 'k1' has relevance 0 for 'a', and 2 before"),
            ("qrels", "q1 0 k1 -1\nq1 0 k1 1\n", "qrels:2: 'k1' has relevance 1 for 'q1', and 0 before"),
            ("pairs.csv", "query,key\n", "pairs.csv has no query with a relevant item"),
            ("pairs.csv", "text 1,x1\ntext 2,x2\n", "none of the 2 items judged relevant is indexed, 'x1' for one"),
            ("pairs.csv", "text 1,k1\n", "1 query is too few to say anything"),
        ],
    )
    def test_judgments_that_cannot_be_used(self, solution, lite, name, text, message):
        (lite.folder / name).write_text(text)
        with pytest.raises(VicinalError) as error:
            evaluate(solution, qrels=lite.folder / name)
        assert message in str(error.value)

    def test_files_that_cannot_be_read(self, solution, lite):
        pairs = lite.folder / "pairs.csv"
        pairs.write_text("text 1,k1\ntext 2,k2\n")
        with pytest.raises(VicinalError, match=r"^cannot read \S+no\.csv: No such file or directory$"):
            evaluate(solution, qrels=lite.folder / "no.csv")
        with pytest.raises(VicinalError, match=rf"^cannot read {lite.folder}: Is a directory$"):
            evaluate(solution, qrels=lite.folder)
        with pytest.raises(VicinalError, match=r"^cannot read \S+no\.tsv: No such file or directory$"):
            evaluate(solution, qrels=pairs, queries=lite.folder / "no.tsv")

    def test_a_file_that_is_no_text(self, solution, lite):
        (lite.folder / "qrels").write_bytes(b"\xff\xfe\x00\x81")
        with pytest.raises(VicinalError, match="cannot be read"):
            evaluate(solution, qrels=lite.folder / "qrels")
