"""The six solutions are complete in the same way: no cell of the table in docs/solutions.md is empty."""

from __future__ import annotations

import pytest
import yaml

from generator.solutions import CELLS, MISSING, ROOT, SOLUTIONS, SolutionKind, solutions_page

NAMES = [kind.name for kind in SOLUTIONS]


def test_there_are_six_and_ten_things_belong_to_each():
    assert NAMES == ["image", "video", "audio", "questions", "molecule", "recommend"]
    assert list(CELLS) == [
        "page of documentation",
        "config",
        "sample data",
        "demo",
        "CLI",
        "API",
        "web page",
        "notebook",
        "evaluation",
        "container service",
    ]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kind", SOLUTIONS, ids=NAMES)
def test_no_cell_is_empty(kind, cell):
    assert CELLS[cell](kind)


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_is_empty_where_the_repository_has_nothing(cell):
    assert CELLS[cell](SolutionKind("smells", "Smells", ("smell",))) == ""


def test_the_table_shows_what_was_found():
    rows = [line.split(" | ") for line in solutions_page().splitlines() if line.startswith("| ")][2:]
    assert [row[0].removeprefix("| ") for row in rows] == list(CELLS)
    for row, describe in zip(rows, CELLS.values(), strict=True):
        assert [cell.removesuffix(" |") for cell in row[1:]] == [describe(kind) or MISSING for kind in SOLUTIONS]


@pytest.mark.parametrize("kind", SOLUTIONS, ids=lambda kind: kind.name)
def test_each_page_says_what_it_is_for_the_model_the_index_what_to_change_and_the_limits(kind):
    headings = [line[3:] for line in kind.page.read_text(encoding="utf-8").splitlines() if line.startswith("## ")]
    for start in ("What it is for", "The model", "The index", "What to change", "Limits"):
        assert [heading for heading in headings if heading.startswith(start)], start


def test_each_container_serves_the_sample_that_the_demo_fills():
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    for kind in SOLUTIONS:
        assert services[kind.name]["command"][-1] == kind.sample.yaml


def test_no_line_of_the_page_ends_with_a_blank():
    assert [line for line in solutions_page().splitlines() if line != line.rstrip()] == []
