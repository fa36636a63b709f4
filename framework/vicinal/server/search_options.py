"""What a search request over HTTP says beside its file: checked, and in the form that the encoder may be given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from vicinal.search.request_check import explain_min_similarity, vector_to_text
from vicinal.search.typed_query import to_typed_query
from vicinal.server import schemas
from vicinal.server.api_errors import ApiError, invalid_value, unsuitable_value
from vicinal.server.request_body import Form
from vicinal.server.service import SolutionService
from vicinal.types import SearchRequest

__all__ = ["FORM_FIELDS", "describe_ways", "parse_options", "to_encoder_query", "to_request"]

_MAX_NUMBER_CHARS = 32
_EXAMPLES = {
    "type": "string",
    "format": "examples",
    "default": "[]",
    "description": "A JSON array, as in a body of JSON.",
}
FORM_FIELDS: Mapping[str, Any] = {
    "limit": {"type": "integer", "minimum": 1, schemas.BOUNDS: {"maximum": "max_limit"}, "default": 10},
    "filter": {
        "type": "string",
        "format": "milvus-expression",
        schemas.BOUNDS: {"maxLength": "max_query_chars"},
        "default": "",
    },
    "item_filters": {
        "type": "string",
        "format": "item-filters",
        "default": "{}",
        "description": "A JSON object, as in a body of JSON.",
    },
    "like": _EXAMPLES,
    "unlike": _EXAMPLES,
    "min_similarity": {"type": "number", "minimum": -schemas.MAX_SIMILARITY, "maximum": schemas.MAX_SIMILARITY},
    "diversity": {"type": "number", "minimum": 0, "maximum": 1, "default": 0},
}


def parse_options(form: Form) -> schemas.SearchOptions:
    """Parse the fields of a form.

    Raises:
        ApiError: 422, one of them is not what its schema says.
    """
    fields: dict[str, Any] = {
        "limit": form.get_int("limit", 10),
        "filter": form.get_text("filter", ""),
        "item_filters": _parse_json(form, "item_filters", "{}", "must be a JSON object of texts"),
        "like": _parse_json(form, "like", "[]", "must be a JSON array of texts"),
        "unlike": _parse_json(form, "unlike", "[]", "must be a JSON array of texts"),
        "min_similarity": form.get_number("min_similarity", None),
        "diversity": form.get_number("diversity", 0.0),
    }
    return schemas.SearchOptions.model_construct(**fields)


def _parse_json(form: Form, name: str, default: str, message: str) -> Any:
    """The value of a field that holds JSON."""
    try:
        value = {name: json.loads(form.get_text(name, default))}
        return getattr(schemas.SearchOptions.model_validate(value), name)
    except (ValidationError, ValueError, RecursionError):
        raise invalid_value(name, message) from None


def to_request(service: SolutionService, options: schemas.SearchOptions) -> SearchRequest:
    """The request that these options make, without its query.

    Raises:
        ApiError: 422, a value is out of range; 409, this solution cannot use it.
    """
    _check_limits(service, options.limit, options.filter, options.item_filters)
    if not 0.0 <= options.diversity <= 1.0:
        raise invalid_value("diversity", "must be 0 to 1")
    if options.min_similarity is not None and (
        reason := explain_min_similarity(options.min_similarity, service.solution.metric)
    ):
        line = f"min_similarity: {reason}"
        raise ApiError(
            409,
            f"min_similarity is {options.min_similarity}",
            errors=[line],
            hint=reason,
            extra={"type": "VicinalError"},
        )
    return SearchRequest(
        limit=options.limit,
        filter=options.filter,
        item_filters=options.item_filters,
        like=_to_encoder_examples(service, options.like, "like"),
        unlike=_to_encoder_examples(service, options.unlike, "unlike"),
        min_similarity=options.min_similarity,
        diversity=options.diversity,
    )


def _to_encoder_examples(service: SolutionService, examples: Sequence[schemas.Query], location: str) -> tuple[str, ...]:
    if len(examples) > service.settings.max_queries:
        raise invalid_value(location, f"must be at most {service.settings.max_queries}")
    return tuple(to_encoder_query(service, example, f"{location}.{number}") for number, example in enumerate(examples))


def to_encoder_query(service: SolutionService, query: schemas.Query, location: str) -> str:
    """Return a query in the form that is safe to pass to the encoder: a text or ``@key``, never a path.

    A vector becomes a text, too; see ``Encoder.reads_vectors``.

    Raises:
        ApiError: 422, it is empty or too long; 409, the solution cannot be searched by text, or by a vector.
    """
    reads_vectors = service.solution.encoder.reads_vectors
    if not isinstance(query, str):
        if not reads_vectors:
            raise unsuitable_value(location, f"{service.name!r} cannot be searched by a vector", describe_ways(service))
        return to_typed_query(vector_to_text(query), service.modalities)
    if not query:
        raise invalid_value(location, "is empty")
    max_chars = service.settings.max_query_chars
    if reads_vectors:
        max_chars += _MAX_NUMBER_CHARS * service.solution.encoder.space.dimension
    if len(query) > max_chars:
        raise invalid_value(location, f"must have at most {max_chars:,} characters")
    if query.startswith("@"):
        return query
    if service.typed_modality is None:
        raise unsuitable_value(location, f"{service.name!r} cannot be searched by a text", describe_ways(service))
    return to_typed_query(query, service.modalities)


def describe_ways(service: SolutionService) -> str:
    """The hint that says what a solution can be searched by."""
    ways = [
        f"{modality.label} in `query`" if modality.input == "text" else f"a file ({modality.label})"
        for modality in service.modalities
    ]
    return f"search by {', '.join([*ways, '@key of an indexed item'])}"


def _check_limits(service: SolutionService, limit: int, filter: str, item_filters: Mapping[str, str]) -> None:
    if not 1 <= limit <= service.settings.max_limit:
        raise invalid_value("limit", f"must be 1 to {service.settings.max_limit:,}")
    if len(filter) > service.settings.max_query_chars:
        raise invalid_value("filter", f"must have at most {service.settings.max_query_chars:,} characters")
    known = [entry.name for entry in service.item_filters] if item_filters else []
    for name, pattern in item_filters.items():
        if name not in known:
            hint = f"its item filters: {', '.join(known) or 'none'}"
            raise unsuitable_value("item_filters", f"{service.name!r} cannot be filtered by {name[:64]!r}", hint)
        if len(pattern) > service.settings.max_query_chars:
            location = f"item_filters.{name[:64]}"
            raise invalid_value(location, f"must have at most {service.settings.max_query_chars:,} characters")
