"""Where a store may be: a path, or the URI of a server."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

__all__ = ["milvus_location_problem"]

_SERVER_URI = "http://HOST:19530 or https://HOST"


def milvus_location_problem(location: str) -> str:
    """Why a location is not one of Milvus, or nothing if it is one. It may have a password, so it is not repeated."""
    if "://" not in location:
        if location.endswith(".db"):
            return ""
        server = f", did you mean http://{location}?" if re.fullmatch(r"[\w.-]+:[0-9]+", location) else ""
        return f"must be a path ending in .db, or a server's URI such as {_SERVER_URI}{server}"
    try:
        parts = urlsplit(location)
        is_server = parts.scheme in ("http", "https", "tcp") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_server = False
    return "" if is_server else f"must be a server's URI such as {_SERVER_URI}, or a path ending in .db"
