"""Selects hits that differ from each other: maximal marginal relevance.

From the candidates D the hits S are selected one after another, each being the candidate with the greatest

    (1 - diversity) * relevance(d) - diversity * max(similarity(d, s) for s in S)

the last term being 0 for the first. (J. Carbonell and J. Goldstein, "The use of MMR, diversity-based reranking for
reordering documents and producing summaries", SIGIR 1998, with lambda = 1 - diversity.)

``similarity`` is the metric's, as of a hit, between the stored vectors of the segments that were found. ``relevance``
is a hit's own similarity; where a reranker or a search for words has ordered the candidates otherwise, their order
counts: the r-th of them has the r-th greatest of their similarities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vicinal.plugin.encoder import Encoder
from vicinal.plugin.example_calls import to_query_vectors
from vicinal.search.similarity import to_bit_matrix
from vicinal.stores.milvus import VectorStore
from vicinal.types import Hit, Metric, item_id

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Diversifier", "count_diversity_candidates", "select_diverse"]

_MIN_CANDIDATES = 50
_CANDIDATES_PER_HIT = 5


def count_diversity_candidates(limit: int) -> int:
    """From how many of the nearest items ``limit`` hits are selected: 50, or five for each hit."""
    return max(_MIN_CANDIDATES, _CANDIDATES_PER_HIT * limit)


def select_diverse(
    relevances: np.ndarray, find_similarities: Callable[[int], np.ndarray], limit: int, diversity: float
) -> list[int]:
    """The numbers of the candidates that maximal marginal relevance selects, in that order.

    Args:
        relevances: ``(n,)``, falling; of equal candidates the first is selected.
        find_similarities: the similarity of all candidates to the one of this number, ``(n,)``.
    """
    import numpy as np

    selected: list[int] = []
    nearest = np.full(len(relevances), -np.inf)
    scores = (1.0 - diversity) * relevances
    while len(selected) < min(limit, len(relevances)):
        selected.append(int(np.argmax(scores)))
        nearest = np.maximum(nearest, find_similarities(selected[-1]))
        scores = (1.0 - diversity) * relevances - diversity * nearest
        scores[selected] = -np.inf
    return selected


@dataclass(slots=True)
class Diversifier:
    """Selects from the hits of a search."""

    encoder: Encoder
    vectors: VectorStore
    metric: Metric

    def select(self, hits: Sequence[Hit], limit: int, diversity: float) -> list[Hit]:
        """At most ``limit`` of the hits, with new ranks; without those that were deleted meanwhile."""
        import numpy as np

        ids = [item_id(hit.key, (hit.segment or {}).get("number", 0)) for hit in hits]
        stored = self.vectors.fetch_vectors(ids)
        hits = [hit for hit, id_ in zip(hits, ids, strict=True) if id_ in stored]
        if not hits:
            return []
        find_similarities = self._make_similarity([stored[id_] for id_ in ids if id_ in stored])
        relevances = np.sort([hit.similarity for hit in hits])[::-1]
        selected = select_diverse(relevances, find_similarities, limit, diversity)
        return [replace(hits[number], rank=rank) for rank, number in enumerate(selected, 1)]

    def _make_similarity(self, stored: Sequence[Any]) -> Callable[[int], np.ndarray]:
        """What computes the similarity of all these vectors to one of them."""
        import numpy as np

        if self.metric == "JACCARD":
            bits = to_bit_matrix(stored, self.encoder.space.dimension)
            return _compare_bits(bits)
        floats = np.asarray(stored, np.float32)
        items, queries = floats.astype(np.float64), to_query_vectors(self.encoder, floats).astype(np.float64)
        if self.metric == "L2":
            return lambda number: 1.0 / (1.0 + ((queries - items[number]) ** 2).sum(axis=1))
        if self.metric == "COSINE":
            items, queries = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (items, queries))
        return lambda number: queries @ items[number]


def _compare_bits(bits: np.ndarray) -> Callable[[int], np.ndarray]:
    counts = bits.sum(axis=1)

    def find_tanimotos(number: int) -> np.ndarray:
        common: np.ndarray = bits @ bits[number]
        tanimotos: np.ndarray = common / (counts + counts[number] - common)
        return tanimotos

    return find_tanimotos
