from __future__ import annotations

import pytest

TINY = """
name: tiny
data: {type: generated, rows: 2000, dimension: 16, clusters: 30}
indexes:
  - {type: FLAT}
  - {type: IVF_FLAT, params: {nlist: 32}, search: {nprobe: [1, 32]}}
queries: 50
limits: [1, 10]
clients: []
batches: []
filters: [0.1]
seconds: 0.1
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a benchmark's YAML; by default a tiny one on Milvus Lite."""
    monkeypatch.delenv("MILVUS_URI", raising=False)

    def write(text=TINY):
        path = tmp_path / "bench.yaml"
        path.write_text(text)
        return path

    return write
