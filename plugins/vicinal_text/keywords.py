"""A reranker by keywords: fuses the order by vectors with the order by BM25 over the candidates, on any engine.

BM25 is that of Robertson and Zaragoza 2009, The Probabilistic Relevance Framework (doi:10.1561/1500000019); the two
orders are fused by reciprocal rank fusion, Cormack, Clarke and Büttcher 2009 (doi:10.1145/1571941.1572114).
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from pydantic import Field

from vicinal import Hit, Reranker

__all__ = ["KeywordReranker", "score_bm25"]

_WORD = re.compile(r"[\u3040-\u9fff]|(?:(?![\u3040-\u9fff])\w)+")
_K1, _B = 1.2, 0.75


class KeywordReranker(Reranker["KeywordReranker.Params"]):
    """Raises candidates that share rare words with the query. Words are compared whole and without case."""

    class Params(Reranker.Params):
        k: float = Field(default=60.0, gt=0)
        """Constant of reciprocal rank fusion: a rank scores 1 / (k + rank), so a large ``k`` levels the first ranks."""
        weight: float = Field(default=0.5, ge=0, le=1)
        """Weight of the words: 0 keeps the order by vectors, 1 is the order by words."""
        metadata: bool = False
        """Whether words in the texts of the metadata count too."""
        candidates: int = Field(default=5, ge=1, le=100)
        """Candidates to fetch for each requested hit."""

    @property
    def candidates(self) -> int:
        return int(self.params.candidates)

    def rerank(self, query: str | Path, hits: Sequence[Hit]) -> list[Hit]:
        """Reorder the hits of a text query; those of a file or of an indexed item (``@key``) stay as they are."""
        if not isinstance(query, str) or query.startswith("@"):
            return list(hits)
        scores = score_bm25(_split_words(query), [_split_words(self._searched_text(hit)) for hit in hits])
        by_words = sorted((row for row, score in enumerate(scores) if score > 0), key=lambda row: (-scores[row], row))
        fused = [(1 - self.params.weight) / (self.params.k + rank) for rank in range(1, len(hits) + 1)]
        for rank, row in enumerate(by_words, 1):
            fused[row] += self.params.weight / (self.params.k + rank)
        return [hits[row] for row in sorted(range(len(hits)), key=lambda row: (-fused[row], row))]

    def _searched_text(self, hit: Hit) -> str:
        values = hit.metadata.values() if self.params.metadata else ()
        return " ".join([hit.content or "", *(value for value in values if isinstance(value, str))])


def score_bm25(query: Sequence[str], documents: Sequence[Sequence[str]]) -> list[float]:
    """The BM25 score of each document; the statistics are those of these documents; 0 where no word is shared.

    ``sum(idf(w) * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / mean)))`` over the query's different words, with
    ``idf(w) = ln(1 + (n - df + 0.5) / (df + 0.5))``, k1 = 1.2 and b = 0.75.
    """
    counts = [Counter(document) for document in documents]
    frequency = Counter(chain.from_iterable(counts))
    mean = sum(map(len, documents)) / len(documents) if documents else 0.0
    idf = {
        word: math.log(1 + (len(documents) - frequency[word] + 0.5) / (frequency[word] + 0.5)) for word in set(query)
    }
    return [
        math.fsum(
            weight * count[word] * (_K1 + 1) / (count[word] + _K1 * (1 - _B + _B * len(document) / mean))
            for word, weight in idf.items()
            if word in count
        )
        for count, document in zip(counts, documents, strict=True)
    ]


def _split_words(text: str) -> list[str]:
    """Words without case, in NFKC; Chinese and Japanese have no spaces between words, so there a character is one."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
