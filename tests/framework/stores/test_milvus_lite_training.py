"""What Milvus Lite's FAISS trains on: it never warns, and a segment of few rows is searched whole."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from milvus_helpers import FLOATS, build_and_load, choose_index_for, item_keys, make_rows, make_vectors
from vicinal.stores.milvus import Schema, VectorStore

SCRIPT = """
import sys
sys.path.insert(0, {helpers!r})
from milvus_helpers import FLOATS, build_and_load, choose_index_for, make_rows, make_vectors
from vicinal.stores.milvus import Schema, VectorStore
store = VectorStore("things", "m.db", Schema(FLOATS, False, {{}}))
store.create_collection("things_v1")
rows = make_rows(store, make_vectors(3_000))
index = choose_index_for(store, rows=3_000, type={type!r}, params={{"nlist": 64}})
for start, stop in ((0, 2_900), (2_900, 2_990), (2_990, 2_999), (2_999, 3_000)):
    store.upsert_rows(rows[start:stop])
    store.flush()
build_and_load(store, index)
assert len(store.search([make_vectors(1)[0]], index, 5, rows=3_000)[0]) == 5
store.close()
"""


@pytest.mark.parametrize("type_", ["IVF_FLAT", "IVF_SQ8"])
def test_no_warning_of_faiss_reaches_the_terminal(tmp_path, type_, request):
    helpers = str(request.config.rootpath / "tests" / "helpers")
    script = SCRIPT.format(helpers=helpers, type=type_)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_segment_of_few_rows_is_searched_whole(tmp_path):
    """With nlist 64 for a segment of 60 rows each row was a cell, and a search with nprobe 2 returned two of them."""
    store = VectorStore("things", str(tmp_path / "m.db"), Schema(FLOATS, False, {}))
    store.create_collection("things_v1")
    vectors = make_vectors(2_560)
    rows = make_rows(store, vectors)
    index = choose_index_for(store, rows=2_560, type="IVF_FLAT", params={"nlist": 64}, search={"nprobe": 2})
    store.upsert_rows(rows[:2_500])
    store.flush()
    store.upsert_rows([{**row, "segment": 1} for row in rows[2_500:]])
    store.flush()
    build_and_load(store, index)
    (found,) = store.search([vectors[2_530]], index, 2_000, "segment == 1", rows=2_560)
    store.close()
    similarities = vectors[2_500:] @ vectors[2_530] / np.linalg.norm(vectors[2_500:], axis=1)
    assert item_keys(found) == [f"k{2_500 + row}" for row in np.argsort(-similarities)]
