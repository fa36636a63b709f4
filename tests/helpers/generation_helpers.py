"""A solution whose encoder learns, and what the stores hold of its generations."""

from __future__ import annotations

ROWS = [(f"k{number}", f"common word{number} rest{number % 3}", 2000 + number) for number in range(60)]
MORE = [*ROWS, *((f"n{number}", f"common word{number} other{number}", 1990) for number in range(30))]
QUERIES = ["word7 rest1", "common", "@k7", "other3 word3"]


def index_learning(workshop):
    """Ingest ``ROWS`` as a solution whose encoder learns from them."""
    workshop.write(ROWS)
    solution = workshop.solution("learning", encoder="{type: learner}")
    solution.ingest()
    return solution


def stored(solution):
    """The names of its collections in Milvus, and of its keys in Redis, without the buckets' numbers."""
    keys = {
        key.decode().removeprefix(f"vicinal:{solution.name}:")
        for key in solution.metadata.call("keys", f"vicinal:{solution.name}:*")
    }
    collections = [name for name in solution.vectors._client.list_collections() if solution.vectors.alias in name]
    return sorted(collections), {key.rsplit(":", 1)[0] if "ledger" in key or "meta" in key else key for key in keys}
