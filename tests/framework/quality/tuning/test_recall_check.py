"""Checking the recall again: what fell below the target, and what the collection has become."""

import pytest

from vicinal import Solution, check_recall
from vicinal.errors import NothingIndexedError

TUNED = "tuned: {{recall: 0.96, low: 0.951, target: {target}, limit: 5, rows: {rows}}}"


@pytest.fixture
def indexed(yaml_path, plugins):
    """The solution with an index that looks at so many of its cells."""

    def build(nprobe, target=0.95, rows=5_000, build=False):
        copy = yaml_path.with_name("indexed.yaml")
        tuned = TUNED.format(target=target, rows=rows)
        index = f"index: {{type: IVF_FLAT, params: {{nlist: 64}}, search: {{nprobe: {nprobe}}}, {tuned}}}\n"
        copy.write_text(yaml_path.read_text() + index)
        made = Solution.from_yaml(copy, manager=plugins)
        if build:
            made.build_index()
        return made

    return build


def test_a_recall_that_fell_grew_or_held(indexed):
    """The parameters of a search are the YAML's, without building anything."""
    with indexed(1, build=True) as solution:
        found = check_recall(solution)
    assert found.recall.high < 0.95
    assert found.has_fallen and not found.has_grown
    assert found.warnings == [f"recall@5 is {found.recall.value:.3f}, and 0.95 was wanted: run `vicinal tune`"]
    assert (found.kind, found.queries, found.rows, found.limit, found.index) == ("stored", 500, 5_000, 5, "IVF_FLAT")

    with indexed(64, rows=4_100) as solution:
        found = check_recall(solution)
    assert found.recall.value == 1.0
    assert found.has_grown and not found.has_fallen
    assert found.warnings == ["the collection grew by 22% since it was tuned: run `vicinal tune`"]

    with indexed(1, target=0.2) as solution:
        assert not check_recall(solution).has_fallen


def test_the_fingerprint_is_that_of_the_data(lite):
    """It does not depend on the order in which rows were written, and changes with any of them."""
    rows = [(f"k{number}", f"text {number}", 2000) for number in range(30)]
    lite.write(rows)
    first = lite.solution()
    first.ingest()
    before = check_recall(first).data
    lite.write(list(reversed(rows)), "other.csv")
    source = "{type: table, path: other.csv, key: key, content: text}"
    second = lite.solution("other", source=source)
    second.ingest()
    assert check_recall(second).data == before
    lite.write([*rows[:-1], ("k29", "another text", 2000)])
    first.ingest()
    assert check_recall(first).data != before


def test_nothing_indexed(lite):
    lite.write([("k0", "text", 2000)])
    solution = lite.solution()
    with pytest.raises(NothingIndexedError):
        check_recall(solution)
    solution.ingest()
    with pytest.raises(NothingIndexedError, match="one row"):
        check_recall(solution)
