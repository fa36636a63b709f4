"""What a full ingest will take, from a sample of a solution's source."""

from __future__ import annotations

import json
import math

import pytest

from vicinal.bench.plan import make_plan
from vicinal.bench.plan_sample import sample_items
from vicinal.cli.app import main
from vicinal.errors import SourceError
from vicinal.solution.components import Components


@pytest.fixture
def solution(tmp_path, monkeypatch, manager):
    """A solution over a table of so many lines; every tenth is empty, which its encoder refuses."""
    monkeypatch.delenv("MILVUS_URI", raising=False)

    def make(count, extra="", encoder="letters"):
        rows = "".join(
            f"k{number},{'' if number % 10 == 9 else 'word' * (number % 7 + 1)}\n" for number in range(count)
        )
        (tmp_path / "a.csv").write_text("key,text\n" + rows)
        path = tmp_path / "a.yaml"
        path.write_text(
            "name: planned\nsource: {type: table, path: a.csv, key: key, content: text}\n"
            f"encoder: {{type: {encoder}}}\n{extra}"
        )
        return Components.from_yaml(path, manager=manager)

    return make


def test_a_source_that_can_be_read_to_its_end_is_counted(solution):
    plan = make_plan(solution(500), sample=100)
    assert plan.is_counted
    assert (plan.items.low, plan.items.value, plan.items.high) == (500, 500, 500)
    assert plan.sampled == 100
    assert plan.rows.low <= 450 <= plan.rows.high
    assert plan.failures
    assert 0 < plan.seconds.low < plan.seconds.value < plan.seconds.high
    assert plan.index["type"] == "BIN_FLAT"
    assert plan.engine.startswith("Milvus Lite 3.2")


def test_the_index_is_that_of_all_rows_and_not_of_the_sample(solution):
    assert make_plan(solution(8_000, encoder="words"), sample=20).index["type"] == "HNSW_SQ"


def test_nothing_is_written(solution, tmp_path):
    make_plan(solution(50))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.yaml"]


def test_a_long_source_is_estimated(solution):
    drawn = sample_items(solution(5_000).source, 50, seconds=0.0)
    assert (drawn.is_complete, drawn.seen, len(drawn.items)) == (False, 1, 1)


def test_the_sample_is_drawn_from_all_items(solution):
    drawn = sample_items(solution(2_000).source, 200, seed=3)
    numbers = [int(item.key[1:]) for item in drawn.items]
    assert len(set(numbers)) == 200
    assert 850 < sum(numbers) / 200 < 1150
    assert math.isclose(drawn.record_bytes, 45, rel_tol=0.5)


def test_a_server_that_does_not_respond_is_a_note(solution):
    plan = make_plan(solution(50, "stores: {milvus: 'http://127.0.0.1:1'}\n"))
    assert "does not respond" in plan.notes[0]
    assert plan.engine == "Milvus 2.6.0"


def test_a_source_without_items_is_an_error(solution):
    with pytest.raises(SourceError, match="no items"):
        make_plan(solution(0))


def test_the_command_prints_a_table_or_json(capsys):
    assert main(["plan", "configs/molecule.yaml", "--sample", "20"]) == 0
    assert "BIN_FLAT" in capsys.readouterr().out
    assert main(["plan", "configs/molecule.yaml", "--sample", "20", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["items"] == {"value": 579, "low": 579, "high": 579}
    assert plan["redis"]["low"] < plan["redis"]["high"]
