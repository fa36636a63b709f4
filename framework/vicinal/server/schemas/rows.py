"""Rows of Milvus, for a backup."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from vicinal.server.schemas.fields import RequestBody, ResponseBody

__all__ = ["Row", "RowPage", "RowRequest"]

_Id = Annotated[int, Field(ge=0, le=2**63 - 1)]


class RowRequest(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [{"ids": [1, 2]}]})

    ids: Annotated[list[_Id], Field(min_length=1, max_length=1_000)]
    """Ids of segments, which derive from the item's key and the segment's number."""


class Row(ResponseBody):
    id: int
    start: float | None
    """Seconds, where the encoder splits items by time; with ``end``."""
    end: float | None
    segment_label: str | None
    segment_excerpt: str | None
    kind: Literal["float", "binary"]
    vector: str
    """In base64: little-endian float32, or packed bits."""


class RowPage(ResponseBody):
    rows: list[Row]
    """In no order, without those of unknown ids."""
