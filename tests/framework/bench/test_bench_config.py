"""The YAML of a benchmark: its defaults, its settings, and its mistakes with their lines."""

from __future__ import annotations

import pytest

from vicinal.bench.config import load_bench_config
from vicinal.errors import ConfigError


def problems(path):
    with pytest.raises(ConfigError) as caught:
        load_bench_config(path)
    return [line.split(":", 1)[1] for line in caught.value.problems]


def test_results_stand_beside_the_file_and_milvus_lite_is_the_default(write):
    config, folder = load_bench_config(write())
    assert folder == write().parent / ".vicinal" / "bench" / "tiny"
    assert config.stores.milvus == str(folder.parent / "tiny.db")


def test_the_environment_names_the_engine(write, monkeypatch):
    path = write()
    monkeypatch.setenv("MILVUS_URI", "http://127.0.0.1:19530")
    assert load_bench_config(path)[0].stores.milvus == "http://127.0.0.1:19530"


def test_a_list_of_values_is_a_list_of_settings(write):
    config, _ = load_bench_config(write())
    assert config.indexes[0].settings == [{}]
    assert config.indexes[1].settings == [{"nprobe": 1}, {"nprobe": 32}]


def test_every_combination_of_several_lists_is_a_setting(write):
    text = write().read_text().replace("{type: FLAT}", "{type: SCANN, search: {nprobe: [1, 2], reorder_k: [10, 20]}}")
    config, _ = load_bench_config(write(text))
    assert config.indexes[0].settings == [
        {"nprobe": 1, "reorder_k": 10},
        {"nprobe": 1, "reorder_k": 20},
        {"nprobe": 2, "reorder_k": 10},
        {"nprobe": 2, "reorder_k": 20},
    ]


def test_all_mistakes_are_told_with_their_places(write):
    text = """\
name: tiny
data: {type: generated, rows: 10, dimensoin: 16}
indexes:
  - {type: IVF_FLAT, params: {nlist: 0}, search: {nprob: [1]}}
  - {type: auto}
querys: 5
"""
    assert problems(write(text)) == [
        "2:25: data.rows: input should be greater than or equal to 100, not 10",
        "2:35: data.dimensoin: unknown key, did you mean 'dimension'?",
        "4:31: indexes.0.params.nlist: input should be greater than or equal to 1, not 0",
        "4:51: indexes.0.search.nprob: unknown parameter of IVF_FLAT, did you mean 'nprobe'?",
        "5:6: indexes.1.type: name the index types that are to be measured",
        "6:1: querys: unknown key, did you mean 'queries'?",
    ]


def test_a_token_stands_in_the_environment(write):
    text = write().read_text() + "stores: {token: abc}\n"
    assert problems(write(text))[0].endswith("set that environment variable")


def test_a_file_that_is_no_mapping_is_one_mistake(write):
    assert problems(write("- 1\n")) == ["1:1: a benchmark is a mapping with name, data and indexes"]


def test_data_of_ann_benchmarks_are_files_with_three_datasets(write, tmp_path):
    text = (
        write()
        .read_text()
        .replace("{type: generated, rows: 2000, dimension: 16, clusters: 30}", "{type: hdf5, path: a.hdf5, metric: L2}")
    )
    files = load_bench_config(write(text))[0].files
    assert (files.vectors, files.queries) == (tmp_path / "a.hdf5", tmp_path / "a.hdf5")
    assert files.columns == ("train", "test", "neighbors")
