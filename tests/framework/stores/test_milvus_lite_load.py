"""Milvus Lite writes the index of a collection beside who loads it, so that half a file may be read."""

from __future__ import annotations

import threading

import pytest

from vicinal.errors import StoreError


@pytest.fixture
def sidecar(lite):
    """A solution that is indexed, and the file of its index."""
    lite.write([(f"k{number}", f"text {number}", 1) for number in range(50)])
    solution = lite.solution()
    solution.ingest()
    (file,) = (lite.folder / ".vicinal" / "things" / "milvus.db").rglob("*.idx")
    return solution, file


def test_a_load_that_reads_half_an_index_is_tried_again(sidecar):
    solution, file = sidecar
    whole = file.read_bytes()
    file.write_bytes(b"")
    threading.Timer(0.3, file.write_bytes, [whole]).start()
    solution.vectors.load_collection(reload=True)
    assert solution.search("text 7", limit=1)[0].key == "k7"


def test_an_index_that_stays_half_is_an_error(sidecar):
    solution, file = sidecar
    file.write_bytes(b"")
    with pytest.raises(StoreError, match="No data left in file"):
        solution.vectors.load_collection(reload=True)
