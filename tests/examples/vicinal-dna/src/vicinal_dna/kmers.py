"""DNA as the frequencies of its k-mers: what shares many short words is near, wherever they stand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator
from vicinal import Disturbance, Encoder, Item, ItemError, Rendering, Segment, Space

from vicinal_dna.bases import DNA, draw_bases, parse_bases, read_query
from vicinal_dna.disturbances import DISTURBANCES

_EXCERPT = 60
_CODES = np.full(256, -1, np.int64)
_CODES[list(b"ACGT")] = range(4)


class Kmers(Encoder["Kmers.Params"]):
    """Counts the k-mers of each window of a sequence; a vector holds the square roots of their shares."""

    class Params(Encoder.Params):
        k: int = Field(default=5, ge=2, le=6)
        """How many bases a k-mer has."""
        window: int = Field(default=300, ge=20, le=100_000)
        """How many bases a segment has."""
        step: int = Field(default=150, ge=1, le=100_000)
        """How many bases lie between the starts of two segments."""
        strands: Literal["both", "forward"] = "both"
        """`both`: a k-mer and its reverse complement are one, so that a sequence is near to its other strand."""

        @model_validator(mode="after")
        def _require_overlap(self) -> Self:
            if self.step > self.window:
                raise ValueError("step is longer than window, so that bases between two windows would be lost")
            return self

    query_modalities = (DNA,)
    segmented = True
    labelled = True
    encode_is_thread_safe = True

    @property
    def space(self) -> Space:
        return Space(int(self._columns.max()) + 1, metric="COSINE")

    @property
    def signature(self) -> str:
        return f"kmers/1/{self.params.k}/{self.params.window}/{self.params.step}/{self.params.strands}"

    @cached_property
    def _columns(self) -> np.ndarray:
        """For each k-mer, as a number in base 4, its place in a vector: at most 4,096 of them."""
        numbers = np.arange(4**self.params.k)
        if self.params.strands == "forward":
            return numbers
        digits = numbers[:, None] // 4 ** np.arange(self.params.k) % 4  # the last base first
        other_strand = (3 - digits) @ 4 ** np.arange(self.params.k)[::-1]
        return np.unique(np.minimum(numbers, other_strand), return_inverse=True)[1]

    def decode(self, item: Item) -> list[Segment]:
        return self._cut(parse_bases(item.content))

    def decode_query(self, query: str | Path) -> list[Segment]:
        return self._cut(read_query(query))

    def render(self, item: Item) -> Rendering:
        return draw_bases(item.content)

    def list_disturbances(self) -> Sequence[Disturbance]:
        return DISTURBANCES

    def encode(self, samples: Sequence[str]) -> np.ndarray:
        counts = np.array([self._count(bases) for bases in samples], np.float32).reshape(-1, self.space.dimension)
        return np.asarray(np.sqrt(counts / counts.sum(axis=1, keepdims=True)), np.float32)

    def _cut(self, bases: str) -> list[Segment]:
        last = max(1, len(bases) - self.params.window + self.params.step)
        windows = [(start, bases[start : start + self.params.window]) for start in range(0, last, self.params.step)]
        segments = [_make_segment(start, window) for start, window in windows if self._numbers(window).size]
        if not segments:
            raise ItemError(f"there are no {self.params.k} known bases in a row")
        return segments

    def _numbers(self, bases: str) -> np.ndarray:
        """Return the k-mers as numbers in base 4, without those that an unknown base is part of."""
        codes = _CODES[np.frombuffer(bases.encode("ascii"), np.uint8)]
        if len(codes) < self.params.k:
            return np.empty(0, np.int64)
        words = np.lib.stride_tricks.sliding_window_view(codes, self.params.k)
        known = words[(words >= 0).all(axis=1)]
        return known @ 4 ** np.arange(self.params.k)[::-1]

    def _count(self, bases: str) -> np.ndarray:
        return np.bincount(self._columns[self._numbers(bases)], minlength=self.space.dimension)


def _make_segment(start: int, window: str) -> Segment:
    excerpt = window if len(window) <= _EXCERPT else f"{window[:_EXCERPT]}…"
    return Segment(window, label=f"bases {start + 1:,} to {start + len(window):,}", excerpt=excerpt)
