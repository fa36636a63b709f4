"""Reading a solution's YAML: every mistake at once, each with its line and column."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from pydantic import BaseModel, ValidationError

from vicinal.config.document import Document, Loc
from vicinal.config.models import Block, SolutionConfig
from vicinal.errors import ConfigError, PluginError
from vicinal.plugins import Manager, Registry

__all__ = ["check_config", "load_config"]

_BLOCKS = ("source", "encoder", "rerank")


def load_config(path: str | Path, manager: Manager) -> SolutionConfig:
    """Read and check a solution's YAML file. Relative paths in it become relative to its folder.

    Raises:
        ConfigError: the file cannot be read, or says something wrong; its ``problems`` list every mistake.
    """
    config, problems = check_config(path, manager)
    if config is None:
        count = len(problems)
        raise ConfigError(
            f"{path} has {count} mistake{'s' if count > 1 else ''}",
            problems=problems,
            hint="`vicinal schema` prints what a file may say; editors read it too",
        )
    return config


def check_config(path: str | Path, manager: Manager) -> tuple[SolutionConfig | None, list[str]]:
    """The config, or None and its problems as lines ``file:line:col: key: message``."""
    path = Path(path)
    try:
        document = Document.read(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", hint="`vicinal init` writes a new one") from error
    except UnicodeDecodeError as error:
        return None, [f"{path}:1:1: not UTF-8: {error.reason} at byte {error.start}"]
    config = _Checker(document, manager, path.resolve().parent).check()
    return config, [problem.at(path) for problem in sorted(set(document.problems))]


class _Checker:
    """Validates one document piece by piece, so that a mistake in one block does not hide those in another."""

    def __init__(self, document: Document, manager: Manager, base: Path) -> None:
        self._document = document
        self._base = base
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
            self._document.add((), "a solution is a mapping with name, source and encoder")
            return None
        data = dict(data)
        blocks = {key: self._block(key, data[key]) for key in _BLOCKS if data.get(key) is not None}
        if isinstance(data.get("index"), str):
            data["index"] = {"type": data["index"]}
        self._check_secrets(data.get("stores"))
        frame = {**data, **{key: {"type": "", "params": None} for key in blocks}}
        config = self._validate(SolutionConfig, frame, ())
        if config is None or self._document.problems:
            return None
        return self._settle(config.model_copy(update=blocks))

    def _block(self, key: str, data: Any) -> Block | None:
        if not isinstance(data, dict):
            self._document.add((key,), "a block with `type` and its parameters")
            return None
        name = data.get("type")
        if not isinstance(name, str):
            known = ", ".join(entry.name for entry in self._registries[key])
            self._document.add((key, "type") if "type" in data else (key,), f"needs a `type`: one of {known}")
            return None
        try:
            cls = self._registries[key].load(name)
        except PluginError as error:
            self._document.add((key, "type"), f"{error}" + (f"; {error.hint}" if error.hint else ""))
            return None
        params = self._validate(cls.Params, {k: v for k, v in data.items() if k != "type"}, (key,))
        return None if params is None else Block(type=name, params=params)

    def _validate(self, model: type[BaseModel], data: dict[str, Any], prefix: Loc) -> Any:
        try:
            return model.model_validate_json(orjson.dumps(data), strict=True, context={"base": self._base})
        except ValidationError as error:
            messages: dict[Loc, list[str]] = {}
            for detail in error.errors(include_url=False):
                loc = _without_union_tags(prefix + detail["loc"], self._document.data)
                messages.setdefault(loc, []).append(_message(detail, model, loc))
            for loc, found in messages.items():
                self._document.add(loc, ", or ".join(found))
            return None

    def _check_secrets(self, stores: Any) -> None:
        if not isinstance(stores, dict):
            return
        for key, value in stores.items():
            loc = ("stores", key)
            secret = isinstance(value, str) and (key == "token" or urlsplit(value).password is not None)
            if secret and loc not in self._document.from_environment:
                self._document.add(loc, "a secret stands in the file; write it as ${NAME} and set that variable")

    def _settle(self, config: SolutionConfig) -> SolutionConfig:
        """Fill in the default stores, and make their paths absolute."""
        stores = config.stores
        milvus = stores.milvus or os.environ.get("MILVUS_URI") or f".vicinal/{config.name}/milvus.db"
        redis = stores.redis or os.environ.get("REDIS_URL") or ".vicinal/redis"
        if "://" not in milvus:
            milvus = str(self._base / Path(milvus).expanduser())
        if "://" not in redis:
            redis = str(self._base / Path(redis).expanduser())
        return config.model_copy(update={"stores": stores.model_copy(update={"milvus": milvus, "redis": redis})})


def _without_union_tags(loc: Loc, data: Any) -> Loc:
    """Pydantic adds the name of a union's branch to a place; keep the steps that are in the data, and a missing key."""
    kept: list[str | int] = []
    for number, step in enumerate(loc):
        inside = (isinstance(data, dict) and step in data) or (isinstance(data, list) and isinstance(step, int))
        if inside:
            data = data[step]
        elif number != len(loc) - 1 or not isinstance(data, dict):
            continue
        kept.append(step)
    return tuple(step for step in kept if not (isinstance(step, str) and re.search(r"[\[\]()]", step)))


def _message(detail: Any, model: type[BaseModel], loc: Loc) -> str:
    if detail["type"] == "missing":
        return "is missing"
    if detail["type"] == "extra_forbidden":
        names = _names(model, loc)
        near = difflib.get_close_matches(str(loc[-1]), names, n=1)
        return "unknown key" + (f", did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(names))}")
    message = str(detail["msg"]).removeprefix("Value error, ")
    secret = loc[0] == "stores" or detail["type"] == "value_error"
    return message[:1].lower() + message[1:] + ("" if secret else f", not {detail['input']!r}")


def _names(model: type[BaseModel], loc: Loc) -> list[str]:
    """The keys that are known at a place: those of the model, or of the model nested in it."""
    for step in loc[:-1]:
        found = model.model_fields.get(str(step))
        if found is not None and isinstance(found.annotation, type) and issubclass(found.annotation, BaseModel):
            model = found.annotation
    extra = ["type"] if loc[0] in _BLOCKS and len(loc) == 2 else []
    return [*model.model_fields, *extra]
