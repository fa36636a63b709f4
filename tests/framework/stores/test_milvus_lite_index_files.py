"""Index files of which a killed process left a part."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROWS = [(f"k{number}", f"text {number}", 2000 + number) for number in range(100)]


@pytest.mark.parametrize("index", ["FLAT", "HNSW", "IVF_SQ8"])
def test_an_incomplete_index_file_is_built_again(lite, index, caplog):
    lite.write(ROWS)
    extra = f"index: {{type: {index}}}\n"
    with lite.solution(extra=extra) as solution:
        solution.ingest()
        before = solution.search("text 7", limit=100)
    (file,) = (lite.folder / ".vicinal").glob("things/milvus.db/**/*.idx")
    size = file.stat().st_size
    part = file.with_name(f"{file.name}.7.part")
    for left in (128, 0):
        os.truncate(file, left)
        part.touch()
        with lite.solution(extra=extra) as solution:
            assert [(hit.key, hit.score) for hit in solution.search("text 7", limit=100)] == [
                (hit.key, hit.score) for hit in before
            ]
        assert file.stat().st_size == size
        assert not part.exists()
    assert [record.levelname for record in caplog.records if "is built anew" in record.message] == ["WARNING"] * 2


def test_an_index_file_is_complete_once_it_has_its_name(lite, monkeypatch):
    """In Milvus Lite another thread may write it at the instant of a load."""
    written = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda part, path: written.append(part.stat().st_size) or replace(part, path))
    lite.write(ROWS)
    solution = lite.solution(extra="index: {type: FLAT}\n")
    solution.ingest()
    (file,) = (lite.folder / ".vicinal").glob("things/milvus.db/**/*.idx")
    assert file.stat().st_size in written
    file.write_bytes(b"")
    solution.vectors.load_collection(reload=True)
    assert solution.search("text 7", limit=1)[0].key == "k7"
