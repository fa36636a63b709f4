"""Where a solution is kept: vectors in Milvus, metadata and the ledger in Redis, either embedded or a server."""

from __future__ import annotations

import re

__all__ = ["redact_url"]


def redact_url(where: str) -> str:
    """A store's path or URI as it may be shown."""
    return re.sub(r"://[^/?#]*@", "://…@", where)
