"""The parameters that several routes have."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from vicinal.server.api_errors import invalid_value
from vicinal.server.schemas import BOUNDS, MAX_KEY_CHARS
from vicinal.server.settings import Settings

__all__ = ["ItemKey", "PageLimit", "Whole", "require_page_limit"]

ItemKey = Annotated[str, Path(json_schema_extra={"minLength": 1, "maxLength": MAX_KEY_CHARS})]
"""A key that is empty or longer is that of no item: a 404."""
PageLimit = Annotated[int, Query(ge=1, json_schema_extra={BOUNDS: {"maximum": "max_limit"}})]
Whole = Annotated[
    bool, Query(description="Whether contents are whole, however long, and not their beginning or a segment's excerpt.")
]


def require_page_limit(limit: int, settings: Settings) -> None:
    """
    Raises:
        ApiError: 422, a page may not be as large.
    """
    if limit > settings.max_limit:
        raise invalid_value("limit", f"must be at most {settings.max_limit:,}")
