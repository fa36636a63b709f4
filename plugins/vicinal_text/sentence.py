"""Sentence embeddings: texts of like meaning have near vectors (Reimers and Gurevych 2019, https://arxiv.org/abs/1908.10084).

The default model, all-MiniLM-L6-v2, comes in a package and works offline. A BERT with mean or cls pooling is computed
directly, any other model by sentence-transformers.
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
from vicinal.types import is_blank
from vicinal_text.backends import Backend, BertBackend, SentenceTransformersBackend
from vicinal_text.model_dir import MINILM, SentenceModelDir
from vicinal_text.resolve import resolve_model
from vicinal_text.tokenizer import TextTokenizer

if TYPE_CHECKING:
    import numpy as np

__all__ = ["QuerySample", "SentenceEncoder"]

MAX_BYTES = 1024 * 1024
"""Bytes of a text in UTF-8; a model reads its first few hundred words, so a larger one is a mistake."""


def _resolve_relative_folder(model: str, info: ValidationInfo) -> str:
    """A folder beside the YAML file if there is one of that name; else the name, as that of the packaged model is."""
    return model if model == MINILM else folder_or_name(model, info)


class QuerySample(str):
    """The text of a query, told from that of an item, since some models expect another prompt before it."""

    __slots__ = ()


class SentenceEncoder(Encoder["SentenceEncoder.Params"]):
    """Encodes texts; content and query are strings."""

    samples_are_text = True
    encode_is_thread_safe = True

    class Params(Encoder.Params):
        model: Annotated[str, Field(min_length=1), AfterValidator(_resolve_relative_folder)] = MINILM
        """``minilm`` (comes in a package), a folder, or a sentence-transformers model on the Hugging Face hub. A model
        reads the beginning of a text, ``minilm`` 256 tokens, some 200 words of English; reports and ``status`` count
        longer ones. To search all of a text, let the source yield its parts."""
        batch_size: int = Field(default=32, ge=1, le=4096)
        """Texts computed together, fewer where they are long. 32 is best on a CPU, 256 and more on a GPU."""
        precision: Precision = "auto"
        """``auto``: bfloat16 where the processor supports it and the vectors match those of float32; else, and for a
        single query, float32."""
        device: Device = "auto"
        """``auto`` is a GPU where torch finds one."""
        prompt: str | None = None
        """What goes before each text (``"passage: "`` for e5); by default what the model's own files say."""
        query_prompt: str | None = None
        """What goes before each query (``"query: "`` for e5); by default what the model's own files say."""

    @property
    def space(self) -> Space:
        return Space(self._model_dir.dimension or self._loaded_dimension, "float", "COSINE")

    @property
    def signature(self) -> str:
        """Hash of the model's files, how they are used, and the configured precision.

        ``auto`` stands for itself, not for what it means on this processor: vectors in bfloat16 have a cosine of 0.9999
        to those in float32, so a collection built on one machine can be searched on another.
        """
        model_dir, precision = self._model_dir, self.params.precision
        prompt = f"/prompt={self._prompts[0]!r}" if self._prompts[0] else ""
        pooling = "+".join(model_dir.pooling_modes)
        return f"sentence/{model_dir.hash}/longest={model_dir.max_tokens}/pooling={pooling}/l2/{precision}{prompt}"

    @property
    def encode_batch_size(self) -> int:
        return 512

    @property
    def truncation_note(self) -> str:
        return (
            f"the model reads {self._model_dir.max_tokens} tokens of a text; split longer ones in the source, a row for"
            " each part"
        )

    def decode(self, item: Item) -> list[Segment]:
        """Validate and tokenize a text: one segment, the text itself without NUL characters.

        It is marked as truncated where it has more tokens than the model reads.

        Raises:
            ItemError: it is not a string, has no visible character, or is larger than 1 MiB.
        """
        return self._to_segments([_require_text(item.content)])

    def decode_many(self, items: Sequence[Item]) -> list[Sequence[Segment] | ItemError]:
        """Validate several texts, and tokenize them in one call."""
        contents = [_text_or_error(item.content) for item in items]
        segments = iter(self._to_segments([content for content in contents if isinstance(content, str)]))
        return [[next(segments)] if isinstance(content, str) else content for content in contents]

    def decode_query(self, query: str | Path) -> list[Segment]:
        return [Segment(QuerySample(_require_text(query)))]

    def encode(self, samples: Sequence[str]) -> np.ndarray:
        """Vectors of texts, ``(n, dimension)`` float32 of length 1; equal texts are computed once."""
        import numpy as np

        if not samples:
            return np.zeros((0, self.space.dimension), np.float32)
        rows: tuple[list[int], list[int]] = ([], [])
        for row, sample in enumerate(samples):
            rows[isinstance(sample, QuerySample)].append(row)
        parts = [
            self._encode_unique([samples[row] for row in part], prompt)
            for part, prompt in zip(rows, self._prompts, strict=True)
            if part
        ]
        return np.concatenate(parts)[np.argsort([*rows[0], *rows[1]])]

    def _encode_unique(self, texts: Sequence[str], prompt: str) -> np.ndarray:
        numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        vectors = self._backend.encode(list(numbers), prompt)
        return vectors[[numbers[text] for text in texts]]

    def _to_segments(self, texts: Sequence[str]) -> list[Segment]:
        """A segment for each text, marked if it is truncated, where the model has a ``tokenizer.json``."""
        if self._tokenizer is None:
            return [Segment(text) for text in texts]
        return self._tokenizer.to_segments(texts, self._prompts[0])

    def render(self, item: Item) -> Rendering:
        return Rendering("text", str(item.content))

    @cached_property
    def _model_dir(self) -> SentenceModelDir:
        return resolve_model(self.params.model)

    @cached_property
    def _prompts(self) -> tuple[str, str]:
        """The prompts of texts and of queries: those of the config, else those of the model's files."""
        configured = (self.params.prompt, self.params.query_prompt)
        text, query = (
            default if prompt is None else prompt
            for default, prompt in zip(self._model_dir.prompts, configured, strict=True)
        )
        return text, query

    @locked_cached_property
    def _tokenizer(self) -> TextTokenizer | None:
        path = self._model_dir.tokenizer_path
        return TextTokenizer(path, self._model_dir.max_tokens) if path else None

    @locked_cached_property
    def _backend(self) -> Backend:
        _ = self._model_dir.hash  # raises before a packaged model that was tampered with is loaded
        settings = (self.params.precision, self.params.device, self.params.batch_size)
        if self._model_dir.is_plain_bert:
            assert self._tokenizer is not None
            return BertBackend(self._model_dir, self._tokenizer, *settings)
        return SentenceTransformersBackend(self._model_dir, *settings)

    @property
    def _loaded_dimension(self) -> int:
        backend: Any = self._backend
        return int(backend.dimension)


def _require_text(content: Any) -> str:
    if not isinstance(content, str):
        raise ItemError(f"the content must be a text, not {type(content).__name__}")
    encoded = content[: MAX_BYTES + 1].encode(errors="replace")  # half a surrogate pair has no encoding
    if len(encoded) > MAX_BYTES:
        raise ItemError("the text is larger than 1 MiB")
    if is_blank(content):
        raise ItemError("the text is empty")
    return encoded.decode().replace("\0", "")


def _text_or_error(content: Any) -> str | ItemError:
    try:
        return _require_text(content)
    except ItemError as error:
        return error
