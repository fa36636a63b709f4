"""The JSON Schema for editors: it accepts and rejects what the loader does, and describes every key."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import Field, create_model

from encoders import Hashed
from vicinal import Encoder, create_manager, hookimpl
from vicinal.config import check_config
from vicinal.config.document import Document
from vicinal.config.schema import json_schema
from vicinal.plugin.params import Params

CONFIGS = Path(__file__).parents[3] / "configs"
MINIMAL_YAML = "name: things\nsource: {type: lines, path: items.txt}\nencoder: {type: morgan}\n"


@pytest.fixture(scope="module")
def plugins():
    return create_manager()


@pytest.fixture(scope="module")
def schema(plugins):
    return json_schema(plugins)


@pytest.fixture(scope="module")
def schema_errors(schema):
    """The schema's errors for a YAML text."""
    validator = Draft202012Validator(schema)
    return lambda text: [error.message for error in validator.iter_errors(Document.read(text).data)]


def test_schema_is_valid_for_its_draft(schema):
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


SAMPLES = sorted(file for file in CONFIGS.glob("*.yaml") if not file.name.startswith("bench-"))


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.name)
def test_schema_accepts_the_samples(schema_errors, plugins, file):
    assert schema_errors(file.read_text()) == []
    assert check_config(file, plugins)[1] == []


def rejected_by_schema_and_loader(text, schema_errors, plugins, tmp_path):
    (tmp_path / "a.yaml").write_text(text)
    return bool(schema_errors(text)), check_config(tmp_path / "a.yaml", plugins)[0] is None


@pytest.mark.parametrize(
    "text",
    [
        MINIMAL_YAML,
        MINIMAL_YAML + "index: auto\n",
        MINIMAL_YAML + "index: HNSW\n",
        MINIMAL_YAML + "index: {type: HNSW, metric: L2, params: {M: 16}, search: {ef: 64}}\n",
        MINIMAL_YAML + "index: {metric: L2, params: {M: 16, nlist: 64}, search: {ef: 64, nprobe: 8}}\n",
        MINIMAL_YAML + "index: {type: IVF_RABITQ, params: {refine: true, refine_type: SQ8}, search: {refine_k: 1.5}}\n",
        MINIMAL_YAML + "fields: {label: varchar(64), year: int64 = 0, seen: 'bool=false', id: int64, text: bool}\n",
        MINIMAL_YAML + "stores: {milvus: a.db, redis: b, timeout: 2}\nhybrid: true\n",
        MINIMAL_YAML + "ingest: {max_failures: 1%, workers: auto, batch_size: 10}\n",
        MINIMAL_YAML + "ingest: {max_failures: 0, workers: 4, batch_size: null}\n",
        MINIMAL_YAML.replace("{type: lines, path: items.txt}", "{type: table, path: a.csv, key: a, content: b}"),
        MINIMAL_YAML.replace(
            "{type: lines, path: items.txt}", "{type: folder, path: a, include: ['*.jpg'], exclude: []}"
        ),
    ],
)
def test_schema_accepts_what_the_loader_accepts(schema_errors, plugins, tmp_path, text):
    assert rejected_by_schema_and_loader(text, schema_errors, plugins, tmp_path) == (False, False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n",
        MINIMAL_YAML.replace("name: things\n", ""),
        MINIMAL_YAML.replace("source: {type: lines, path: items.txt}\n", ""),
        MINIMAL_YAML.replace("encoder: {type: morgan}\n", ""),
        MINIMAL_YAML.replace("things", "my things"),
        MINIMAL_YAML.replace("things", "12"),
        MINIMAL_YAML.replace("things", "a" * 64),
        MINIMAL_YAML.replace("lines", "line"),
        MINIMAL_YAML.replace("path", "pth"),
        MINIMAL_YAML.replace(", path: items.txt", ""),
        MINIMAL_YAML.replace("{type: lines, path: items.txt}", "lines"),
        MINIMAL_YAML.replace("morgan", "morgan, bits: '32'"),
        MINIMAL_YAML.replace("morgan", "morgan, bits: 12"),
        MINIMAL_YAML.replace("morgan", "morgan, bit: 64"),
        MINIMAL_YAML + "indx: auto\n",
        MINIMAL_YAML + "index: 3\n",
        MINIMAL_YAML + "index: {metric: COSIN}\n",
        MINIMAL_YAML + "index: HNSWW\n",
        MINIMAL_YAML + "index: {params: {M: [1]}}\n",
        MINIMAL_YAML + "index: {params: {MM: 1}}\n",
        MINIMAL_YAML + "index: {type: HNSW, search: {ef: 64.5}}\n",
        MINIMAL_YAML + "index: {type: HNSW, search: {nprobe: 8}}\n",
        MINIMAL_YAML + "index: {type: IVF_FLAT, params: {nlist: 0}}\n",
        MINIMAL_YAML + "index: {type: FLAT, params: {nlist: 1}}\n",
        MINIMAL_YAML + "hybrid: yes\n",
        MINIMAL_YAML + "fields: {a: varchar}\n",
        MINIMAL_YAML + "fields: {a: text}\n",
        MINIMAL_YAML + "fields: {a b: int64}\n",
        MINIMAL_YAML + "fields: [a]\n",
        MINIMAL_YAML + "stores: {milvus: 3}\n",
        MINIMAL_YAML + "stores: {timeout: 0}\n",
        MINIMAL_YAML + "ingest: {workers: 0}\n",
        MINIMAL_YAML + "ingest: {max_failures: -1}\n",
        MINIMAL_YAML + "ingest: {max_failures: many}\n",
        MINIMAL_YAML + "ingest:\n",
        MINIMAL_YAML + "rerank: {type: keyword}\n",
    ],
)
def test_schema_rejects_what_the_loader_rejects(schema_errors, plugins, tmp_path, text):
    assert rejected_by_schema_and_loader(text, schema_errors, plugins, tmp_path) == (True, True)


def test_every_plugin_is_in_it_with_all_of_its_parameters(schema, plugins):
    for kind, registry in [("source", plugins.sources), ("encoder", plugins.encoders), ("rerank", plugins.rerankers)]:
        assert schema["properties"][kind]["oneOf"] == [
            {"$ref": f"#/$defs/{registry.kind}.{entry.name}"} for entry in registry
        ]
        for entry in registry:
            block = schema["$defs"][f"{registry.kind}.{entry.name}"]
            assert list(block["properties"]) == ["type", *registry.load(entry.name).Params.model_fields]
            assert (block["properties"]["type"], block["description"]) == ({"const": entry.name}, entry.summary)
            assert block["additionalProperties"] is False


def test_every_key_is_described(schema):
    blocks = {"solution": schema, **schema["$defs"]}
    silent = [
        f"{name}.{key}"
        for name, block in blocks.items()
        for key, value in block.get("properties", {}).items()
        if key != "type" and not {"description", "$ref"} & value.keys()
    ]
    assert silent == []
    assert all(block.get("description") for name, block in blocks.items())


def test_two_plugins_may_name_a_nested_model_alike():
    """Each block keeps its own, whatever another one calls ``Window``."""
    manager = create_manager(entry_points=False)
    for kind in ("integer", "string"):
        manager.register(_Windowed(kind), kind)
    schema = json_schema(manager)
    for kind in ("integer", "string"):
        window = schema["$defs"][f"encoder.{kind}"]["properties"]["window"]
        assert window == {"$ref": f"#/$defs/encoder.{kind}.Window", "description": "Nested."}
        assert schema["$defs"][f"encoder.{kind}.Window"]["properties"]["size"]["type"] == kind


def test_schema_of_a_plugin_that_cannot_be_imported_accepts_anything():
    manager = create_manager(entry_points=False)
    manager.register(_Windowed("missing"), "missing")
    validator = Draft202012Validator(json_schema(manager)["$defs"]["encoder.missing"])
    assert validator.is_valid({"type": "missing", "whatever": 1})
    assert not validator.is_valid({"type": "other"})


class _Windowed:
    """A plugin with one encoder, whose class is found in this module by its kind."""

    def __init__(self, kind):
        self.kind = kind

    @hookimpl
    def register_encoders(self, encoders):
        encoders.add(self.kind, f"{__name__}:{self.kind.title()}", summary="for tests")


def _encoder(type_):
    window = create_model("Window", __base__=Params, size=(type_, ...))
    params = create_model("Params", __base__=Encoder.Params, window=(window, Field(description="Nested.")))
    return type("Windowed", (Hashed,), {"Params": params})


Integer, String = _encoder(int), _encoder(str)
