"""What an index loses: the nearest stored vectors that it returns, against a comparison with every stored vector.

Each query is the vector of an indexed item, without itself. A returned vector counts where it is as near as the k-th
nearest, so that ties count whichever of them is returned; distances are computed anew from the stored vectors, since an
index that quantises returns approximate ones.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vicinal.quality.estimates import Estimate, estimate_means
from vicinal.types import item_id

if TYPE_CHECKING:
    from vicinal.solution.solution import Solution

__all__ = ["IndexRecall", "measure_index_recall"]

MAX_QUERIES = 500


@dataclass(frozen=True, slots=True)
class IndexRecall:
    """The share of the ``limit`` nearest stored vectors that the index returns."""

    limit: int
    recall: Estimate
    queries: int
    rows: int
    index: str

    def to_dict(self) -> dict[str, Any]:
        figures = {"queries": self.queries, "rows": self.rows}
        return {"type": self.index, f"recall@{self.limit}": self.recall.to_dict(), **figures}


def measure_index_recall(solution: Solution, keys: Sequence[str], limit: int, seed: int = 0) -> IndexRecall | None:
    """Compare what the index returns for up to 500 of these items with an exact search over all stored vectors.

    The vectors are read in parts, and of each query only its nearest neighbours are kept.

    Returns:
        None where the collection has no second vector.
    """
    import numpy as np

    from vicinal.quality.tuning.queries import ask_rows
    from vicinal.quality.tuning.truth import read_truth

    asked = ask_rows(solution, _choose_rows(solution, keys, seed), "stored")
    truth = read_truth(solution, asked, limit, {"": None}, None)[0][""]
    if not np.isfinite(truth.nearest).any():
        return None
    found = solution.search_vectors(asked.vectors, limit + 1)
    recalls = truth.compute_recalls(0, found)
    known = recalls[~np.isnan(recalls)]
    index = str((solution.metadata.state().get("index") or {}).get("type", ""))
    return IndexRecall(limit, estimate_means(known[:, None], seed)[0], len(known), truth.rows, index)


def _choose_rows(solution: Solution, keys: Sequence[str], seed: int) -> list[int]:
    """The id of a random row of each of up to 500 random items."""
    rng = random.Random(seed)
    chosen = rng.sample(list(keys), min(len(keys), MAX_QUERIES))
    entries = solution.metadata.ledger_entries([item_id(key) for key in chosen])
    return [
        item_id(key, rng.randrange(entry.segments))
        for key, entry in zip(chosen, entries, strict=True)
        if entry is not None and entry.segments
    ]
