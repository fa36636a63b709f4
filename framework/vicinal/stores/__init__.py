"""The stores of a solution: vectors in Milvus, metadata and ledger in Redis, each embedded or a server.

Imports config, the plugin contract, toolkit, types and errors.
"""

from __future__ import annotations

import re

__all__ = ["redact_url"]


def redact_url(location: str) -> str:
    """Return a store's path or URI without its password, as messages show it."""
    return re.sub(r"://[^/?#]*@", "://…@", location)
