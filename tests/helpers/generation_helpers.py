"""What the stores hold of the generations of a solution."""

from __future__ import annotations


def stored(solution):
    """The names of its collections in Milvus, and of its keys in Redis, without the buckets' numbers."""
    keys = {
        key.decode().removeprefix(f"vicinal:{solution.name}:")
        for key in solution.metadata.call("keys", f"vicinal:{solution.name}:*")
    }
    collections = [name for name in solution.vectors._client.list_collections() if solution.vectors.alias in name]
    return sorted(collections), {key.rsplit(":", 1)[0] if "ledger" in key or "meta" in key else key for key in keys}
