"""The capabilities of an engine: the indexes that it builds, and the one chosen for a solution."""

from __future__ import annotations

import pytest

from milvus_helpers import BITS, FLOATS, choose_index_for, item_keys, make_rows, make_vectors
from vicinal.config.models import IndexConfig
from vicinal.errors import StoreError, UnsupportedByEngineError
from vicinal.stores import index_builder
from vicinal.stores.milvus import Schema, VectorStore
from vicinal.stores.milvus_engine import Index, MilvusEngine, choose_index
from vicinal.types import Space

LITE, NEWER = MilvusEngine("Milvus Lite", (3, 2, 2)), MilvusEngine("Milvus", (2, 6, 4))
SERVER = MilvusEngine("Milvus", (2, 3, 5), has_disk_index=False)


@pytest.mark.parametrize(
    ("text", "engine", "name"),
    [
        ("milvus_lite-3.2.2", LITE, "Milvus Lite 3.2.2"),
        ("v2.3.5-lite", SERVER, "Milvus 2.3.5"),
        ("v2.3.5", MilvusEngine("Milvus", (2, 3, 5)), "Milvus 2.3.5"),
        ("v2.6.4", NEWER, "Milvus 2.6.4"),
        ("2.5.0-dev-abc123", MilvusEngine("Milvus", (2, 5, 0)), "Milvus 2.5.0"),
    ],
)
def test_engine_is_parsed_from_its_version(text, engine, name):
    assert MilvusEngine.parse(text) == engine
    assert str(engine) == name


def test_capabilities_of_the_engines():
    assert [(e.embedded, e.has_binary_vectors, e.has_full_text) for e in (LITE, SERVER, NEWER)] == [
        (True, False, True),
        (False, True, False),
        (False, True, True),
    ]
    both = {"AUTOINDEX", "FLAT", "IVF_FLAT", "IVF_SQ8", "HNSW"}
    assert LITE.index_types("float") == both | {"HNSW_SQ"}
    assert SERVER.index_types("float") == both | {"IVF_PQ", "SCANN"}
    assert MilvusEngine("Milvus", (2, 3, 5)).index_types("float") == both | {"IVF_PQ", "SCANN", "DISKANN"}
    since_2_5 = {"HNSW_SQ", "HNSW_PQ", "HNSW_PRQ"}
    assert MilvusEngine("Milvus", (2, 5, 0)).index_types("float") == both | {"IVF_PQ", "SCANN", "DISKANN"} | since_2_5
    assert NEWER.index_types("float") - MilvusEngine("Milvus", (2, 5, 9)).index_types("float") == {"IVF_RABITQ"}
    for engine in (LITE, SERVER, NEWER):
        assert engine.index_types("binary") == {"BIN_FLAT", "BIN_IVF_FLAT"}


@pytest.mark.parametrize(
    ("space", "engine", "rows", "built", "params", "search"),
    [
        (FLOATS, LITE, 0, "FLAT", {}, {}),
        (FLOATS, SERVER, 5_000, "FLAT", {}, {}),
        (FLOATS, LITE, 5_001, "HNSW_SQ", {"M": 16, "efConstruction": 100}, {"ef": 128}),
        (FLOATS, SERVER, 2_000_000, "HNSW", {"M": 16, "efConstruction": 200}, {"ef": 128}),
        (FLOATS, SERVER, 4_000_000, "IVF_SQ8", {"nlist": 8_000}, {"nprobe": 250}),
        (FLOATS, SERVER, 10**9, "IVF_SQ8", {"nlist": 65_536}, {"nprobe": 2_048}),
        (BITS, SERVER, 2_000_000, "BIN_FLAT", {}, {}),
        (BITS, SERVER, 4_000_000, "BIN_IVF_FLAT", {"nlist": 8_000}, {"nprobe": 500}),
        (BITS, LITE, 1_000, "SPARSE_INVERTED_INDEX", {}, {}),
    ],
)
def test_auto_chooses_by_engine_and_size(space, engine, rows, built, params, search):
    index = choose_index(IndexConfig(), space, engine, rows)
    assert (index.engine_type, index.params, index.search) == (built, params, search)
    assert index.metric == space.metric
    assert index.is_exact == (built in ("FLAT", "BIN_FLAT", "SPARSE_INVERTED_INDEX"))


def test_required_build_parameters_have_defaults():
    def chosen(dimension=128, rows=10_000, engine=SERVER, **config):
        index = choose_index(IndexConfig(**config), Space(dimension), engine, rows)
        return index.params, index.search

    assert chosen(type="IVF_FLAT") == ({"nlist": 400}, {})
    assert chosen(type="IVF_FLAT", rows=0) == ({"nlist": 16}, {})
    assert chosen(type="SCANN") == ({"nlist": 400}, {})
    assert chosen(type="IVF_PQ") == ({"nlist": 400, "m": 32}, {})
    assert chosen(type="IVF_PQ", dimension=30) == ({"nlist": 400, "m": 6}, {})
    assert chosen(type="IVF_PQ", dimension=7) == ({"nlist": 400, "m": 1}, {})
    assert chosen(type="HNSW", params={"M": 4}, search={"ef": 9}) == ({"M": 4, "efConstruction": 200}, {"ef": 9})
    assert chosen(type="IVF_SQ8", params={"nlist": 7}, search={"nprobe": 3}) == ({"nlist": 7}, {"nprobe": 3})
    assert chosen(type="IVF_RABITQ", engine=NEWER) == ({"nlist": 400}, {})
    assert chosen(type="HNSW_PQ", engine=NEWER) == ({"M": 16, "efConstruction": 200, "m": 32}, {})
    assert chosen(type="FLAT") == chosen(type="AUTOINDEX") == ({}, {})


def test_auto_gets_the_parameters_that_the_chosen_index_has():
    config = IndexConfig(params={"M": 8, "nlist": 99}, search={"ef": 300, "nprobe": 7})

    def chosen(rows):
        index = choose_index(config, FLOATS, SERVER, rows)
        return index.type, index.params, index.search

    assert chosen(10) == ("FLAT", {}, {})
    assert chosen(10_000) == ("HNSW", {"M": 8, "efConstruction": 200}, {"ef": 300})
    assert chosen(4_000_000) == ("IVF_SQ8", {"nlist": 99}, {"nprobe": 7})


@pytest.mark.parametrize(
    ("config", "for_10", "for_500"),
    [
        ({"type": "HNSW", "search": {"ef": 100}}, {"ef": 100}, {"ef": 500}),
        ({"type": "HNSW"}, {"ef": 64}, {"ef": 500}),
        ({"type": "AUTOINDEX", "search": {"ef": 100}}, {"ef": 100}, {"ef": 500}),
        ({"type": "AUTOINDEX"}, {}, {}),
        ({"type": "SCANN", "search": {"reorder_k": 5}}, {"reorder_k": 10}, {"reorder_k": 500}),
        ({"type": "SCANN"}, {}, {}),
        ({"type": "DISKANN", "search": {"search_list": 100}}, {"search_list": 100}, {"search_list": 500}),
        ({"type": "IVF_FLAT", "search": {"nprobe": 9}}, {"nprobe": 9}, {"nprobe": 9}),
        ({"type": "IVF_RABITQ", "search": {"rbq_query_bits": 6}}, {"rbq_bits_query": 6}, {"rbq_bits_query": 6}),
    ],
)
def test_search_parameters_are_milvus_own_and_never_below_the_limit(config, for_10, for_500):
    index = choose_index(IndexConfig(**config), FLOATS, NEWER, 10)
    assert index.search_params(10) == {"metric_type": "COSINE", "params": for_10}
    assert index.search_params(500) == {"metric_type": "COSINE", "params": for_500}


@pytest.mark.parametrize(
    ("engine", "space", "config", "message"),
    [
        (LITE, FLOATS, {"type": "IVF_PQ"}, "Milvus Lite 3.2.2 cannot build index 'IVF_PQ' for float vectors"),
        (LITE, FLOATS, {"type": "SCANN"}, "Milvus Lite 3.2.2 cannot build index 'SCANN' for float vectors"),
        (SERVER, FLOATS, {"type": "HNSW_PQ"}, "Milvus 2.3.5 cannot build index 'HNSW_PQ' for float vectors"),
        (SERVER, FLOATS, {"type": "HNSW_SQ"}, "Milvus 2.3.5 cannot build index 'HNSW_SQ' for float vectors"),
        (SERVER, FLOATS, {"type": "DISKANN"}, "Milvus 2.3.5 cannot build index 'DISKANN' for float vectors"),
        (SERVER, BITS, {"type": "HNSW"}, "Milvus 2.3.5 cannot build index 'HNSW' for binary vectors"),
        (SERVER, FLOATS, {"type": "BIN_FLAT"}, "Milvus 2.3.5 cannot build index 'BIN_FLAT' for float vectors"),
        (SERVER, BITS, {"metric": "L2"}, "index.metric L2 does not fit binary vectors"),
        (LITE, BITS, {"metric": "COSINE"}, "index.metric COSINE does not fit binary vectors"),
        (LITE, FLOATS, {"metric": "JACCARD"}, "index.metric JACCARD does not fit float vectors"),
        (SERVER, FLOATS, {"type": "IVF_RABITQ"}, "Milvus 2.3.5 cannot build index 'IVF_RABITQ' for float vectors"),
        (
            LITE,
            FLOATS,
            {"type": "HNSW_SQ", "params": {"sq_type": "SQ6"}, "search": {"refine_k": 2}},
            "Milvus Lite 3.2.2 ignores refine_k, sq_type of index HNSW_SQ",
        ),
        (
            SERVER,
            FLOATS,
            {"type": "IVF_PQ", "params": {"m": 7}},
            "index IVF_PQ needs vectors whose dimension is a multiple of index.params.m, which is 7; "
            "the encoder's have 16",
        ),
        (
            SERVER,
            Space(15),
            {"type": "SCANN"},
            "index SCANN needs vectors whose dimension is a multiple of 2; the encoder's have 15",
        ),
    ],
)
def test_an_index_that_an_engine_cannot_build_is_refused(engine, space, config, message):
    with pytest.raises(UnsupportedByEngineError) as error:
        choose_index(IndexConfig(**config), space, engine, 0)
    assert str(error.value) == message
    assert error.value.hint


def assert_refused_before_anything_is_created(workshop, encoder, index):
    workshop.write([("k", "some text", 1)])
    things = workshop.solution(f"refused-{encoder}", encoder=f"{{type: {encoder}}}", extra=f"index: {index}")
    with pytest.raises(UnsupportedByEngineError):
        things.ingest()
    assert things.metadata.state() == {}
    assert not [name for name in things.vectors._client.list_collections() if "refused" in name]
    things.close()


def test_nothing_is_created_for_an_index_that_no_engine_can_build(workshop):
    assert_refused_before_anything_is_created(workshop, "hashed", "HNSW_PQ")
    assert_refused_before_anything_is_created(workshop, "hashed", "{metric: JACCARD}")
    assert_refused_before_anything_is_created(workshop, "letters", "{metric: L2}")


def test_nothing_is_created_for_an_index_that_only_a_server_can_build(lite):
    assert_refused_before_anything_is_created(lite, "hashed", "IVF_PQ")
    assert_refused_before_anything_is_created(lite, "letters", "HNSW")


PARAMETERS = {
    "AUTOINDEX": ({}, {"ef": 80}),
    "FLAT": ({}, {}),
    "IVF_FLAT": ({"nlist": 4}, {"nprobe": 4}),
    "IVF_SQ8": ({"nlist": 4}, {"nprobe": 4}),
    "IVF_PQ": ({"nlist": 4, "m": 8, "nbits": 6}, {"nprobe": 4}),
    "HNSW": ({"M": 2048, "efConstruction": 2**31 - 1}, {"ef": 80}),
    "HNSW_SQ": ({"M": 2, "efConstruction": 80}, {"ef": 80}),
    "SCANN": ({"nlist": 4, "with_raw_data": True}, {"nprobe": 4, "reorder_k": 20}),
}


def test_every_supported_index_is_built_and_searched_with_its_parameters(opened):
    store = opened()
    store.create_collection(f"{store.alias}_v1")
    vectors = make_vectors(300)
    store.upsert_rows(make_rows(store, vectors))
    for name in sorted(store.engine.index_types("float")):
        params, search = PARAMETERS[name]
        index = choose_index_for(store, type=name, rows=300, params=params, search=search)
        store.build_index(index)
        assert store.describe_index()["index_type"] == name
        # The embedded engine accepts any name and fails when it loads; a server refuses at once, and loads for seconds.
        if store.embedded or name in ("AUTOINDEX", "IVF_PQ", "SCANN"):
            store.load_collection(reload=True)
            assert item_keys(store.search([vectors[9]], index, 1, rows=300)[0]) == ["k9"], name


@pytest.mark.long
def test_build_that_never_progresses_is_an_error(milvus_server, monkeypatch):
    """This server has no DISKANN, and reports that only in its log."""
    store = VectorStore("stalled", milvus_server, Schema(FLOATS, False, {}))
    store.create_collection(f"{store.alias}_v1")
    try:
        store.upsert_rows(make_rows(store, make_vectors(3_000)))
        store.flush()
        with monkeypatch.context() as patch:
            patch.setattr(index_builder, "_STALLED_SECONDS", 1.0)
            with pytest.raises(
                StoreError, match=r"building index DISKANN for 1 s \(0 of 3,000 rows indexed\)"
            ) as error:
                store.build_index(Index("DISKANN", "COSINE", "DISKANN", "COSINE"))
        assert "see Milvus' log for the reason" in error.value.hint
        store.build_index(index := choose_index_for(store, type="HNSW"))
        store.load_collection()
        assert item_keys(store.search([make_vectors(1)[0]], index, 1, "", rows=3_000)[0]) == ["k0"]
    finally:
        store.drop_collection()
        store.close()


def test_hybrid_is_rejected_by_an_engine_without_full_text(milvus_server):
    with pytest.raises(UnsupportedByEngineError, match=r"Milvus 2\.3\.5 has no full-text index") as error:
        VectorStore("test", milvus_server, Schema(FLOATS, False, {}, hybrid=True))
    assert "rerank: {type: keywords}" in error.value.hint
