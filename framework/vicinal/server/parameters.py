"""The parameters that several routes have."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request

from vicinal.server.api_errors import invalid_value
from vicinal.server.schemas import BOUNDS, MAX_KEY_CHARS
from vicinal.server.settings import Settings

__all__ = ["ItemKey", "PageLimit", "Whole", "refuse_unknown_parameters", "require_page_limit"]

ItemKey = Annotated[str, Path(json_schema_extra={"minLength": 1, "maxLength": MAX_KEY_CHARS})]
"""A key that is empty or longer is that of no item: a 404."""
PageLimit = Annotated[int, Query(ge=1, json_schema_extra={BOUNDS: {"maximum": "max_limit"}})]
Whole = Annotated[
    bool, Query(description="Whether contents are whole, however long, and not their beginning or a segment's excerpt.")
]


async def refuse_unknown_parameters(request: Request) -> None:  # a plain function would run on a thread
    """
    Raises:
        ApiError: 422, the path has a parameter that its route does not have: a `?limit=3` that belongs in the body.
    """
    known = [field.alias for field in request.scope["route"].dependant.query_params]
    for name in request.query_params:
        if name not in known:
            raise invalid_value(name[:100], "unknown parameter", f"known: {', '.join(known) or 'none'}")


def require_page_limit(limit: int, settings: Settings) -> None:
    """
    Raises:
        ApiError: 422, a page may not be as large.
    """
    if limit > settings.max_limit:
        raise invalid_value("limit", f"must be at most {settings.max_limit:,}")
