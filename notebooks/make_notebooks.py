"""Executes the notebooks and writes them with their outputs: ``python notebooks/make_notebooks.py [NAME…]``.

The source of each is a ``.py`` in jupytext's py:percent format, beside which its ``.ipynb`` is written.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from traitlets.config import Config

FOLDER = Path(__file__).parent
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_FORMAT = {"extension": ".py", "format_name": "percent", "comment_magics": False}
"""Magics that are commented stay so: the cell that installs."""
_MAX_SECONDS_A_CELL = 120


def list_sources() -> list[Path]:
    """The sources of all notebooks: what begins with a cell."""
    return [path for path in sorted(FOLDER.glob("*.py")) if path.read_text(encoding="utf-8").startswith("# %%")]


def read_source(path: Path) -> NotebookNode:
    """A notebook without outputs, the same at every call: its cells are named by their numbers."""
    notebook = jupytext.read(path, fmt=_FORMAT)
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", {}
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return notebook


def execute(notebook: NotebookNode) -> NotebookNode:
    """Run all cells in a fresh kernel and an empty folder, and keep of the outputs what does not change.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell, or an assertion in it, fails.
    """
    os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")
    with TemporaryDirectory() as folder:
        # Sockets in a folder of its own: over TCP the kernel warns that anybody may listen.
        config = Config(KernelManager={"transport": "ipc", "connection_file": f"{folder}/kernel.json"})
        client = NotebookClient(
            notebook, config=config, timeout=_MAX_SECONDS_A_CELL, resources={"metadata": {"path": folder}}
        )
        client.execute()
    for cell in notebook.cells:
        cell.metadata = {}
        for output in cell.get("outputs", ()):
            _drop_what_changes(output)
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return notebook


def _drop_what_changes(output: NotebookNode) -> None:
    """Take the plain text away beside HTML: it has addresses in memory and paths of this machine."""
    output.pop("metadata", None)
    if "data" in output:
        output.metadata = {}
        if "text/html" in output.data:
            output.data.pop("text/plain", None)


def write(source: Path) -> Path:
    """Execute one notebook and write it beside its source."""
    target = source.with_suffix(".ipynb")
    nbformat.write(execute(read_source(source)), target)
    return target


if __name__ == "__main__":
    wanted = sys.argv[1:]
    for source in list_sources():
        if not wanted or source.stem in wanted:
            target = write(source)
            print(f"{target.name}: {target.stat().st_size / 1000:.0f} KB")
