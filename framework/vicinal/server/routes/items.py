"""The routes for items: list, add, replace, delete, and show."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Depends, Query, Request, Response

from vicinal.errors import ItemError
from vicinal.plugin.encoder_calls import decode_query
from vicinal.server import schemas
from vicinal.server.api_errors import ApiError, invalid_value, unsuitable_value
from vicinal.server.item_pages import PageRequest, item_to_json, read_item_page
from vicinal.server.media import content_response, svg_response
from vicinal.server.openapi import describe_body, describe_form
from vicinal.server.parameters import ItemKey, PageLimit, Whole, refuse_unknown_parameters, require_page_limit
from vicinal.server.paths import is_content_path
from vicinal.server.request_body import is_multipart, parse_form, parse_json
from vicinal.server.responses import json_response
from vicinal.server.search_options import to_encoder_query
from vicinal.server.service import SolutionService
from vicinal.server.state import get_service
from vicinal.types import Item, item_id

__all__ = ["router"]


async def _refuse_to_delete_content(request: Request) -> None:
    """
    Raises:
        ApiError: 405, the path is that of a content, which the route that deletes an item matches, too.
    """
    if request.method == "DELETE" and is_content_path(request):
        raise ApiError(405, "method not allowed")


router = APIRouter(
    prefix="/api/{name}",
    tags=["items"],
    dependencies=[Depends(_refuse_to_delete_content), Depends(refuse_unknown_parameters)],
)

_CURSOR = re.compile(r"[0-9]{0,19}")
_MAX_ID = 2**63 - 1
_Field = Annotated[str, Query(max_length=201, json_schema_extra={"format": "declared-field"})]
_FORM = describe_form(
    {
        "key": {
            "type": "string",
            "minLength": 1,
            "maxLength": schemas.MAX_KEY_CHARS,
            "description": "by default the file's name",
        },
        "metadata": {"type": "object", "description": "as JSON", "examples": [{"label": "cat"}]},
    }
)
_BINARY = {
    content_type: {"schema": {"type": "string", "format": "binary"}}
    for content_type in ("application/octet-stream", "*/*")  # generated clients read the first as bytes, and no other
}


@router.get("/items", summary="List items, page by page", responses={200: {"model": schemas.ItemPage}})
async def list_items(
    request: Request,
    name: str,
    limit: PageLimit = 50,
    cursor: Annotated[str, Query(json_schema_extra={"pattern": f"^{_CURSOR.pattern}$"})] = "",
    prefix: Annotated[str, Query(max_length=1024)] = "",
    whole: Whole = False,
    sort: _Field = "",
    counts: _Field = "",
) -> Response:
    service = get_service(request, name)
    require_page_limit(limit, service.settings)
    page = PageRequest(limit, _parse_cursor(cursor), prefix, whole, sort, counts)
    return json_response(await service.run_blocking(read_item_page, request, service, page))


def _parse_cursor(cursor: str) -> int:
    if not _CURSOR.fullmatch(cursor):
        raise invalid_value("cursor", "invalid", "use `next` from the previous page")
    return min(int(cursor), _MAX_ID) if cursor else -1


@router.post(
    "/items",
    summary="Add an item, or replace the one that has its key",
    responses={200: {"model": schemas.AddResponse}, 201: {"model": schemas.AddResponse}},
    openapi_extra=describe_body(schemas.AddRequest, form=_FORM),
)
async def add_item(
    request: Request,
    name: str,
    replace: Annotated[
        bool, Query(description="Whether another item that has the key is replaced; if not, that is a 409.")
    ] = True,
) -> Response:
    service = get_service(request, name)
    if is_multipart(request):
        async with parse_form(request, "file", "key", "metadata") as form:
            upload = form.get_file("file")
            key = form.get_text("key", PurePosixPath((upload.filename or "").replace("\\", "/")).name)
            if service.item_modality.input == "text":
                raise unsuitable_value(
                    "file", f"items of {service.name!r} are not files", "send JSON: key, content, metadata"
                )
            metadata = form.get_json_object("metadata")
            status = await service.run_blocking(
                _add_file, service, upload.file, upload.filename or "", key, metadata, replace
            )
    else:
        new = await parse_json(request, schemas.AddRequest)
        key = new.key
        if service.item_modality.input == "file" or not service.modalities:
            raise unsuitable_value(
                "content", f"items of {service.name!r} are files", "send multipart/form-data: file, key"
            )
        status = await service.run_blocking(_add_item, service, Item(key, new.content, metadata=new.metadata), replace)
    return json_response({"key": key, "status": status}, 201 if status == "new" else 200)


def _add_item(service: SolutionService, item: Item, replace: bool) -> str:
    try:
        return service.solution.add(item, replace=replace)
    except ItemError as error:
        raise _to_api_error(item, error) from error


def _add_file(
    service: SolutionService, file: BinaryIO, name: str, key: ItemKey, metadata: dict[str, Any], replace: bool
) -> str:
    try:
        key.encode()
    except UnicodeEncodeError:
        raise invalid_value("key", "is not valid Unicode") from None
    item, is_new = service.uploads.save(file, name, key, metadata)
    try:
        status = _add_item(service, item, replace)
    except BaseException:
        if is_new:
            service.uploads.discard(item)
        raise
    service.uploads.delete(key, except_=item.content)
    return status


def _to_api_error(item: Item, error: ItemError) -> ApiError:
    """Name the parameter that an item was refused for, and no path of the server."""
    message = str(error)
    if isinstance(item.content, Path):
        message = message.replace(str(item.content), "the file").replace(item.content.name, "the file")
    words = message.split("'")[0]
    if "field" in words or "stored as JSON" in words:
        return invalid_value("metadata", message, error.hint or 'set it in `metadata`, as {"label": "cat"}')
    return invalid_value("key" if "key" in words else "content", message, error.hint)


@router.delete(
    "/items",
    summary="Delete several items, or none if one of them is unknown",
    responses={200: {"model": schemas.DeleteResponse}},
    openapi_extra=describe_body(schemas.DeleteRequest),
)
async def delete_items(request: Request, name: str) -> Response:
    service = get_service(request, name)
    keys = (await parse_json(request, schemas.DeleteRequest)).keys
    return json_response({"removed": await service.run_blocking(_delete_items, service, keys)})


def _delete_items(service: SolutionService, keys: list[str]) -> int:
    removed = service.solution.remove(keys)
    for key in keys:
        service.uploads.delete(key)
    return removed


@router.get(
    "/items/{key:path}/content",
    response_class=Response,
    summary="Get the content of an item: an image, audio or video file (also in ranges), an SVG or a text",
    responses={
        200: {"content": _BINARY},
        206: {"description": "A range of the content", "content": _BINARY},
        304: {"description": "Unchanged"},
    },
)
async def get_content(
    request: Request,
    name: str,
    key: ItemKey,
    color: Annotated[str | None, Query(pattern="^[0-9a-fA-F]{6}$")] = None,
    whole: Annotated[bool, Query(include_in_schema=False)] = False,
) -> Response:
    service = get_service(request, name)
    if not is_content_path(request):
        return json_response(await service.run_blocking(_get_item, request, service, f"{key}/content", whole))
    return await service.run_blocking(_get_content, request, service, key, color)


def _get_content(request: Request, service: SolutionService, key: str, color: str | None) -> Response:
    rendering = service.solution.encoder.render(service.to_item(service.get_record(key)))
    return content_response(request, key, rendering, color)


@router.get("/items/{key:path}", summary="Get an item", responses={200: {"model": schemas.Item}})
async def get_item(request: Request, name: str, key: ItemKey, whole: Whole = False) -> Response:
    service = get_service(request, name)
    return json_response(await service.run_blocking(_get_item, request, service, key, whole))


def _get_item(request: Request, service: SolutionService, key: str, whole: bool) -> dict[str, Any]:
    record = service.get_record(key)
    return item_to_json(request, service, record, service.solution.metadata.are_manual([item_id(key)])[0], whole)


@router.delete("/items/{key:path}", summary="Delete an item", responses={200: {"model": schemas.DeleteResponse}})
async def delete_item(request: Request, name: str, key: ItemKey) -> Response:
    service = get_service(request, name)
    return json_response({"removed": await service.run_blocking(_delete_items, service, [key])})


@router.post(
    "/render",
    response_class=Response,
    summary="Draw a typed query as SVG",
    responses={200: {"content": {"image/svg+xml": {"schema": {"type": "string"}}}}},
    openapi_extra=describe_body(schemas.RenderRequest),
)
async def render_query(request: Request, name: str) -> Response:
    service = get_service(request, name)
    body = await parse_json(request, schemas.RenderRequest)
    if service.typed_modality is None or service.typed_modality.renders != "svg":
        raise unsuitable_value("query", f"{service.name!r} does not draw queries")
    query = to_encoder_query(service, body.query, "query")
    return svg_response(await service.run_blocking(_render_svg, service, query), body.color)


def _render_svg(service: SolutionService, query: str) -> str:
    encoder = service.solution.encoder
    try:
        decode_query(encoder, query)
    except ItemError as error:
        raise invalid_value("query", str(error), error.hint) from error
    rendering = encoder.render(Item("query", query))
    if rendering.kind != "svg":
        raise unsuitable_value("query", "it cannot be drawn")
    return rendering.value
