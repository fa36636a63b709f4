"""The JSON Schema of a benchmark's YAML, with the parameters of all indexes, for editors and programs."""

from __future__ import annotations

from typing import Any

from vicinal.bench.config import BenchConfig
from vicinal.config.indexes import INDEXES
from vicinal.config.schema import add_index_parameters

__all__ = ["bench_json_schema"]


def bench_json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of the YAML that ``load_bench_config`` accepts."""
    schema = BenchConfig.model_json_schema()
    schema["properties"]["stores"].pop("default")
    definitions = schema["$defs"]
    definitions["IndexMatrix"]["properties"]["type"]["enum"] = list(INDEXES)
    add_index_parameters(definitions["IndexMatrix"], list(INDEXES), definitions)
    for name in {f"index.{index.search.__name__}" for index in INDEXES.values()}:
        properties = definitions[name].get("properties", {})
        properties.update({key: _allow_lists(value) for key, value in properties.items()})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _allow_lists(parameter: dict[str, Any]) -> dict[str, Any]:
    """A search parameter that is a value, or a list of values that are all measured."""
    about: dict[str, Any] = {key: parameter.pop(key) for key in ("title", "description", "default") if key in parameter}
    return {"anyOf": [parameter, {"type": "array", "items": parameter, "minItems": 1}], **about}
