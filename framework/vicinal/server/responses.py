"""JSON responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Response

__all__ = ["json_response"]


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Create a JSON response; a value that JSON has no type for becomes a string."""
    return Response(orjson.dumps(value, default=str), status, headers, media_type="application/json")
