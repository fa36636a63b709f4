"""A run shows how far it is: below the cell of a notebook, on the terminal's stderr, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

import encoders
from notebook_helpers import load_make_notebooks

pytestmark = pytest.mark.all_encoders

SETUP = f"""
import sys
sys.path.insert(0, {str(Path(encoders.__file__).parent)!r})
import encoders
from vicinal import Solution, create_manager
from vicinal.solution.progress import NotebookProgress

def make(name, encoder="{{type: hashed}}", extra=""):
    source = "{{type: table, path: items.csv, key: key, content: text}}"
    open(f"{{name}}.yaml", "w").write(f"name: {{name}}\\nsource: {{source}}\\nencoder: {{encoder}}\\n{{extra}}")
    manager = create_manager()
    manager.register(encoders, "tests")
    return Solution.from_yaml(f"{{name}}.yaml", manager=manager)

open("items.csv", "w").write("key,text\\na,some words\\nb,bad\\nc,<i>\\n")
things = make("things")
"""
FIRST = "things.ingest(progress=True);"
SECOND = "things.ingest(progress=True);"
WATCHED = """
draw, drawn = NotebookProgress._draw_html, []
NotebookProgress._draw_html = lambda self: drawn.append(html := draw(self)) or html
with make("slow", "{type: hashed, batch_size: 1, pause: 0.3}") as slow:
    slow.ingest(progress=True)
NotebookProgress._draw_html = draw
print(*(html.data for html in drawn), sep="\\n")
"""
ENDED = """
with make("strict", extra="ingest: {max_failures: 0}") as strict:
    try:
        strict.ingest(progress=True)
    except Exception as error:
        print(type(error).__name__)
"""


@pytest.fixture(scope="module")
def outputs():
    """What the cells FIRST to ENDED print and show: for each a list of texts and of HTML."""
    cells = [SETUP, FIRST, SECOND, WATCHED, ENDED, "things.close()"]
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    executed = load_make_notebooks().execute(notebook)
    return [
        [output.data["text/html"] if "data" in output else output.text for output in cell.outputs]
        for cell in executed.cells[1:-1]
    ]


def test_a_notebook_shows_a_bar_that_ends_full_and_counts(outputs):
    first, second, *_ = outputs
    assert first == ['<progress value="3" max="3"></progress> things: 3 of 3 items (2 new, 1 failed)']
    assert second == ['<progress value="3" max="3"></progress> things: 3 of 3 items (2 unchanged, 1 failed)']


def test_a_bar_moves_during_the_run(outputs):
    drawn = "".join(outputs[2][1:]).splitlines()
    assert drawn[0] == '<progress value="0" max="3"></progress> slow: 0 of 3 items (…)'
    assert len(set(drawn)) >= 3


def test_a_run_that_ends_with_an_error_keeps_its_bar(outputs):
    bar, printed = outputs[3]
    assert "strict: " in bar
    assert "1 failed" in bar
    assert printed == "TooManyFailuresError\n"


def test_elsewhere_nothing_is_printed_and_the_observer_is_taken_out_again(lite, capfd):
    lite.write([("a", "some words", 1)])
    solution = lite.solution()
    plugins = [row.name for row in solution.manager.rows]
    solution.ingest(progress=True)
    assert capfd.readouterr() == ("", "")
    assert [row.name for row in solution.manager.rows] == plugins
    assert solution.ingest(progress=True).unchanged == 1
