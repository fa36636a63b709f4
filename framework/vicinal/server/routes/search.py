"""The route that answers what is near."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

import orjson
from fastapi import APIRouter, Request, Response

from vicinal.errors import ItemError, VicinalError
from vicinal.server import schemas
from vicinal.server.api_errors import ApiError, problem, unprocessable
from vicinal.server.openapi import body, multipart
from vicinal.server.request_body import Form, is_form, json_of, read_form
from vicinal.server.service import SolutionService
from vicinal.server.state import served_of
from vicinal.types import Hit, SearchRequest, SearchResult, Segment

__all__ = ["router"]

router = APIRouter(prefix="/api/{name}", tags=["search"])

_FIELDS = {"limit": {"type": "integer", "minimum": 1, "default": 10}, "filter": {"type": "string", "default": ""}}


@router.post(
    "/search",
    summary="Find what is near a text, a SMILES, an indexed item or an uploaded file",
    responses={200: {"model": schemas.OneAnswer | schemas.ManyAnswers}},
    openapi_extra=body(
        schemas.SearchRequest, multipart({"file": {"type": "string", "format": "binary"}, **_FIELDS}, ["file"])
    ),
)
async def search(request: Request, name: str) -> Response:
    served = served_of(request, name)
    if is_form(request):
        async with read_form(request, "file", *_FIELDS) as form:
            return _one(served, await _by_file(served, form))
    asked = await json_of(request, schemas.SearchRequest)
    _check(served, asked.limit, asked.filter)
    if asked.query is not None:
        ask = SearchRequest(text_query(served, asked.query, "query"), asked.limit, asked.filter)
        return _one(served, (await served.ask([ask]))[0])
    queries = asked.queries or []
    if not 1 <= len(queries) <= served.settings.max_queries:
        raise unprocessable("queries", f"1 to {served.settings.max_queries} can be asked in one call")
    texts = [text_query(served, query, f"queries.{number}") for number, query in enumerate(queries)]
    return _many(served, await served.ask([SearchRequest(text, asked.limit, asked.filter) for text in texts]))


async def _by_file(served: SolutionService, form: Form) -> SearchResult | Exception:
    limit, filter = form.integer("limit", 10), form.text("filter", "")
    _check(served, limit, filter)
    upload = form.file("file")
    if not any(kind not in ("text", "smiles") for kind in served.kinds):
        raise unprocessable("file", f"{served.name!r} is not searched by files", _how(served))
    segments = await served.call(_decode, served, upload.file, upload.filename or "")
    return (await served.ask([SearchRequest("", limit, filter, segments)]))[0]


def _decode(served: SolutionService, file: BinaryIO, name: str) -> Sequence[Segment]:
    with served.uploads.borrowed(file, name) as path:
        try:
            return served.solution.encoder.decode_query(path)
        except VicinalError as error:
            if isinstance(error, ItemError):
                message = str(error).replace(str(path), "the file").replace(path.name, "the file")
                raise unprocessable("file", message, error.hint) from error
            raise
        except Exception as error:  # whatever a file does to a decoder is the file's fault
            raise unprocessable("file", f"it cannot be read: {type(error).__name__}") from error


def text_query(served: SolutionService, query: str, where: str) -> str:
    """A query as the encoder may be given it: a text or ``@key``, and never what it could take for a path.

    Raises:
        Problem: 422, it is too long, or the solution is not searched by texts.
    """
    if len(query) > served.settings.max_query_chars:
        raise unprocessable(where, f"longer than {served.settings.max_query_chars:,} characters")
    if query.startswith("@"):
        return query
    kinds = served.kinds
    if "text" not in kinds and "smiles" not in kinds:
        raise unprocessable(where, f"{served.name!r} is not searched by texts", _how(served))
    if any(kind not in ("text", "smiles") for kind in kinds):
        return f"text:{query.removeprefix(chr(92)) if query.startswith(chr(92) + '@') else query}"
    return query


def _how(served: SolutionService) -> str:
    ways = {"text": "a text", "smiles": "a SMILES"}
    named = [ways.get(kind, f"a file ({kind})") for kind in served.kinds]
    return f"search by {', '.join([*named, '@key of an indexed item'])}"


def _check(served: SolutionService, limit: int, filter: str) -> None:
    if not 1 <= limit <= served.settings.max_limit:
        raise unprocessable("limit", f"1 to {served.settings.max_limit:,} hits can be asked for")
    if len(filter) > served.settings.max_query_chars:
        raise unprocessable("filter", f"longer than {served.settings.max_query_chars:,} characters")


# --- answers


def _one(served: SolutionService, answer: SearchResult | Exception) -> Response:
    if isinstance(answer, Exception):
        raise _blame(answer, "query")
    return _json({"solution": served.name, **_timed(served, answer)})


def _many(served: SolutionService, answers: Sequence[SearchResult | Exception]) -> Response:
    wrong = [(number, answer) for number, answer in enumerate(answers) if isinstance(answer, Exception)]
    if wrong:
        first = _blame(wrong[0][1], f"queries.{wrong[0][0]}")
        if isinstance(first, ApiError):
            first.errors = [line for n, error in wrong for line in _lines(_blame(error, f"queries.{n}"))]
        raise first
    return _json({"solution": served.name, "results": [_timed(served, one) for one in answers]})


def _lines(error: Exception) -> list[str]:
    return list(error.errors) if isinstance(error, ApiError) else [str(error)]


def _blame(error: Exception, where: str) -> Exception:
    """An error of a query, told where it lies; a defect stays one."""
    if not isinstance(error, VicinalError):
        return error
    return problem(error, "filter" if type(error).__name__ == "FilterError" else where)


def _timed(served: SolutionService, result: Any) -> dict[str, Any]:
    return {
        "hits": [_hit(served, hit) for hit in result.hits],
        "timings_ms": {name: round(value, 3) for name, value in result.timings_ms.items()},
    }


def _hit(served: SolutionService, hit: Hit) -> dict[str, Any]:
    return {
        "key": hit.key,
        "rank": hit.rank,
        "distance": hit.distance,
        "similarity": hit.similarity,
        "uri": hit.uri,
        "metadata": hit.metadata,
        "content": hit.content,
        "segment": hit.segment,
        **served.face(hit.key, hit.uri),
    }


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
