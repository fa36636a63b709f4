"""Index files of which a killed process left a part."""

from __future__ import annotations

import os

import pytest

ROWS = [(f"k{number}", f"text {number}", 2000 + number) for number in range(100)]


@pytest.mark.parametrize("index", ["FLAT", "HNSW", "IVF_SQ8"])
def test_an_incomplete_index_file_is_built_again(lite, index):
    lite.write(ROWS)
    extra = f"index: {{type: {index}}}\n"
    with lite.solution(extra=extra) as solution:
        solution.ingest()
        before = solution.search("text 7", limit=100)
    (file,) = (lite.folder / ".vicinal").glob("things/milvus.db/**/*.idx")
    size = file.stat().st_size
    for left in (128, 0):
        os.truncate(file, left)
        with lite.solution(extra=extra) as solution:
            assert [(hit.key, hit.score) for hit in solution.search("text 7", limit=100)] == [
                (hit.key, hit.score) for hit in before
            ]
        assert file.stat().st_size == size
