"""Encoders of two networks: files and sentences in one space, as CLIP's images or CLAP's sounds.

It stands in the contract and not in the toolkit because it is an ``Encoder``; what transformers has of such models is
loaded by ``vicinal.toolkit.transformers_loading``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from vicinal.plugin.encoder import Encoder
from vicinal.toolkit.vectors import l2_normalize
from vicinal.types import Segment, TextQuery

if TYPE_CHECKING:
    import numpy as np

__all__ = ["DualEncoder", "TextEncoder"]


class TextEncoder(Protocol):
    """Encodes sentences: ``(n, dimension)`` float32."""

    def encode(self, sentences: Sequence[str]) -> np.ndarray: ...


class DualEncoder(Encoder):
    """A mixin before an encoder of files, ``class Clip(DualEncoder, ImageEncoder)``: a query is a file or a sentence.

    A subclass says how each of the two is encoded; vectors are scaled to length 1. Only the networks that a call needs
    are loaded.
    """

    file_suffixes: ClassVar[tuple[str, ...]]
    """A query that ends with one of these names a file, and is an error where there is no such file."""

    @property
    @abstractmethod
    def _text_encoder(self) -> TextEncoder:
        """The text encoder; make it a ``locked_cached_property``, so that it is loaded once, by the first sentence."""

    @abstractmethod
    def _encode_files(self, samples: Sequence[Any]) -> np.ndarray:
        """Encode the samples of files: ``(n, dimension)``, of any length."""

    def decode_query(self, query: str | Path) -> Sequence[Segment]:
        """Prepare a file if the query is bytes, an object or the path of a file, else a sentence.

        ``text:`` before a sentence makes it one, though a file has that name.

        Raises:
            ItemError: the file cannot be read, or the sentence is empty or too long.
        """
        sentence = TextQuery.parse(query, self.file_suffixes)
        return super().decode_query(query) if sentence is None else [Segment(sentence)]

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        """Encode the samples of files and sentences, in any order: ``(n, dimension)`` float32 of length 1."""
        import numpy as np

        vectors = np.zeros((len(samples), self.space.dimension), np.float32)
        rows_of: dict[bool, list[int]] = {True: [], False: []}
        for row, sample in enumerate(samples):
            rows_of[isinstance(sample, TextQuery)].append(row)
        for is_text, rows in rows_of.items():
            if rows:
                encode: Callable[[Sequence[Any]], np.ndarray]
                encode = self._text_encoder.encode if is_text else self._encode_files
                vectors[rows] = encode([samples[row] for row in rows])
        return l2_normalize(vectors)
