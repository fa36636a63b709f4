"""The JSON Schema of a benchmark's YAML: it accepts and rejects what the loader does."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from vicinal.bench.config import load_bench_config
from vicinal.bench.schema import bench_json_schema
from vicinal.config.document import Document
from vicinal.errors import ConfigError

CONFIGS = Path(__file__).parents[3] / "configs"
HEAD = "name: vectors\ndata: {type: generated, rows: 2000}\n"


@pytest.fixture(scope="module")
def schema_errors():
    """The schema's errors for a YAML text."""
    schema = bench_json_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    return lambda text: [error.message for error in validator.iter_errors(Document.read(text).data)]


@pytest.mark.parametrize("name", ["bench-1m.yaml", "bench-100m.yaml"])
def test_it_accepts_the_samples(schema_errors, name):
    assert schema_errors((CONFIGS / name).read_text()) == []


@pytest.mark.parametrize(
    "index",
    [
        "{type: FLAT}",
        "{type: IVF_FLAT, params: {nlist: 64}, search: {nprobe: 8}}",
        "{type: IVF_PQ, params: {nlist: 64, m: 8, nbits: 8}, search: {nprobe: [1, 8]}}",
        "{type: HNSW, search: {ef: [10, 100]}}",
    ],
)
def test_it_accepts_what_is_loaded(schema_errors, write, index):
    text = f"{HEAD}indexes: [{index}]\n"
    assert load_bench_config(write(text))[0].name == "vectors"
    assert schema_errors(text) == []


@pytest.mark.parametrize(
    "rest",
    [
        "indexes: []\n",
        "indexes: [{type: auto}]\n",
        "indexes: [{type: HNSW, params: {nlist: 64}}]\n",
        "indexes: [{type: HNSW, params: {M: [8, 16]}}]\n",
        "indexes: [{type: IVF_FLAT, search: {nprobe: []}}]\n",
        "indexes: [{type: IVF_FLAT, search: {nprobe: [1, none]}}]\n",
        "indexes: [{type: IVF_FLAT, search: {nprobe: [1, 100000]}}]\n",
        "indexes: [{type: FLAT}]\nlimits: [0]\n",
        "indexes: [{type: FLAT}]\nclient: [1]\n",
        "indexes: [{type: FLAT}]\nstores: {redis: a}\n",
    ],
)
def test_it_rejects_what_the_loader_rejects(schema_errors, write, rest):
    with pytest.raises(ConfigError):
        load_bench_config(write(HEAD + rest))
    assert schema_errors(HEAD + rest)
