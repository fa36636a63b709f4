"""Makes one query of examples: of what is liked, and of what is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vicinal.errors import ItemError, VicinalError
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.encoder_calls import find_invalid_vector
from vicinal.plugin.example_calls import combine_examples, to_query_vectors
from vicinal.types import Metric

if TYPE_CHECKING:
    import numpy as np

__all__ = ["EncodedExample", "EncodedQuery", "combine_to_query"]


@dataclass(slots=True)
class EncodedExample:
    """The vectors of a query or an example, in the form that the store is searched with, and what it leaves out.

    ``is_stored`` says that they are those of an indexed item; ``text`` is there where words are searched, too.
    """

    vectors: list[Any]
    text: str | None = None
    excluded: frozenset[str] = frozenset()
    is_stored: bool = False


@dataclass(slots=True)
class EncodedQuery:
    """The vectors of a query, its text where words are searched too, and the keys of the items that it leaves out."""

    vectors: list[Any]
    text: str | None = None
    excluded: frozenset[str] = frozenset()
    unliked: list[Any] = field(default_factory=list)
    """Binary vectors: an item that is nearer to one of these than to all of ``vectors`` is left out."""
    matches_any: bool = False
    """Whether an item's similarity is its best to any of the vectors, whatever the solution's ``match`` says."""


def combine_to_query(
    encoder: Encoder,
    metric: Metric,
    query: Sequence[EncodedExample],
    like: Sequence[EncodedExample],
    unlike: Sequence[EncodedExample],
) -> EncodedQuery:
    """The query that finds what is like the query and the liked examples, and unlike the others.

    Float vectors become one, by the encoder's ``combine_examples``. Of binary ones an item's similarity is its best
    Tanimoto to any of the liked, and items that are nearer to an unliked example than to every liked one are left out.

    Raises:
        VicinalError: there is neither a query nor a liked example.
        ItemError: the vectors cancel each other out, the encoder makes NaN or infinity of them, or knows nothing that
            is like an indexed item.
        PluginError: the encoder returns something else than a vector.
    """
    liked = [*query, *like]
    if not liked:
        raise VicinalError("there is nothing to search for", hint="give a query, or an example to be like")
    text = query[0].text if query else None
    excluded = frozenset().union(*(one.excluded for one in liked), *(one.excluded for one in unlike if one.is_stored))
    if not like and not unlike:
        return EncodedQuery(_to_query_vectors(encoder, query[0]), text, excluded)
    if encoder.space.kind == "float":
        vectors = _combine_floats(encoder, metric, liked, unlike)
        return EncodedQuery(vectors, text, excluded)
    near, far = ([vector for one in part for vector in one.vectors] for part in (liked, unlike))
    return EncodedQuery(near, text, excluded, far, matches_any=True)


def _combine_floats(
    encoder: Encoder, metric: Metric, liked: Sequence[EncodedExample], unliked: Sequence[EncodedExample]
) -> list[Any]:
    """The one vector that the encoder makes of the examples; none where all that are liked were deleted just now."""
    import numpy as np

    near, far = (_stack_means(part, metric, encoder.space.dimension) for part in (liked, unliked))
    if not len(near):
        return []
    combined = combine_examples(encoder, near, far)
    if metric != "L2" and _is_negligible(combined, np.concatenate([near, far])):
        raise ItemError("the examples cancel each other out", hint="leave out one of those that are liked and unliked")
    if reason := find_invalid_vector(encoder, combined[None], metric):
        raise ItemError(reason)
    return [combined]


def _is_negligible(combined: np.ndarray, examples: np.ndarray) -> bool:
    """Whether nothing but rounding is left of the examples, which has no direction; with L2 it would be a place."""
    import numpy as np

    length, longest = (np.linalg.norm(part.astype(np.float64), axis=-1).max() for part in (combined, examples))
    return bool(length <= 1e-6 * longest)


def _to_query_vectors(encoder: Encoder, example: EncodedExample) -> list[Any]:
    """What finds items like an indexed one, or the vectors of a query as they are."""
    is_changed = type(encoder).to_query_vector is not Encoder.to_query_vector
    if not (is_changed and example.is_stored and example.vectors) or encoder.space.kind == "binary":
        return example.vectors
    import numpy as np

    vectors = to_query_vectors(encoder, np.asarray(example.vectors, np.float32))
    if not vectors.any():
        raise ItemError(
            "nothing is known that is like this item",
            hint="it is indexed, so that filters find it, but what the encoder has learnt says nothing of it",
        )
    return list(vectors)


def _stack_means(examples: Sequence[EncodedExample], metric: Metric, dimension: int) -> np.ndarray:
    """A vector for each example, the mean of its segments; with COSINE of unit vectors, and of length 1 itself."""
    import numpy as np

    means = [_to_mean(example.vectors, metric) for example in examples if example.vectors]
    return np.array(means, np.float32).reshape(-1, dimension)


def _to_mean(vectors: Sequence[Any], metric: Metric) -> np.ndarray:
    import numpy as np

    rows = np.asarray(vectors, np.float64)
    if metric == "COSINE":
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    mean: np.ndarray = rows.mean(axis=0)
    return mean / max(np.linalg.norm(mean), np.finfo(np.float32).tiny) if metric == "COSINE" else mean
