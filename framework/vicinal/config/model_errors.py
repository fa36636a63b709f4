"""Validation of a document's data by a pydantic model: each error becomes a problem with its line and column."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args

import orjson
from pydantic import BaseModel, ValidationError

from vicinal.config.document import Document, Loc
from vicinal.plugin.params import Params

__all__ = ["validate_model"]

M = TypeVar("M", bound=BaseModel)


def validate_model(
    document: Document,
    model: type[M],
    data: Any,
    prefix: Loc = (),
    *,
    context: Mapping[str, Any] | None = None,
    blocks: Sequence[str] = (),
) -> M | None:
    """The model of this data, or None, with each mistake added to the document's problems.

    Args:
        prefix: where the data stands in the document.
        context: what pydantic hands to the validators.
        blocks: keys of the document that have a ``type`` beside the model's own keys.
    """
    try:
        return model.model_validate_json(orjson.dumps(data), strict=True, context=dict(context or {}))
    except ValidationError as error:
        details: dict[Loc, list[Any]] = {}
        for detail in error.errors(include_url=False):
            loc = _to_yaml_loc(prefix + detail["loc"], detail["type"] == "missing", document.data)
            details.setdefault(loc, []).append(detail)
        for loc, errors in details.items():
            document.add_problem(loc, _format_errors(document, errors, model, loc, blocks))
        return None


def _format_errors(
    document: Document, details: Sequence[Any], model: type[BaseModel], loc: Loc, blocks: Sequence[str]
) -> str:
    """One message for pydantic's errors of one value; of a union it reports one for each branch."""
    kind, value = details[0]["type"], details[0]["input"]
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return _unknown_key_message(_innermost_model(model, loc, document.data), loc, blocks)
    first, *others = [str(detail["msg"]).removeprefix("Value error, ") for detail in details]
    message = " or ".join(
        [first[:1].lower() + first[1:], *(other.removeprefix("Input should be ") for other in others)]
    )
    secret = loc[:1] == ("stores",) or document.is_from_environment(loc)
    return message if secret or kind == "value_error" else f"{message}, not {_format_value(value)}"


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


def _innermost_model(model: type[BaseModel], loc: Loc, data: Any) -> type[BaseModel]:
    """The model that a key of the data belongs to: the given one, or one nested in it, also in a list or a union."""
    for step in loc[:-1]:
        data = data[step]
        field = model.model_fields.get(str(step))
        nested = list(_iter_models(field.annotation)) if field is not None else []
        if len(nested) > 1:  # a union, whose members differ in their `type`
            type_ = data.get("type") if isinstance(data, dict) else None
            nested = [one for one in nested if get_args(one.model_fields["type"].annotation) == (type_,)]
        model = nested[0] if nested else model
    return model


def _iter_models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _iter_models(argument)


def _unknown_key_message(model: type[BaseModel], loc: Loc, blocks: Sequence[str]) -> str:
    """The key's present name if it was renamed, else the nearest known key, else all keys of the model."""
    key = str(loc[-1])
    if issubclass(model, Params) and key in model.renamed_keys:
        return f"renamed to {model.renamed_keys[key]!r}"
    names = [*model.model_fields, *(["type"] if loc[0] in blocks and len(loc) == 2 else [])]
    near = difflib.get_close_matches(key, names, n=1)
    return "unknown key" + (f", did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(names))}")
