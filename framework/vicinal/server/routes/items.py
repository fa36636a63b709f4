"""The routes for items: listing, adding, replacing, removing, and showing what they are."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, BinaryIO

import orjson
from fastapi import APIRouter, Query, Request, Response

from vicinal.errors import ItemError
from vicinal.server import media, schemas
from vicinal.server.api_errors import ApiError, unprocessable
from vicinal.server.openapi import body, multipart
from vicinal.server.request_body import is_form, json_of, read_form
from vicinal.server.routes.search import text_query
from vicinal.server.service import SolutionService
from vicinal.server.state import host_of, served_of
from vicinal.stores.records import Record
from vicinal.types import Item, item_id

__all__ = ["router"]

router = APIRouter(prefix="/api/{name}", tags=["items"])

_CURSOR = re.compile(r"[0-9]{1,19}")
_FORM = multipart(
    {
        "file": {"type": "string", "format": "binary"},
        "key": {"type": "string", "description": "by default the file's name"},
        "metadata": {"type": "string", "description": "a JSON object", "examples": ['{"label": "cat"}']},
    },
    ["file"],
)


@router.get("/items", summary="List items, page by page", responses={200: {"model": schemas.Items}})
async def items(
    request: Request,
    name: str,
    limit: Annotated[int, Query(ge=1)] = 50,
    cursor: str = "",
    prefix: Annotated[str, Query(max_length=1024)] = "",
) -> Response:
    served = served_of(request, name)
    if limit > host_of(request).settings.max_limit:
        raise unprocessable("limit", f"at most {host_of(request).settings.max_limit:,}")
    return _json(await served.call(_page, served, limit, _after(cursor), prefix))


def _after(cursor: str) -> int:
    if not cursor:
        return -1
    if not _CURSOR.fullmatch(cursor) or int(cursor) >= 2**63:
        raise unprocessable("cursor", "is none that this server gave", "take it from `next` of the page before")
    return int(cursor)


def _page(served: SolutionService, limit: int, after: int, prefix: str) -> dict[str, Any]:
    store = served.solution.metadata
    records, following = store.page(limit, after, prefix)
    added = store.are_manual([item_id(record.key) for record in records])
    return {
        "items": [_item(served, record, own) for record, own in zip(records, added, strict=True)],
        "next": None if following is None else str(following),
        "total": int(store.state().get("items", 0)),
    }


def _item(served: SolutionService, record: Record, added: bool) -> dict[str, Any]:
    return {
        "key": record.key,
        "uri": record.uri,
        "content": record.content,
        "metadata": record.metadata,
        **served.face(record.key, record.uri),
        "added": added,
    }


@router.post(
    "/items",
    summary="Add an item, or replace the one that has its key",
    responses={200: {"model": schemas.Added}, 201: {"model": schemas.Added}},
    openapi_extra=body(schemas.NewItem, _FORM),
)
async def add(request: Request, name: str) -> Response:
    served = served_of(request, name)
    if is_form(request):
        async with read_form(request, "file", "key", "metadata") as form:
            upload = form.file("file")
            key = form.text("key", PurePosixPath((upload.filename or "").replace("\\", "/")).name)
            if served.medium in ("text", "smiles"):
                raise unprocessable(
                    "file", f"items of {served.name!r} are no files", "send JSON: key, content, metadata"
                )
            metadata = form.mapping("metadata")
            status = await served.call(_add_file, served, upload.file, upload.filename or "", key, metadata)
    else:
        new = await json_of(request, schemas.NewItem)
        key = new.key
        if served.medium not in ("text", "smiles") or not served.kinds:
            raise unprocessable("content", f"items of {served.name!r} are files", "send multipart/form-data: file, key")
        status = await served.call(_add, served, Item(key, new.content, metadata=new.metadata))
    return _json({"key": key, "status": status}, 201 if status == "new" else 200)


def _add(served: SolutionService, item: Item) -> str:
    try:
        return served.solution.add(item)
    except ItemError as error:
        raise _refused(item, error) from error


def _add_file(served: SolutionService, file: BinaryIO, name: str, key: str, metadata: dict[str, Any]) -> str:
    try:
        key.encode()
    except UnicodeEncodeError:
        raise unprocessable("key", "is not valid Unicode") from None
    item, is_new = served.uploads.keep(file, name, key, metadata)
    try:
        status = _add(served, item)
    except BaseException:
        if is_new:
            served.uploads.discard(item)
        raise
    served.uploads.forget(key, but=item.content)
    return status


def _refused(item: Item, error: ItemError) -> ApiError:
    message = str(error)
    if isinstance(item.content, Path):
        message = message.replace(str(item.content), "the file").replace(item.content.name, "the file")
    where = next((where for where in ("key", "field") if where in message.split("'")[0]), "content")
    if where == "field":
        return unprocessable("metadata", message, error.hint or 'say it in `metadata`, as {"label": "cat"}')
    return unprocessable(where, message, error.hint)


@router.delete(
    "/items",
    summary="Remove several items",
    responses={200: {"model": schemas.Removed}},
    openapi_extra=body(schemas.Keys),
)
async def remove_many(request: Request, name: str) -> Response:
    served = served_of(request, name)
    keys = (await json_of(request, schemas.Keys)).keys
    return _json({"removed": await served.call(_remove, served, keys)})


def _remove(served: SolutionService, keys: list[str]) -> int:
    removed = served.solution.remove(keys)
    for key in keys:
        served.uploads.forget(key)
    return removed


@router.get(
    "/items/{key:path}/content",
    summary="What an item is: a picture, sound or video (in ranges), a drawing, a text",
    responses={
        200: {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}},
        206: {"description": "A range of it", "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "Unchanged"},
    },
)
async def content(
    request: Request, name: str, key: str, color: Annotated[str | None, Query(pattern="^[0-9a-fA-F]{6}$")] = None
) -> Response:
    served = served_of(request, name)
    if not request.scope.get("raw_path", b"/content").partition(b"?")[0].endswith(b"/content"):
        return _json(await served.call(_one, served, f"{key}/content"))  # a key that ends so, its slash encoded
    return await served.call(_content, request, served, key, color)


def _content(request: Request, served: SolutionService, key: str, color: str | None) -> Response:
    rendering = served.solution.encoder.render(served.item_of(served.record(key)))
    return media.content(request, key, rendering, color)


@router.get("/items/{key:path}", summary="One item", responses={200: {"model": schemas.ItemBody}})
async def item(request: Request, name: str, key: str) -> Response:
    served = served_of(request, name)
    return _json(await served.call(_one, served, key))


def _one(served: SolutionService, key: str) -> dict[str, Any]:
    record = served.record(key)
    return _item(served, record, served.solution.metadata.are_manual([item_id(key)])[0])


@router.delete("/items/{key:path}", summary="Remove an item", responses={200: {"model": schemas.Removed}})
async def remove(request: Request, name: str, key: str) -> Response:
    served = served_of(request, name)
    return _json({"removed": await served.call(_remove, served, [key])})


@router.post(
    "/render",
    summary="Draw a molecule as it would be read",
    responses={200: {"content": {"image/svg+xml": {"schema": {"type": "string"}}}}},
    openapi_extra=body(schemas.RenderRequest),
)
async def render(request: Request, name: str) -> Response:
    served = served_of(request, name)
    asked = await json_of(request, schemas.RenderRequest)
    if served.medium != "smiles":
        raise unprocessable("query", f"{served.name!r} draws nothing")
    return media.drawing(await served.call(_draw, served, text_query(served, asked.query, "query")), asked.color)


def _draw(served: SolutionService, query: str) -> str:
    encoder = served.solution.encoder
    try:
        encoder.decode_query(query)
    except ItemError as error:
        raise unprocessable("query", str(error), error.hint) from error
    rendering = encoder.render(Item("query", query))
    if rendering.kind != "svg":
        raise unprocessable("query", "it cannot be drawn")
    return rendering.value


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value, default=str), status, media_type="application/json")
