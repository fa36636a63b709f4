"""The latest report of a solution is kept in Redis, and says whether the collection has changed since."""

import pytest

from search_helpers import ROWS
from vicinal import evaluate, tune
from vicinal.errors import StoreError
from vicinal.quality.kept_reports import read_kept_reports
from vicinal.types import Item


@pytest.fixture
def solution(lite):
    lite.write(ROWS[:60])
    solution = lite.solution(extra="fields: {year: int64}")
    solution.ingest()
    return solution


def test_the_latest_report_is_kept(solution):
    assert read_kept_reports(solution) == {}
    evaluate(solution, labels="year", measures=["P@1"])
    report = evaluate(solution, labels="year", sample=30, index_recall=False)
    (kept,) = read_kept_reports(solution).values()
    assert kept["is_current"] is True
    assert kept["report"] == report.to_dict()
    assert kept["details"] == report.details.to_dict()
    assert kept["measured"].endswith("+00:00")


def test_a_tuning_is_kept_beside_it(solution):
    evaluate(solution, labels="year", index_recall=False)
    report = tune(solution, 0.9, types=["HNSW"], defaults_only=True)
    kept = read_kept_reports(solution)
    assert set(kept) == {"evaluation", "tuning"}
    assert kept["tuning"]["report"] == report.to_dict()
    assert kept["tuning"]["is_current"] is True
    assert kept["tuning"]["findings"] == [f"{report.chosen.describe()} was chosen: {report.reason}."]


def test_a_report_is_not_kept_where_that_is_not_wanted(solution):
    evaluate(solution, labels="year", index_recall=False, keep=False)
    assert read_kept_reports(solution) == {}


def test_a_report_is_outdated_once_an_item_changes(solution):
    evaluate(solution, labels="year", index_recall=False)
    assert read_kept_reports(solution)["evaluation"]["is_current"] is True
    solution.add(Item("k0", "other words", metadata={"year": 2000}))
    assert read_kept_reports(solution)["evaluation"]["is_current"] is False


def test_a_dropped_solution_has_no_report(solution):
    evaluate(solution, labels="year", index_recall=False)
    solution.drop()
    assert read_kept_reports(solution) == {}


def test_a_reindexed_solution_has_no_report_until_it_is_evaluated(solution):
    evaluate(solution, labels="year", index_recall=False)
    solution.reindex()
    assert read_kept_reports(solution) == {}


def test_a_redis_that_refuses_it_is_a_warning(solution, monkeypatch):
    """As that of a user who may only read."""
    connection = solution.metadata
    call = type(connection).call

    def refuse_writes(self, command, *arguments, **options):
        if command == "hset":
            raise StoreError("Redis: this user has no permissions to run the 'hset' command")
        return call(self, command, *arguments, **options)

    monkeypatch.setattr(type(connection), "call", refuse_writes)
    report = evaluate(solution, labels="year", index_recall=False)
    assert report.warnings == [
        "the report is not kept for the solution's page: Redis: this user has no permissions to run the 'hset' command"
    ]
