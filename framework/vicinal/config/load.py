"""Reading a solution's YAML: all mistakes at once, each with its line and column."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from vicinal.config.document import Document, Loc
from vicinal.config.locations import milvus_location_problem
from vicinal.config.model_errors import validate_model
from vicinal.config.models import Block, SolutionConfig
from vicinal.config.ray_config import find_missing_ray
from vicinal.config.redis_location import redis_location_problem
from vicinal.config.redis_nodes import is_nodes_url
from vicinal.config.store_secrets import check_secrets
from vicinal.errors import ConfigError, PluginError
from vicinal.plugin.manager import Manager
from vicinal.plugin.params import Params
from vicinal.plugin.registry import Registry

__all__ = ["check_config", "load_config"]

_BLOCKS = ("source", "encoder", "rerank")


def load_config(path: str | Path, manager: Manager, text: str | None = None) -> SolutionConfig:
    """Read and check a solution's YAML file. Relative paths in it are relative to its folder.

    Args:
        text: what the file is to hold; by default it is read.

    Raises:
        ConfigError: the file cannot be read, or has mistakes; ``problems`` lists them all.
    """
    config, problems = check_config(path, manager, text)
    if config is None:
        count = len(problems)
        raise ConfigError(
            f"{path} has {count} mistake{'s' if count > 1 else ''}",
            problems=problems,
            hint="`vicinal schema` prints every key and its values; editors can use it too",
        )
    return config


def check_config(
    path: str | Path, manager: Manager, text: str | None = None, *, for_ingest: bool = False
) -> tuple[SolutionConfig | None, list[str]]:
    """The config, or None and its problems as lines ``file:line:col: key: message``; ``text`` stands for the file's.

    Args:
        for_ingest: whether what an ingest alone needs must be installed; a process that searches does without.

    Raises:
        ConfigError: the file cannot be read.
    """
    path = Path(path)
    document = Document.read_file(path) if text is None else Document.read(text)
    config = _Checker(document, manager, path.resolve().parent).check()
    if for_ingest and config is not None and config.ingest.engine == "ray" and (command := find_missing_ray()):
        document.add_problem(("ingest", "engine"), f"ray is not installed; {command}")
        config = None
    return config, [problem.format(path) for problem in sorted(set(document.problems))]


class _Checker:
    """Validates a document block by block, so that a mistake in one block does not hide those in another."""

    def __init__(self, document: Document, manager: Manager, base: Path) -> None:
        self._document = document
        self._base = base
        self._context = {"base": base, "encoders": manager.encoders}
        self._settings = manager.settings
        self._registries: dict[str, Registry[Any]] = {
            "source": manager.sources,
            "encoder": manager.encoders,
            "rerank": manager.rerankers,
        }

    def check(self) -> SolutionConfig | None:
        data = self._document.data
        if self._document.problems and data is None:
            return None
        if not isinstance(data, dict):
            self._document.add_problem((), "a solution is a mapping with name, source and encoder")
            return None
        data = dict(data)
        blocks = {key: self._check_block(key, data[key]) for key in _BLOCKS if key in data}
        if isinstance(data.get("index"), str):
            data["index"] = {"type": data["index"]}
        check_secrets(self._document)
        settings = self._validate_settings(data.pop("plugins", None))
        without_blocks = {**data, **{key: {"type": "", "params": None} for key in blocks}}
        config = self._validate_model(SolutionConfig, without_blocks, ())
        if config is None or self._document.problems:
            return None
        config = self._resolve_stores(config.model_copy(update={**blocks, "plugins": settings}))
        return None if self._document.problems else config

    def _check_block(self, key: str, data: Any) -> Block | None:
        if data is None and key == "rerank":
            return None
        if not isinstance(data, dict):
            is_type = isinstance(data, str) and data in self._registries[key]
            example = f"{{type: {data}}}" if is_type else "{type: …}"
            self._document.add_problem((key,), f"must be a block with `type` and parameters: {example}")
            return None
        name = data.get("type")
        if not isinstance(name, str):
            known = ", ".join(entry.name for entry in self._registries[key])
            self._document.add_problem((key, "type") if "type" in data else (key,), f"needs a `type`, one of: {known}")
            return None
        try:
            cls = self._registries[key].load(name)
        except PluginError as error:
            self._document.add_problem((key, "type"), f"{error}" + (f"; {error.hint}" if error.hint else ""))
            return None
        params = self._validate_model(cls.Params, {k: v for k, v in data.items() if k != "type"}, (key,))
        return None if params is None else Block(type=name, params=params)

    def _validate_settings(self, data: Any) -> dict[str, Params]:
        """What ``plugins`` says for each plugin that has settings."""
        if not isinstance(data, dict):
            if data is not None:
                self._document.add_problem(("plugins",), "needs a mapping of plugins' names to their settings")
            return {}
        settings: dict[str, Params] = {}
        for name, block in data.items():
            loc = ("plugins", name)
            if name not in self._settings:
                known = ", ".join(sorted(self._settings)) or "none"
                self._document.add_problem(loc, f"no plugin of this name has settings; those that have: {known}")
            elif not isinstance(block, dict):
                self._document.add_problem(loc, "needs a mapping of settings")
            elif (found := self._validate_model(self._settings[name], block, loc)) is not None:
                settings[name] = found
        return settings

    def _validate_model(self, model: type[BaseModel], data: dict[str, Any], prefix: Loc) -> Any:
        return validate_model(self._document, model, data, prefix, context=self._context, blocks=_BLOCKS)

    def _resolve_stores(self, config: SolutionConfig) -> SolutionConfig:
        """Apply the default stores, and make their paths absolute."""
        stores = config.stores
        milvus = stores.milvus or os.environ.get("MILVUS_URI") or f".vicinal/{config.name}/milvus.db"
        if reason := milvus_location_problem(milvus):
            self._document.add_problem(("stores", "milvus"), reason if stores.milvus else f"MILVUS_URI {reason}")
        redis = stores.redis or os.environ.get("REDIS_URL") or ".vicinal/redis"
        if reason := redis_location_problem(redis):
            self._document.add_problem(("stores", "redis"), reason if stores.redis else f"REDIS_URL {reason}")
        locations = {"milvus": self._absolute_or_uri(milvus, "milvus"), "redis": self._absolute_or_uri(redis, "redis")}
        return config.model_copy(update={"stores": stores.model_copy(update=locations)})

    def _absolute_or_uri(self, location: str, key: str) -> str:
        """A store's URI unchanged, or its path made absolute."""
        try:
            if "://" not in location:
                return str(self._base / Path(location).expanduser())
            if not is_nodes_url(location):
                urlsplit(location).port  # noqa: B018 - reading it checks it
        except (ValueError, RuntimeError):
            example = "http://host:19530" if key == "milvus" else "redis://host:6379/0"
            self._document.add_problem(("stores", key), f"is neither a path nor a valid URI such as {example}")
        return location
