"""Sentence embeddings: texts of like meaning get near vectors (Reimers and Gurevych 2019, https://arxiv.org/abs/1908.10084).

The default model, all-MiniLM-L6-v2, comes in a package and works offline. A BERT with mean or cls pooling is computed
directly; any other model of sentence-transformers by that package.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo

from vicinal import Encoder, Item, ItemError, Rendering, Segment, Space
from vicinal.plugin.params import folder_or_name
from vicinal.toolkit.torch_runtime import Device, Precision, locked_cached_property
from vicinal_text.backends import BertEngine, Engine, PipelineEngine
from vicinal_text.model_dir import MINILM, ModelFolder
from vicinal_text.resolve import locate

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Query", "Sentence"]

LARGEST = 1024 * 1024
"""Bytes of a text; a model reads its first few hundred words, so a larger one is a mistake."""


def _folder_or_name(model: str, info: ValidationInfo) -> str:
    """A folder beside the YAML file, if there is one of that name; else the name, as that of the packaged model is."""
    return model if model == MINILM else folder_or_name(model, info)


class Query(str):
    """A text that is searched with, for models that want a prompt before it."""

    __slots__ = ()


class Sentence(Encoder):
    """Encodes texts; content and query are strings."""

    samples_are_text = True
    encode_is_thread_safe = True

    class Params(Encoder.Params):
        model: Annotated[str, Field(min_length=1), AfterValidator(_folder_or_name)] = MINILM
        """``minilm`` (comes in a package), a folder, or a sentence-transformers model on the Hugging Face hub."""
        batch_size: int = Field(default=32, ge=1, le=4096)
        """Texts computed together, fewer where they are long. 32 is best on a CPU, 256 and more on a GPU."""
        precision: Precision = "auto"
        """``auto``: bfloat16 where the processor has it and vectors stay true, else float32, and for a single query."""
        device: Device = "auto"
        """``auto`` is a GPU where torch finds one."""
        prompt: str | None = None
        """What goes before each text (``"passage: "`` for e5); by default what the model's own files say."""
        query_prompt: str | None = None
        """What goes before each query (``"query: "`` for e5); by default what the model's own files say."""

    @property
    def space(self) -> Space:
        return Space(self._folder.dimension or self._dimension, "float", "COSINE")

    @property
    def signature(self) -> str:
        """Hash of the model's files, how they are used, and the precision that was asked for.

        ``auto`` is part of it as it is written, not what it means on this processor: vectors in bfloat16 have a cosine
        of 0.9999 to those in float32, so a collection built on one machine can be searched on another.
        """
        folder, precision = self._folder, self.params.precision
        prompt = f"/prompt={self._prompts[0]!r}" if self._prompts[0] else ""
        pooling = "+".join(folder.poolings)
        return f"sentence/{folder.hash}/longest={folder.longest}/pooling={pooling}/l2/{precision}{prompt}"

    @property
    def encode_batch_size(self) -> int:
        return 512

    def decode(self, item: Item) -> list[Segment]:
        """Check a text: one segment, the text itself without NUL characters.

        Raises:
            ItemError: it is not a string, empty, or larger than 1 MiB.
        """
        return [Segment(_checked(item.content))]

    def decode_query(self, query: str | Path) -> list[Segment]:
        return [Segment(Query(_checked(query)))]

    def encode(self, samples: Sequence[str]) -> np.ndarray:
        """Vectors of texts, ``(n, dimension)`` float32 of length 1; equal texts are computed once."""
        import numpy as np

        if not samples:
            return np.zeros((0, self.space.dimension), np.float32)
        texts = [self._prompts[isinstance(sample, Query)] + sample for sample in samples]
        rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        vectors = self._engine.encode(list(rows))
        return vectors if len(rows) == len(texts) else vectors[[rows[text] for text in texts]]

    def render(self, item: Item) -> Rendering:
        return Rendering("text", str(item.content))

    @cached_property
    def _folder(self) -> ModelFolder:
        return locate(self.params.model)

    @cached_property
    def _prompts(self) -> tuple[str, str]:
        given = (self.params.prompt, self.params.query_prompt)
        text, query = (own if set_ is None else set_ for own, set_ in zip(self._folder.prompts, given, strict=True))
        return text, query

    @locked_cached_property
    def _engine(self) -> Engine:
        kind = BertEngine if self._folder.is_plain_bert else PipelineEngine
        _ = self._folder.hash  # a packaged model that was tampered with must not be loaded
        return kind(self._folder, self.params.precision, self.params.device, self.params.batch_size)

    @property
    def _dimension(self) -> int:
        engine: Any = self._engine
        return int(engine.dimension)


def _checked(content: Any) -> str:
    if not isinstance(content, str):
        raise ItemError(f"a text is wanted, not {type(content).__name__}")
    encoded = content[: LARGEST + 1].encode(errors="replace")  # half a surrogate pair has no encoding
    if len(encoded) > LARGEST:
        raise ItemError("the text is larger than 1 MiB")
    text = encoded.decode().replace("\0", "")
    if not text.strip():
        raise ItemError("the text is empty")
    return text
