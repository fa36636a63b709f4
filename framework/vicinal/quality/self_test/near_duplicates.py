"""Which items are the same to the encoder, or nearly: what is found in an item's place is then no mistake.

An encoder may make similar vectors of all items, as a network with random weights does. Two items are near-duplicates
only if they are alike by themselves and also far more alike than two random items are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vicinal.quality.sample import read_item_vectors
from vicinal.quality.self_test.report import NearDuplicate
from vicinal.toolkit.slices import iter_slices
from vicinal.types import Metric

if TYPE_CHECKING:
    import numpy as np

    from vicinal.solution.solution import Solution

__all__ = ["MIN_SIMILARITY", "compute_usual_similarity", "find_near_duplicates"]

MIN_SIMILARITY = 0.98
_MAX_SHARE = 0.1
"""Of the distance of two random items, at the median."""
_MAX_RANDOM_ITEMS = 200
_PAIRS_PER_FETCH = 250


def compute_usual_similarity(solution: Solution, keys: Sequence[str]) -> float:
    """The median similarity of two of these items, which are in random order; 0 for fewer than two."""
    import numpy as np

    vectors = list(read_item_vectors(solution, keys[:_MAX_RANDOM_ITEMS]).values())
    if len(vectors) < 2:
        return 0.0
    stacked = np.stack(vectors)
    similarities = [
        _compute_similarities(stacked, np.roll(stacked, shift, axis=0), solution.metric)
        for shift in range(1, min(len(vectors), 10))
    ]
    return float(np.median(np.concatenate(similarities)))


def find_near_duplicates(
    solution: Solution, pairs: Sequence[tuple[str, str]], usual: float
) -> dict[tuple[str, str], NearDuplicate]:
    """Those of the pairs of keys that are near-duplicates; ``usual`` is the similarity of two random items."""
    least = max(MIN_SIMILARITY, 1 - _MAX_SHARE * (1 - usual))
    return {(one.key, one.found): one for one in _compare_pairs(solution, pairs) if one.similarity >= least}


def _compare_pairs(solution: Solution, pairs: Sequence[tuple[str, str]]) -> Iterator[NearDuplicate]:
    import numpy as np

    for part in iter_slices(pairs, _PAIRS_PER_FETCH):
        vectors = read_item_vectors(solution, dict.fromkeys(key for pair in part for key in pair))
        known = [pair for pair in part if pair[0] in vectors and pair[1] in vectors]
        if not known:
            continue
        ours, others = (np.stack([vectors[pair[side]] for pair in known]) for side in (0, 1))
        similarities = _compute_similarities(ours, others, solution.metric)
        yield from (NearDuplicate(*pair, one) for pair, one in zip(known, similarities.tolist(), strict=True))


def _compute_similarities(ours: np.ndarray, others: np.ndarray, metric: Metric) -> np.ndarray:
    """Similarities, row by row, that are 1 for equal vectors whatever their scale, which L2 and IP do not say.

    Cosine or Tanimoto; under L2 ``1 - |a - b|² / 2|a||b|``, which is the cosine for vectors of one length.
    """
    import numpy as np

    a, b = ours.astype(np.float64), others.astype(np.float64)
    products, a_squares, b_squares = (np.einsum("ij,ij->i", one, two) for one, two in ((a, b), (a, a), (b, b)))
    if metric == "JACCARD":
        numerators, lengths = products, np.maximum(a_squares + b_squares - products, 1.0)
    else:
        lengths = np.maximum(np.sqrt(a_squares * b_squares), np.finfo(np.float64).tiny)
        numerators = lengths - (a_squares + b_squares - 2 * products) / 2 if metric == "L2" else products
    similarities: np.ndarray = numerators / lengths
    return similarities
