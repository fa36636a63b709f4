"""Hits in the order of how well they can be laid over the query."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field
from vicinal import Hit, ItemError, Reranker

from vicinal_dna.bases import parse_bases, read_query, reverse_complement

_MAX_BASES = 2000  # two sequences of this length take 12 ms


class Align(Reranker["Align.Params"]):
    """Scores a hit by the identity of its best alignment with the query, without gaps.

    Identity is the share of the shorter one's bases that agree.
    """

    class Params(Reranker.Params):
        strands: Literal["both", "forward"] = "both"
        """`both`: the query's reverse complement is tried, too."""
        candidates: int = Field(default=5, ge=1, le=100)
        """Candidates to fetch for each hit that is wanted."""

    @property
    def candidates(self) -> int:
        return self.params.candidates

    def rerank(self, query: str | Path, hits: Sequence[Hit]) -> Sequence[Hit]:
        try:
            bases = read_query(query)[:_MAX_BASES]
        except ItemError:
            return hits
        return sorted([self._score(bases, hit) for hit in hits], key=lambda hit: -(hit.score or 0.0))

    def _score(self, query: str, hit: Hit) -> Hit:
        found = _read_bases(hit)
        shorter = min(len(query), len(found))
        if not shorter:
            return hit.with_score(0.0, "nothing to align")
        matches, strand = max((count_matches(query, found), "forward"), self._try_other_strand(query, found))
        return hit.with_score(matches / shorter, f"{matches} of {shorter} bases, {strand} strand")

    def _try_other_strand(self, query: str, found: str) -> tuple[int, str]:
        if self.params.strands == "forward":
            return 0, ""
        return count_matches(reverse_complement(query), found), "reverse"


def count_matches(first: str, second: str) -> int:
    """Return how many bases agree in the best alignment without gaps."""
    one, two = (np.frombuffer(text.encode("ascii"), np.uint8) for text in (first, second))
    agreements = [np.correlate((one == base).astype(float), (two == base).astype(float), "full") for base in b"ACGT"]
    return round(float(np.sum(agreements, axis=0).max()))


def _read_bases(hit: Hit) -> str:
    """Return the hit's sequence; of a long one only the excerpt of the window that was found."""
    text = hit.content or ""
    if len(text) > _MAX_BASES:
        text = (hit.excerpt or "").rstrip("…")
    try:
        return parse_bases(text)[:_MAX_BASES]
    except ItemError:
        return ""
