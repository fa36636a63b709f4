"""The index table: the parameters of each index, their ranges, and the error for each mistake in them."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import ValidationError

from minimal_config import MINIMAL_YAML
from vicinal.config.indexes import INDEXES, IndexType, parameters_of
from vicinal.config.models import IndexConfig

pytestmark = pytest.mark.usefixtures("no_stores_in_the_environment")


def index_problems(problems, block):
    """The problems of an index block, without file and line, which are the same for all."""
    return [line.removeprefix("a.yaml:4:") for line in problems(f"{MINIMAL_YAML}index: {block}\n")]


def test_an_index_config_accepts_every_index_of_the_table():
    assert get_args(IndexType) == ("auto", *INDEXES)
    for name in INDEXES:
        assert IndexConfig(type=name).type == name


# --- ranges

RANGES = [
    ("IVF_FLAT", "params", "nlist", 1, 65_536),
    ("IVF_FLAT", "search", "nprobe", 1, 65_536),
    ("IVF_SQ8", "params", "nlist", 1, 65_536),
    ("IVF_PQ", "params", "m", 1, 65_536),
    ("IVF_PQ", "params", "nbits", 1, 24),
    ("IVF_RABITQ", "params", "nlist", 1, 65_536),
    ("IVF_RABITQ", "search", "nprobe", 1, 65_536),
    ("IVF_RABITQ", "search", "rbq_query_bits", 0, 8),
    ("HNSW", "params", "M", 2, 2_048),
    ("HNSW", "params", "efConstruction", 1, 2**31 - 1),
    ("HNSW", "search", "ef", 1, 2**31 - 1),
    ("HNSW_PQ", "params", "m", 1, 65_536),
    ("HNSW_PRQ", "params", "nrq", 1, 16),
    ("SCANN", "search", "reorder_k", 1, 2**31 - 1),
    ("DISKANN", "params", "max_degree", 1, 512),
    ("DISKANN", "search", "search_list", 1, 2**31 - 1),
    ("AUTOINDEX", "search", "level", 1, 10),
    ("BIN_IVF_FLAT", "params", "nlist", 1, 65_536),
]


@pytest.mark.parametrize(("type_", "key", "name", "lowest", "highest"), RANGES)
def test_integer_parameters_have_the_ranges_of_milvus(type_, key, name, lowest, highest):
    for value in (lowest, highest):
        assert getattr(IndexConfig(type=type_, **{key: {name: value}}), key) == {name: value}
    for value in (lowest - 1, highest + 1, "8", 8.5, True):
        with pytest.raises(ValidationError) as error:
            IndexConfig(type=type_, **{key: {name: value}})
        assert [detail["loc"] for detail in error.value.errors()] == [(key, name)]


@pytest.mark.parametrize(
    ("type_", "key", "name", "accepted", "rejected"),
    [
        ("IVF_RABITQ", "search", "refine_k", [1, 1.5, 100], [0.9, -1, "2", True]),
        ("DISKANN", "params", "pq_code_budget_gb_ratio", [0.01, 0.25], [0, 0.26]),
        ("DISKANN", "params", "search_cache_budget_gb_ratio", [0, 0.29], [-0.1, 0.3]),
        ("SCANN", "params", "with_raw_data", [True, False], ["true", 1]),
        ("HNSW_SQ", "params", "sq_type", ["SQ6", "SQ8", "FP16", "BF16"], ["FP32", "sq8", 8]),
        ("HNSW_SQ", "params", "refine", [True, False], ["true", 1]),
    ],
)
def test_other_parameters_have_the_values_of_milvus(type_, key, name, accepted, rejected):
    for value in accepted:
        assert getattr(IndexConfig(type=type_, **{key: {name: value}}), key) == {name: value}
    for value in rejected:
        with pytest.raises(ValidationError):
            IndexConfig(type=type_, **{key: {name: value}})


@pytest.mark.parametrize("type_", ["IVF_RABITQ", "HNSW_SQ", "HNSW_PQ", "HNSW_PRQ"])
def test_refinement_has_a_precision_only_where_it_is_enabled(type_, problems):
    for precision in ("SQ6", "SQ8", "FP16", "BF16", "FP32"):
        given = {"refine": True, "refine_type": precision}
        assert IndexConfig(type=type_, params=given).params == given
    assert index_problems(problems, f"{{type: {type_}, params: {{refine_type: SQ8}}}}") == [
        f"{9 + len(f'type: {type_}, ')}: index.params: refine_type has no effect without refine: true"
    ]


def test_a_parameter_that_is_null_is_left_out(config):
    found = config(MINIMAL_YAML + "index: {type: HNSW, params: {M: null, efConstruction: 9}, search: {ef: null}}\n")
    assert (found.index.params, found.index.search) == ({"efConstruction": 9}, {})


# --- mistakes


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (
            "{type: IVF_SQ8, search: {nprob: 8}}",
            ["33: index.search.nprob: unknown parameter of IVF_SQ8, did you mean 'nprobe'?"],
        ),
        (
            "{type: IVF_SQ8, params: {nlist: 70000}, search: {nprobe: 0}}",
            [
                "33: index.params.nlist: input should be less than or equal to 65536, not 70000",
                "57: index.search.nprobe: input should be greater than or equal to 1, not 0",
            ],
        ),
        (
            "{type: IVF_FLAT, params: {M: 16, nlist: many}}",
            [
                "34: index.params.M: unknown parameter of IVF_FLAT, which has nlist",
                "41: index.params.nlist: input should be a valid integer, not 'many'",
            ],
        ),
        ("{type: HNSW, params: {ef: 64}}", ["30: index.params.ef: belongs under index.search"]),
        ("{type: HNSW, search: {M: 64}}", ["30: index.search.M: belongs under index.params"]),
        ("{type: FLAT, search: {ef: 64}}", ["30: index.search.ef: unknown parameter of FLAT, which has none"]),
        ("{params: {nlits: 4}}", ["18: index.params.nlits: unknown parameter of auto, did you mean 'nlist'?"]),
        (
            "{type: IVF_RABITQ, search: {rbq_bits_query: 4}}",
            ["36: index.search.rbq_bits_query: unknown parameter of IVF_RABITQ, did you mean 'rbq_query_bits'?"],
        ),
        (
            "{type: IVF_RABITQ, params: {refine: true, refine_type: SQ4}}",
            [
                "50: index.params.refine_type: input should be 'SQ6', 'SQ8', 'FP16', 'BF16' or 'FP32', not 'SQ4'",
            ],
        ),
        ("{type: HNSW, params: [16]}", ["21: index.params: input should be an object, not [16]"]),
        ("{type: HNSW, params: {M: [16]}}", ["30: index.params.M: input should be a valid integer, not [16]"]),
    ],
)
def test_a_wrong_parameter_is_located(problems, block, expected):
    assert index_problems(problems, block) == expected


def test_parameters_of_an_unknown_type_are_not_checked(problems):
    (problem,) = index_problems(problems, "{type: HNSWW, params: {nlits: 4}}")
    assert problem.startswith("9: index.type: input should be 'auto', ")


def test_auto_takes_the_parameters_of_every_index_that_it_may_choose():
    for key in ("params", "search"):
        choosable = {
            name
            for type_ in ("FLAT", "HNSW", "IVF_SQ8", "BIN_FLAT", "BIN_IVF_FLAT")
            for name in parameters_of(type_, key).model_fields
        }
        assert set(parameters_of("auto", key).model_fields) == choosable
