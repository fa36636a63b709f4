"""The route that searches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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
from vicinal.server.request_body import Form, is_multipart, parse_form, read_json_object, validate_object
from vicinal.server.responses import json_response
from vicinal.server.search_options import FORM_FIELDS, describe_ways, parse_options, to_encoder_query, to_request
from vicinal.server.service import SolutionService
from vicinal.server.state import get_service
from vicinal.types import Hit, SearchResult, Segment

__all__ = ["router"]

router = APIRouter(prefix="/api/{name}", tags=["search"], dependencies=[Depends(refuse_unknown_parameters)])


@router.post(
    "/search",
    summary="Search by a typed query, a vector, indexed items, examples or a file",
    responses={200: {"model": schemas.SearchResponse | schemas.MultiSearchResponse}},
    openapi_extra=describe_body(
        schemas.SearchRequest,
        schemas.MultiSearchRequest,
        schemas.ExampleSearchRequest,
        form=describe_form(FORM_FIELDS),
    ),
)
async def search(request: Request, name: str, whole: Whole = False) -> Response:
    service = get_service(request, name)
    if is_multipart(request):
        async with parse_form(request, "file", *FORM_FIELDS) as form:
            result = await _search_by_file(service, form)
            return _single_response(request, service, result, whole, "file", form.get_file("file").filename)
    data = await read_json_object(request)
    if "query" in data and "queries" in data:
        raise invalid_value("body", "give either query or queries")
    if "queries" in data:
        several = validate_object(data, schemas.MultiSearchRequest)
        return _multi_response(request, service, await _search_many(service, several), whole, several.queries)
    if "query" in data:
        body = validate_object(data, schemas.SearchRequest)
        return _single_response(
            request,
            service,
            await _search_by_text(service, body),
            whole,
            "query",
            body.query if isinstance(body.query, str) else None,
        )
    if "like" not in data:
        raise invalid_value("body", "give query, queries or like")
    examples = to_request(service, validate_object(data, schemas.ExampleSearchRequest))
    if not examples.like:
        raise invalid_value("like", "is empty; give an example, or a query")
    return _single_response(request, service, (await service.search([examples]))[0], whole, "like", "")


async def _search_by_text(service: SolutionService, body: schemas.SearchRequest) -> SearchResult | Exception:
    options = to_request(service, body)
    return (await service.search([replace(options, query=to_encoder_query(service, body.query, "query"))]))[0]


async def _search_many(
    service: SolutionService, body: schemas.MultiSearchRequest
) -> Sequence[SearchResult | Exception]:
    options = to_request(service, body)
    if not 1 <= len(body.queries) <= service.settings.max_queries:
        raise invalid_value("queries", f"must be 1 to {service.settings.max_queries} in one call")
    queries = [to_encoder_query(service, query, f"queries.{number}") for number, query in enumerate(body.queries)]
    return await service.search([replace(options, query=query) for query in queries])


async def _search_by_file(service: SolutionService, form: Form) -> SearchResult | Exception:
    options = to_request(service, parse_options(form))
    upload = form.get_file("file")
    if not service.takes_files:
        raise unsuitable_value("file", f"{service.name!r} cannot be searched by a file", describe_ways(service))
    segments = await service.run_blocking(_decode_upload, service, upload.file, upload.filename or "")
    return (await service.search([replace(options, query="", segments=segments)]))[0]


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
    queries: Sequence[schemas.Query],
) -> Response:
    failed = [
        _error_for(result, f"queries.{number}", query if isinstance(query := queries[number], str) else "")
        for number, result in enumerate(results)
        if isinstance(result, Exception)
    ]
    if failed:
        if isinstance(failed[0], ApiError):
            failed[0].errors = list(dict.fromkeys(line for error in failed for line in _error_lines(error)))
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
    location = "filter" if isinstance(error, FilterError) else error.argument or location
    converted = from_vicinal_error(error, location)
    if isinstance(error, ItemError) and not error.argument:
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
        "content_label": service.solution.encoder.content_label,
        "content_url": content_path(request, service.name, hit.key),
    }
