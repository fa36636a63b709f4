"""The encoder ``vectors``: bring your own embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from vicinal.errors import ItemError, PluginError
from vicinal.plugin.encoder import Encoder
from vicinal.toolkit.text import shorten
from vicinal.types import Item, Metric, Modality, Rendering, Segment, Space
from vicinal_vectors.parse import load_vector, parse_query, to_row

__all__ = ["Vectors"]

_MAX_FLOATS = 32_768
_MAX_MISMATCHES = 100
_MAX_RENDERED_CHARS = 200
_TITLES = ("title", "name", "text", "label", "caption", "question", "content")


class Vectors(Encoder["Vectors.Params"]):
    """Takes vectors as they are: an item's content, and a query, is a list of numbers, an array, or a ``.npy`` file.

    Under JACCARD vectors are bits: as many zeros and ones as ``dimension``, or an eighth as many bytes.
    """

    encode_is_thread_safe = True
    encode_batch_size = 4096
    decode_batch_size = 1024
    reads_vectors = True

    class Params(Encoder.Params):
        dimension: int = Field(ge=2, le=262_144)
        """How many numbers each vector has, 32,768 at most; of bits (``metric: JACCARD``) a multiple of 8."""
        metric: Metric = "COSINE"
        """How near two vectors are: COSINE, IP (inner product) or L2 for numbers, JACCARD for bits."""
        model: str = ""
        """What made the vectors. Those of another model are not mixed with what is indexed: see ``vicinal reindex``."""

        @model_validator(mode="after")
        def _refuse_other_dimensions(self) -> Self:
            if self.metric == "JACCARD" and self.dimension % 8:
                raise ValueError("under JACCARD dimension is a number of bits, a multiple of 8")
            if self.metric != "JACCARD" and self.dimension > _MAX_FLOATS:
                raise ValueError(f"dimension is at most {_MAX_FLOATS:,}, unless vectors are bits (metric: JACCARD)")
            return self

    def __init__(self, params: Vectors.Params) -> None:
        super().__init__(params)
        self._has_matched = False
        self._mismatches = 0

    @property
    def space(self) -> Space:
        return Space(
            self.params.dimension, "binary" if self.params.metric == "JACCARD" else "float", self.params.metric
        )

    @property
    def signature(self) -> str:
        model = f"/{self.params.model}" if self.params.model else ""
        return f"vectors/1/{self.space.kind}/{self.params.dimension}{model}"

    @property
    def query_modalities(self) -> tuple[Modality, ...]:
        example = "[" + ", ".join(["1", *["0"] * (self.params.dimension - 1)]) + "]"
        return (
            Modality("vector", label="vector", placeholder="A vector, as [0.12, -0.5, …]", example=example),
            Modality("vector-file", "file", label=".npy", placeholder="Drop a .npy file"),
        )

    def decode(self, item: Item) -> list[Segment]:
        return [Segment(self._require_valid(self._to_row(item.content)))]

    def decode_many(self, items: Sequence[Item]) -> list[Sequence[Segment] | ItemError]:
        """Check many vectors at once: one by one takes ten times as long."""
        contents = [item.content for item in items]
        if not (contents and self.space.kind == "float" and all(map(self._is_row, contents))):
            return super().decode_many(items)
        matrix = np.stack(contents).astype(np.float32, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = np.einsum("ij,ij->i", matrix, matrix)
        if not np.isfinite(lengths).all() or not lengths.all():
            return super().decode_many(items)
        self._has_matched = True
        return [[Segment(row)] for row in matrix]

    def decode_query(self, query: str | Path) -> list[Segment]:
        row = self._to_row(parse_query(query))
        return [Segment(row if self.space.kind == "binary" else self._require_valid(row))]

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        width, dtype = self._shape
        return np.stack(samples) if samples else np.zeros((0, width), dtype)

    def render(self, item: Item) -> Rendering:
        """A title from the metadata, if there is any: nobody reads a vector."""
        title = next((item.metadata[name] for name in _TITLES if isinstance(item.metadata.get(name), str)), "")
        content = item.content if isinstance(item.content, str) else ""
        return Rendering("text", title or shorten(content, _MAX_RENDERED_CHARS))

    @property
    def _shape(self) -> tuple[int, Any]:
        is_float = self.space.kind == "float"
        return (self.params.dimension, np.float32) if is_float else (self.params.dimension // 8, np.uint8)

    def _is_row(self, content: Any) -> bool:
        return (
            isinstance(content, np.ndarray)
            and content.shape == (self.params.dimension,)
            and content.dtype.kind in "fiu"
        )

    def _to_row(self, content: Any) -> np.ndarray:
        """The vector that a content is, not checked for NaN and zeros yet.

        Raises:
            ItemError: it is no vector, or one of another dimension.
            PluginError: so were the first hundred, and no vector had the right one.
        """
        if isinstance(content, Path):
            content = load_vector(content)
        elif isinstance(content, str):
            content = parse_query(f"text:{content}")
        row = to_row(content)
        if self.space.kind == "binary":
            return self._to_bits(row)
        if len(row) != self.params.dimension:
            raise self._count_mismatch(len(row))
        self._has_matched = True
        with np.errstate(over="ignore"):
            return row.astype(np.float32)

    def _to_bits(self, row: np.ndarray) -> np.ndarray:
        """Bits packed into bytes."""
        values = row.astype(np.int64)
        if not np.array_equal(values, row):
            raise ItemError("it has other numbers than bits or bytes")
        if len(row) not in (self.params.dimension, self.params.dimension // 8):
            raise self._count_mismatch(len(row))
        is_packed = len(row) == self.params.dimension // 8
        if values.min() < 0 or values.max() > (255 if is_packed else 1):
            raise ItemError(f"it has numbers that are no {'bytes' if is_packed else 'bits'}")
        self._has_matched = True
        return values.astype(np.uint8) if is_packed else np.packbits(values.astype(np.uint8))

    def _count_mismatch(self, length: int) -> ItemError | PluginError:
        """The error of a vector of another dimension; where all are, the config is at fault, and the run ends."""
        unit = "numbers" if self.space.kind == "float" else "bits or bytes"
        expected = f"{self.params.dimension:,}"
        self._mismatches += 1
        if self._mismatches >= _MAX_MISMATCHES and not self._has_matched:
            return PluginError(
                f"the first {_MAX_MISMATCHES} vectors have {length:,} {unit}, and `dimension` is {expected}",
                f"set `dimension: {length}` in the encoder's block" if self.space.kind == "float" else "",
            )
        return ItemError(f"it has {length:,} {unit}, and `dimension` is {expected}")

    def _require_valid(self, row: np.ndarray) -> np.ndarray:
        """
        Raises:
            ItemError: NaN, infinity, a number that float32 cannot hold, or, where it has no direction, zeros.
        """
        if self.space.kind == "binary":
            if not row.any():
                raise ItemError("none of its bits is set")
            return row
        if len(odd := np.flatnonzero(~np.isfinite(row))):
            raise ItemError(f"its number {int(odd[0]) + 1} is {row[odd[0]]}")
        with np.errstate(over="ignore"):
            squared_length = float(row @ row)
        if not np.isfinite(squared_length):
            raise ItemError("it is too long for float32")
        if squared_length == 0.0 and self.params.metric in ("COSINE", "IP"):
            raise ItemError("it is all zeros, which have no direction")
        return row
