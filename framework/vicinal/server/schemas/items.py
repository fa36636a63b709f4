"""Items: listed, added and removed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from vicinal.server.schemas.fields import DisplayKind, Key, RequestBody, ResponseBody

__all__ = [
    "AddRequest",
    "AddResponse",
    "DeleteRequest",
    "DeleteResponse",
    "Item",
    "ItemPage",
    "ValueCount",
    "ValueCounts",
]


class AddRequest(RequestBody):
    """An item that is typed; send a file as multipart/form-data."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"key": "301", "content": "What is a ledger?", "metadata": {"topic": "basics"}}]
        }
    )

    key: Key
    content: str
    metadata: dict[str, Any] = Field(default_factory=dict)


class DeleteRequest(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"keys": ["301", "302"]}]})

    keys: Annotated[list[Key], Field(min_length=1, max_length=1_000)]


class Item(ResponseBody):
    key: str
    uri: str
    title: str | None
    """What the encoder makes of an item for people, where items are texts and that is not their content."""
    content: str | None
    metadata: dict[str, Any]
    kind: DisplayKind
    content_label: str
    """What people call the content of the solution's items, as `SMILES`, `text` or `image`: a label for ``content``."""
    content_url: str
    added: bool
    """Whether it was added over HTTP, not by the source."""


class ValueCount(ResponseBody):
    value: bool | int | float | str | None
    items: int


class ValueCounts(ResponseBody):
    """How many items have each value of a field."""

    field: str
    values: list[ValueCount]
    """The most frequent first, 100 at most; of more than 10,000 different ones, only those met first compete."""
    others: int
    """Items with another value."""


class ItemPage(ResponseBody):
    items: list[Item]
    next: str | None
    total: int
    counts: ValueCounts | None
    """Where they are asked for: of all items whose key has the prefix, not of the page alone."""


class AddResponse(ResponseBody):
    key: str
    status: Literal["new", "updated", "unchanged"]


class DeleteResponse(ResponseBody):
    removed: int
