"""The notebooks run from top to end, say what they are expected to say, and hold nothing of the machine in them."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from notebook_helpers import NOTEBOOKS, load_make_notebooks

pytestmark = [pytest.mark.all_encoders, pytest.mark.timeout(300)]

MAX_BYTES = 200_000
make_notebooks = load_make_notebooks()
SOURCES = make_notebooks.list_sources()


@pytest.fixture(params=SOURCES, ids=lambda path: path.stem)
def source(request):
    return request.param


@pytest.fixture
def committed(source):
    return nbformat.read(source.with_suffix(".ipynb"), as_version=4)


def read_prose(path):
    """A notebook's file without the media in it, in which any word may occur by chance."""
    return re.sub(r"base64,[A-Za-z0-9+/=]*", "", path.read_text(encoding="utf-8"))


def test_there_is_a_notebook_for_each_source_and_no_other():
    assert [path.with_suffix(".ipynb") for path in SOURCES] == sorted(NOTEBOOKS.glob("*.ipynb"))
    assert len(SOURCES) >= 7


def test_it_runs_and_what_it_asserts_holds(source):
    executed = make_notebooks.execute(make_notebooks.read_source(source))
    outputs = [output for cell in executed.cells for output in cell.get("outputs", ())]
    assert outputs
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    assert any("<progress value=" in output.data.get("text/html", "") for output in outputs if "data" in output)


def test_what_is_committed_was_made_of_the_source(source, committed):
    expected = make_notebooks.read_source(source)
    read = [(cell.id, cell.cell_type, cell.source, cell.metadata) for cell in committed.cells]
    assert read == [(cell.id, cell.cell_type, cell.source, cell.metadata) for cell in expected.cells]
    assert committed.metadata == expected.metadata
    nbformat.validate(committed)


def test_it_has_five_to_ten_short_cells_from_installation_to_clean_up(committed):
    cells = [cell for cell in committed.cells if cell.cell_type == "code"]
    assert 5 <= len(cells) <= 10
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert max(len(cell.source.splitlines()) for cell in cells) <= 45
    assert cells[0].source.startswith("# %pip install")
    assert cells[-1].source.endswith("temporary.cleanup()")
    headings = {line for cell in committed.cells for line in cell.source.splitlines() if line.startswith("## ")}
    assert {"## Change this", "## Clean up"} <= headings
    assert any(" assert " in f" {cell.source}".replace("\n", " ") for cell in cells)


def test_it_asserts_a_figure_with_its_interval(committed):
    cells = [cell for cell in committed.cells if cell.cell_type == "code" and re.search(r"\blow\b", cell.source)]
    assert len(cells) == 1
    assert "\nassert " in cells[0].source
    assert re.search(r"\d\.\d\d.* between \d\.\d\d and \d\.\d\d", cells[0].outputs[0].text)


def test_it_is_small_and_holds_nothing_of_the_machine(source):
    notebook = source.with_suffix(".ipynb")
    assert notebook.stat().st_size < MAX_BYTES
    prose = read_prose(notebook)
    for word in (str(Path.home()), str(NOTEBOOKS.parent), "/tmp/", "/home/", "/Users/", "/usr/", "file:/"):
        assert word not in prose
    assert not re.search(r"0x[0-9a-f]{6,}|\b\d+(\.\d+)? ?(ms|seconds elapsed)\b", prose)
