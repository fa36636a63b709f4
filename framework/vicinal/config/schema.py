"""The JSON Schema of a solution's YAML, with the parameters of all installed plugins, for editors and programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vicinal.config.indexes import INDEXES, parameters_of
from vicinal.config.models import SolutionConfig
from vicinal.errors import PluginError
from vicinal.plugin.manager import Manager
from vicinal.plugin.registry import Registry

__all__ = ["add_index_parameters", "json_schema"]


def json_schema(manager: Manager) -> dict[str, Any]:
    """The schema (draft 2020-12) of the YAML that ``load_config`` accepts."""
    schema = SolutionConfig.model_json_schema()
    definitions = schema["$defs"]
    definitions.pop("Block", None)
    properties = schema["properties"]
    properties["source"] = _plugin_union(manager.sources, definitions) | _description_of(properties["source"])
    properties["encoder"] = _plugin_union(manager.encoders, definitions) | _description_of(properties["encoder"])
    properties["rerank"] = _plugin_union(manager.rerankers, definitions) | _description_of(properties["rerank"])
    properties["index"] = _index_schema(definitions) | _description_of(properties["index"])
    properties["fields"]["additionalProperties"] = False
    definitions.pop("Params", None)
    properties["plugins"] = _plugin_settings(manager, definitions) | _description_of(properties["plugins"])
    for block, key in (
        (properties, "stores"),
        (properties, "ingest"),
        (definitions["IngestConfig"]["properties"], "ray"),
    ):
        block[key].pop("default", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _index_schema(definitions: dict[str, Any]) -> dict[str, Any]:
    """An index: its type alone, or a block whose parameters are those of its type."""
    block = definitions["IndexConfig"]
    add_index_parameters(block, ("auto", *INDEXES), definitions)
    return {"anyOf": [block["properties"]["type"], {"$ref": "#/$defs/IndexConfig"}], "default": "auto"}


def add_index_parameters(block: dict[str, Any], types: Iterable[str], definitions: dict[str, Any]) -> None:
    """Have ``params`` and ``search`` of a block be those of its ``type``; adds their definitions, ``index.NAME``."""
    block["allOf"] = [_if_type_then_parameters(name, definitions) for name in types]


def _if_type_then_parameters(name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    properties = {}
    for key in ("params", "search"):
        model = parameters_of(name, key)
        definitions[f"index.{model.__name__}"] = model.model_json_schema()
        properties[key] = {"$ref": f"#/$defs/index.{model.__name__}"}
    required = [] if name == "auto" else ["type"]  # a block without a type is one of type auto
    return {"if": {"properties": {"type": {"const": name}}, "required": required}, "then": {"properties": properties}}


def _description_of(property_: dict[str, Any]) -> dict[str, Any]:
    return {"description": property_["description"]} if "description" in property_ else {}


def _plugin_settings(manager: Manager, definitions: dict[str, Any]) -> dict[str, Any]:
    """The settings of each plugin that has some."""
    for name, params in manager.settings.items():
        definitions[f"plugin.{name}"] = params.model_json_schema(ref_template=f"#/$defs/plugin.{name}.{{model}}")
    known = {name: {"$ref": f"#/$defs/plugin.{name}"} for name in sorted(manager.settings)}
    return {"type": "object", "properties": known, "additionalProperties": False}


def _plugin_union(registry: Registry[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    names = []
    for entry in registry:
        name = f"{registry.kind}.{entry.name}"
        block = _params_schema(registry, entry.name, definitions)
        block["title"] = entry.name
        block["description"] = entry.summary
        block["properties"] = {"type": {"const": entry.name}, **block.get("properties", {})}
        block["required"] = ["type", *block.get("required", [])]
        definitions[name] = block
        names.append({"$ref": f"#/$defs/{name}"})
    return {"oneOf": names}


def _params_schema(registry: Registry[Any], name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a plugin's parameters; that of a plugin that cannot be imported accepts anything."""
    try:
        params = registry.load(name).Params
    except PluginError:
        return {"type": "object"}
    block: dict[str, Any] = params.model_json_schema(ref_template=f"#/$defs/{registry.kind}.{name}.{{model}}")
    definitions.update({f"{registry.kind}.{name}.{key}": value for key, value in block.pop("$defs", {}).items()})
    return block
