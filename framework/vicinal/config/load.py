"""Reading a solution's YAML: all mistakes at once, each with its line and column."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, ValidationError

from vicinal.config.document import Document, Loc
from vicinal.config.locations import milvus_location_problem
from vicinal.config.models import Block, SolutionConfig
from vicinal.config.redis_location import redis_location_problem
from vicinal.errors import ConfigError, PluginError
from vicinal.plugin.manager import Manager
from vicinal.plugin.params import Params
from vicinal.plugin.registry import Registry

__all__ = ["check_config", "load_config"]

_BLOCKS = ("source", "encoder", "rerank")
_SECRET_IN_FILE = "the file contains a secret; write ${NAME} and set that environment variable"


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
    path: str | Path, manager: Manager, text: str | None = None
) -> tuple[SolutionConfig | None, list[str]]:
    """The config, or None and its problems as lines ``file:line:col: key: message``; ``text`` stands for the file's.

    Raises:
        ConfigError: the file cannot be read.
    """
    path = Path(path)
    try:
        document = Document.read(path.read_bytes().decode("utf-8-sig") if text is None else text)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", hint="`vicinal init` writes a new one") from error
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        return None, [f"{path}:{line}:{column}: not UTF-8: {error.reason} at byte {error.start}"]
    config = _Checker(document, manager, path.resolve().parent).check()
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
        self._check_secrets(data.get("stores"))
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
        try:
            return model.model_validate_json(orjson.dumps(data), strict=True, context=self._context)
        except ValidationError as error:
            details: dict[Loc, list[Any]] = {}
            for detail in error.errors(include_url=False):
                loc = _to_yaml_loc(prefix + detail["loc"], detail["type"] == "missing", self._document.data)
                details.setdefault(loc, []).append(detail)
            for loc, errors in details.items():
                self._document.add_problem(loc, self._format_errors(errors, model, loc))
            return None

    def _format_errors(self, details: Sequence[Any], model: type[BaseModel], loc: Loc) -> str:
        """One message for pydantic's errors of one value; of a union it reports one for each branch."""
        kind, value = details[0]["type"], details[0]["input"]
        if kind == "missing":
            return "is missing"
        if kind == "extra_forbidden":
            return _unknown_key_message(_innermost_model(model, loc), loc)
        first, *others = [str(detail["msg"]).removeprefix("Value error, ") for detail in details]
        message = " or ".join(
            [first[:1].lower() + first[1:], *(other.removeprefix("Input should be ") for other in others)]
        )
        secret = loc[0] == "stores" or self._document.is_from_environment(loc)
        return message if secret or kind == "value_error" else f"{message}, not {_format_value(value)}"

    def _check_secrets(self, stores: Any) -> None:
        for key, value in stores.items() if isinstance(stores, dict) else ():
            loc = ("stores", key)
            if isinstance(value, str) and _contains_secret(key, self._document.unexpanded.get(loc, value)):
                self._document.add_problem(loc, _SECRET_IN_FILE)

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
            urlsplit(location).port  # noqa: B018 - reading it checks it
        except (ValueError, RuntimeError):
            example = "http://host:19530" if key == "milvus" else "redis://host:6379/0"
            self._document.add_problem(("stores", key), f"is neither a path nor a valid URI such as {example}")
        return location


def _to_yaml_loc(loc: Loc, missing: bool, data: Any) -> Loc:
    """The steps of pydantic's loc that exist in the data; pydantic adds names of union branches and marks of keys."""
    kept: list[str | int] = []
    for number, step in enumerate(loc):
        exists = (isinstance(data, dict) and step in data) or (isinstance(data, list) and isinstance(step, int))
        if exists:
            data = data[step]
        if exists or (missing and number == len(loc) - 1):
            kept.append(step)
    return tuple(kept)


def _format_value(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= 80 else f"{text[:77]}…"


def _contains_secret(key: str, literal: str) -> bool:
    """Whether the file's own text, without environment variables, contains a password or a token."""
    if key == "token":
        return not re.fullmatch(r"|[^:]*:", literal)
    return bool(re.search(r"://[^/?#]*:[^/?#]+@|[?&](?:password|token)=[^&]", literal))


def _innermost_model(model: type[BaseModel], loc: Loc) -> type[BaseModel]:
    """The model that a key belongs to: the given one, or one nested in it."""
    for step in loc[:-1]:
        field = model.model_fields.get(str(step))
        if field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            model = field.annotation
    return model


def _unknown_key_message(model: type[BaseModel], loc: Loc) -> str:
    """The key's present name if it was renamed, else the nearest known key, else all keys of the model."""
    key = str(loc[-1])
    if issubclass(model, Params) and key in model.renamed_keys:
        return f"renamed to {model.renamed_keys[key]!r}"
    names = [*model.model_fields, *(["type"] if loc[0] in _BLOCKS and len(loc) == 2 else [])]
    near = difflib.get_close_matches(key, names, n=1)
    return "unknown key" + (f", did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(names))}")
