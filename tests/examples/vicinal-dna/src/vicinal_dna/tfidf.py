"""Texts by their words, weighted by rarity (TF-IDF) and reduced by a truncated SVD (latent semantic analysis)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from pydantic import Field
from vicinal import Encoder, Item, ItemError, Modality, Segment, Space, State

_WORD = re.compile(r"\w+")
_BATCH = 256
_LEAST = 1e-6
# Named as TEXT is, with an example whose words the sample solution learns.
DESCRIPTION = Modality(
    "text", placeholder="What it does, as hormone of the pancreas", example="hormone of the pancreas"
)


class TfIdf(Encoder["TfIdf.Params"]):
    """Learns the words of the items, and which of them stand together."""

    class Params(Encoder.Params):
        dimension: int = Field(default=64, ge=2, le=1024)
        """How many directions are kept: the dimension of the vectors."""
        max_words: int = Field(default=2000, ge=2, le=5000)
        """How many words are learnt, the most frequent ones."""

    query_modalities = (DESCRIPTION,)
    samples_are_text = True
    encode_is_thread_safe = True

    @property
    def space(self) -> Space:
        return Space(self.params.dimension, metric="COSINE")

    @property
    def signature(self) -> str:
        return f"tfidf/1/{self.params.dimension}/{self.params.max_words}"

    def fit(self, items: Iterable[Item]) -> State:
        """Learn in two passes: the rarity of the words, then the eigenvectors of X'X, X being all items' weights.

        These are the right singular vectors of X, which itself is never held: memory does not grow with the items.
        """
        words, rarity = self._learn_words(items)
        gram = np.zeros((len(words), len(words)))
        for batch in _batches(items):
            weights = _weigh([_split(text) for text in batch], words, rarity)
            gram += weights.T @ weights
        return {"words": words, "rarity": rarity, "directions": _largest_directions(gram, self.params.dimension)}

    def _learn_words(self, items: Iterable[Item]) -> tuple[np.ndarray, np.ndarray]:
        counts: Counter[str] = Counter()
        total = 0
        for item in items:
            counts.update(set(_split(item.content)))
            total += 1
        words = sorted(sorted(counts, key=lambda word: (-counts[word], word))[: self.params.max_words])
        if not words:
            raise ItemError("there are no words in the items", "choose a source whose contents are texts")
        shares = np.array([counts[word] for word in words]) / total
        return np.array(words), (1.0 - np.log(shares)).astype(np.float32)

    def decode(self, item: Item) -> list[Segment]:
        words = _split(item.content)
        if not words:
            raise ItemError("there are no words in it")
        if np.linalg.norm(self._project([words])) < _LEAST:
            raise ItemError("none of its words was learnt", "`vicinal reindex` learns the words of all items anew")
        return [Segment(str(item.content))]

    def encode(self, samples: Sequence[str]) -> np.ndarray:
        vectors = self._project([_split(text) for text in samples])
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _LEAST), np.float32)

    def _project(self, texts: Sequence[Sequence[str]]) -> np.ndarray:
        weights = _weigh(texts, self.state["words"], self.state["rarity"])
        return np.asarray(weights @ self.state["directions"], np.float32)


def _split(content: object) -> list[str]:
    return _WORD.findall(content.lower()) if isinstance(content, str) else []


def _batches(items: Iterable[Item]) -> Iterator[list[object]]:
    batch: list[object] = []
    for item in items:
        batch.append(item.content)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _weigh(texts: Sequence[Sequence[str]], words: np.ndarray, rarity: np.ndarray) -> np.ndarray:
    """Return TF-IDF weights, (texts, words) float32, rows of length 1; ``words`` is sorted."""
    weights = np.zeros((len(texts), len(words)), np.float32)
    for row, text in zip(weights, texts, strict=True):
        if text:
            given = np.array(text)
            places = np.minimum(np.searchsorted(words, given), len(words) - 1)
            np.add.at(row, places[words[places] == given], 1.0)
    weights = np.where(weights > 0, (1.0 + np.log(np.maximum(weights, 1.0))) * rarity, 0.0)
    return np.asarray(weights / np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), _LEAST), np.float32)


def _largest_directions(gram: np.ndarray, dimension: int) -> np.ndarray:
    """Return (words, dimension) float32: eigenvectors, the largest first; zeros where there are fewer of them."""
    _, vectors = np.linalg.eigh(gram)
    kept = vectors[:, ::-1][:, :dimension]
    # An eigenvector may point either way; its largest number is made positive, so that fits agree.
    kept = kept * np.sign(kept[np.abs(kept).argmax(axis=0), range(kept.shape[1])])
    directions = np.zeros((len(gram), dimension), np.float32)
    directions[:, : kept.shape[1]] = kept
    return directions
