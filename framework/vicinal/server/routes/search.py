"""The route that searches."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from fastapi import APIRouter, Depends, Request, Response

from vicinal.errors import FilterError, ItemError, VicinalError
from vicinal.plugin.encoder_calls import decode_query
from vicinal.search.query_encoder import name_query
from vicinal.server import schemas
from vicinal.server.api_errors import ApiError, from_vicinal_error, invalid_value, unsuitable_value
from vicinal.server.openapi import describe_body, describe_form
from vicinal.server.parameters import Whole, refuse_unknown_parameters
from vicinal.server.paths import content_path
from vicinal.server.request_body import Form, is_multipart, parse_form, read_json_object
from vicinal.server.responses import json_response
from vicinal.server.service import SolutionService
from vicinal.server.state import get_service
from vicinal.types import Hit, SearchRequest, SearchResult, Segment

__all__ = ["router", "to_encoder_query"]

router = APIRouter(prefix="/api/{name}", tags=["search"], dependencies=[Depends(refuse_unknown_parameters)])

_FORM_FIELDS = {
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
}
_FORM = describe_form(_FORM_FIELDS)


@router.post(
    "/search",
    summary="Search by a typed query, by an indexed item or by a file",
    responses={200: {"model": schemas.SearchResponse | schemas.MultiSearchResponse}},
    openapi_extra=describe_body(schemas.SearchRequest, schemas.MultiSearchRequest, form=_FORM),
)
async def search(request: Request, name: str, whole: Whole = False) -> Response:
    service = get_service(request, name)
    if is_multipart(request):
        async with parse_form(request, "file", *_FORM_FIELDS) as form:
            result = await _search_by_file(service, form)
            return _single_response(request, service, result, whole, "file", form.get_file("file").filename)
    data = await read_json_object(request)
    if ("query" in data) == ("queries" in data):
        raise invalid_value("body", "give either query or queries")
    if "queries" in data:
        several = schemas.MultiSearchRequest.model_validate(data)
        return _multi_response(request, service, await _search_many(service, several), whole, several.queries)
    body = schemas.SearchRequest.model_validate(data)
    _check_limits(service, body.limit, body.filter, body.item_filters)
    query = to_encoder_query(service, body.query, "query")
    results = await service.search([SearchRequest(query, body.limit, body.filter, item_filters=body.item_filters)])
    return _single_response(request, service, results[0], whole, "query", body.query)


async def _search_many(
    service: SolutionService, body: schemas.MultiSearchRequest
) -> Sequence[SearchResult | Exception]:
    _check_limits(service, body.limit, body.filter, body.item_filters)
    if not 1 <= len(body.queries) <= service.settings.max_queries:
        raise invalid_value("queries", f"must be 1 to {service.settings.max_queries} in one call")
    queries = [to_encoder_query(service, query, f"queries.{number}") for number, query in enumerate(body.queries)]
    return await service.search(
        [SearchRequest(query, body.limit, body.filter, item_filters=body.item_filters) for query in queries]
    )


async def _search_by_file(service: SolutionService, form: Form) -> SearchResult | Exception:
    limit, filter = form.get_int("limit", 10), form.get_text("filter", "")
    item_filters = _parse_item_filters(form.get_text("item_filters", "{}"))
    _check_limits(service, limit, filter, item_filters)
    upload = form.get_file("file")
    if not service.takes_files:
        raise unsuitable_value("file", f"{service.name!r} cannot be searched by a file", _search_hint(service))
    segments = await service.run_blocking(_decode_upload, service, upload.file, upload.filename or "")
    return (await service.search([SearchRequest("", limit, filter, segments, item_filters)]))[0]


def _decode_upload(service: SolutionService, file: BinaryIO, name: str) -> Sequence[Segment]:
    with service.uploads.temporary_file(file, name) as path:
        try:
            return decode_query(service.solution.encoder, path)
        except VicinalError as error:
            if isinstance(error, ItemError):
                message = str(error).replace(str(path), "the file").replace(path.name, "the file")
                raise _error_for(ItemError(message, error.hint), "file", name) from error
            raise
        except Exception as error:  # whatever a file does to a decoder, it is the file's fault
            raise invalid_value("file", f"it cannot be read: {type(error).__name__}") from error


def to_encoder_query(service: SolutionService, query: str, location: str) -> str:
    """Return a query in the form that is safe to pass to the encoder: a text or ``@key``, never a path.

    Raises:
        ApiError: 422, it is empty or too long; 409, the solution cannot be searched by text.
    """
    if not query:
        raise invalid_value(location, "is empty")
    if len(query) > service.settings.max_query_chars:
        raise invalid_value(location, f"must have at most {service.settings.max_query_chars:,} characters")
    if query.startswith("@"):
        return query
    if service.typed_modality is None:
        raise unsuitable_value(location, f"{service.name!r} cannot be searched by a text", _search_hint(service))
    if service.takes_files:
        return f"text:{query.removeprefix(chr(92)) if query.startswith(chr(92) + '@') else query}"
    return query


def _search_hint(service: SolutionService) -> str:
    ways = [
        f"{modality.label} in `query`" if modality.input == "text" else f"a file ({modality.label})"
        for modality in service.modalities
    ]
    return f"search by {', '.join([*ways, '@key of an indexed item'])}"


def _parse_item_filters(text: str) -> dict[str, str]:
    """Return the item filters of a form.

    Raises:
        ApiError: 422, they are no JSON object of texts.
    """
    try:
        return schemas.SearchRequest(query="", item_filters=json.loads(text)).item_filters
    except (ValueError, RecursionError):
        raise invalid_value("item_filters", "must be a JSON object of texts") from None


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


# --- responses


def _single_response(
    request: Request,
    service: SolutionService,
    result: SearchResult | Exception,
    whole: bool,
    location: str,
    query: str | None,
) -> Response:
    if isinstance(result, Exception):
        raise _error_for(result, location, query or "")
    return json_response({"solution": service.name, **_result_to_json(request, service, result, whole)})


def _multi_response(
    request: Request,
    service: SolutionService,
    results: Sequence[SearchResult | Exception],
    whole: bool,
    queries: Sequence[str],
) -> Response:
    failed = [
        _error_for(result, f"queries.{number}", queries[number])
        for number, result in enumerate(results)
        if isinstance(result, Exception)
    ]
    if failed:
        if isinstance(failed[0], ApiError):
            failed[0].errors = [line for error in failed for line in _error_lines(error)]
        raise failed[0]
    answered = [result for result in results if isinstance(result, SearchResult)]
    return json_response(
        {"solution": service.name, "results": [_result_to_json(request, service, one, whole) for one in answered]}
    )


def _error_lines(error: Exception) -> list[str]:
    return list(error.errors) if isinstance(error, ApiError) else [str(error)]


def _error_for(error: Exception, location: str, query: str) -> Exception:
    """Locate the error of a query, and name the query as a terminal does; an unexpected one is returned as it is."""
    if not isinstance(error, VicinalError):
        return error
    converted = from_vicinal_error(error, "filter" if isinstance(error, FilterError) else location)
    if isinstance(error, ItemError):
        converted.error = str(name_query(error, query))
    return converted


def _result_to_json(request: Request, service: SolutionService, result: SearchResult, whole: bool) -> dict[str, Any]:
    return {
        "hits": [_hit_to_json(request, service, hit, whole) for hit in result.hits],
        "timings_ms": {name: round(value, 3) for name, value in result.timings_ms.items()},
    }


def _hit_to_json(request: Request, service: SolutionService, hit: Hit, whole: bool) -> dict[str, Any]:
    return {
        **hit.to_dict(whole=whole),
        "title": service.read_title(hit),
        "kind": service.display_kind(hit.uri),
        "content_label": service.item_modality.label,
        "content_url": content_path(request, service.name, hit.key),
    }
