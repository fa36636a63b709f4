"""Sentence embeddings: texts of like meaning have near vectors (Reimers and Gurevych 2019, https://arxiv.org/abs/1908.10084).

The default model, all-MiniLM-L6-v2, comes in a package and works offline. A BERT with mean or cls pooling is computed
directly, any other model by sentence-transformers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from vicinal import Encoder, Item, ItemError, Rendering, Segment, Space
from vicinal.errors import PluginError
from vicinal.plugin.params import folder_or_name
from vicinal.toolkit.models import Model
from vicinal.toolkit.text import is_blank
from vicinal.toolkit.torch_runtime import Device, Precision, choose_batch_size, locked_cached_property
from vicinal_text.backends import Backend, BertBackend, SentenceTransformersBackend
from vicinal_text.model_dir import MINILM, SentenceModelDir, make_sentence_model, resolve_sentence_model
from vicinal_text.tokenizer import TextTokenizer
from vicinal_text.windows import WindowSplitter

if TYPE_CHECKING:
    import numpy as np

    from vicinal import Disturbance

__all__ = ["QuerySample", "SentenceEncoder"]

MAX_BYTES = 1024 * 1024
"""Bytes of a text in UTF-8; a model reads its first few hundred words, so a larger one is a mistake."""

MAX_QUERY_WINDOWS = 16
"""Each is a vector that is encoded and searched with while the user waits."""


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
        """``minilm`` (comes in a package), a folder, or a sentence-transformers model on the Hugging Face hub."""
        window: int | None = Field(default=None, ge=16)
        """Tokens of a segment, at most as many as the model reads (``minilm``: 256, some 200 words of English). Without
        it a text is one segment, and only the beginning of a longer one is searched; reports and ``status`` count
        those."""
        hop: int | None = Field(default=None, ge=4)
        """Tokens from the start of one window to the next; half a window by default."""
        batch_size: int = Field(default=32, ge=1, le=4096)
        """Texts computed together, fewer where they are long. 32 is best on a CPU; on a GPU the default is
        512."""
        precision: Precision = "auto"
        """``auto``: bfloat16 where the processor supports it and the vectors match those of float32; else, and for a
        single query, float32."""
        device: Device = "auto"
        """``auto`` is a GPU where torch finds one."""
        prompt: str | None = None
        """What goes before each text (``"passage: "`` for e5); by default what the model's own files say."""
        query_prompt: str | None = None
        """What goes before each query (``"query: "`` for e5); by default what the model's own files say."""

        @model_validator(mode="after")
        def _check_hop(self) -> SentenceEncoder.Params:
            if self.hop is not None and (self.window is None or self.hop > self.window):
                raise ValueError("hop needs a window that is at least as long" if self.window else "hop needs a window")
            return self

    @property
    def space(self) -> Space:
        return Space(self._model_dir.dimension or self._loaded_dimension, "float", "COSINE")

    @property
    def signature(self) -> str:
        """Hash of the model's files, how they are used, and the configured precision.

        ``auto`` stands for itself, not for what it means on this processor: vectors in bfloat16 have a cosine of 0.9999
        to those in float32, so a collection built on one machine can be searched on another.
        """
        model_dir, precision, prompt = self._model_dir, self.params.precision, self._prompts[0]
        version = "/2" if model_dir.changed_vectors_with_prompt(prompt) else ""
        prompt_tag = f"/prompt={prompt!r}" if prompt else ""
        pooling = "+".join(model_dir.pooling_modes)
        windows = "/window={}/hop={}".format(*self._windowing) if self._windowing else ""
        limit = model_dir.max_tokens
        return (
            f"sentence{version}/{model_dir.hash}/longest={limit}/pooling={pooling}/l2/{precision}{prompt_tag}{windows}"
        )

    def list_models(self) -> list[Model]:
        return [make_sentence_model(self.params.model)]

    @property
    def segmented(self) -> bool:
        return self.params.window is not None

    @property
    def labelled(self) -> bool:
        return self.segmented

    @property
    def encode_batch_size(self) -> int:
        return 512

    @property
    def truncation_note(self) -> str:
        limit = self._model_dir.max_tokens
        return (
            f"the model reads {limit} tokens of a text; `window: {limit}` on the encoder indexes longer ones in parts"
        )

    def decode(self, item: Item) -> list[Segment]:
        """Validate and tokenize a text: a segment for each window, or one, the text itself without NUL characters.

        That one is marked as truncated where it has more tokens than the model reads.

        Raises:
            ItemError: it is not a string, has no visible character, or is larger than 1 MiB.
        """
        text = _require_text(item.content)
        return self._to_segments([text]) if self._splitter is None else self._to_windows(text, self._splitter)

    def decode_many(self, items: Sequence[Item]) -> list[Sequence[Segment] | ItemError]:
        """Validate several texts, and tokenize them in one call."""
        if self.segmented:
            return super().decode_many(items)
        contents = [_text_or_error(item.content) for item in items]
        segments = iter(self._to_segments([content for content in contents if isinstance(content, str)]))
        return [[next(segments)] if isinstance(content, str) else content for content in contents]

    def decode_query(self, query: str | Path) -> list[Segment]:
        """Validate a query: one segment or, where texts are split into windows, at most 16, evenly spaced.

        Raises:
            ItemError: as ``decode``.
        """
        text = _require_text(query)
        places = self._splitter.split(text) if self._splitter else [(0, len(text))]
        step = -(-len(places) // MAX_QUERY_WINDOWS)
        return [Segment(QuerySample(text[start:end])) for start, end in places[::step]]

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

    def _to_windows(self, text: str, splitter: WindowSplitter) -> list[Segment]:
        """A segment for each window of a text, labelled with its characters, counted from 1."""
        places = splitter.split(text)
        segments = self._to_segments([text[start:end] for start, end in places])
        return [
            replace(segment, label=f"characters {start + 1:,} to {end:,}", excerpt=text[start:end], truncated=False)
            for segment, (start, end) in zip(segments, places, strict=True)
        ]

    def render(self, item: Item) -> Rendering:
        return Rendering("text", str(item.content))

    def list_disturbances(self) -> Sequence[Disturbance]:
        """Texts without some words, mistyped, in capitals, and their first sentences."""
        from vicinal_text.disturbances import DISTURBANCES

        return DISTURBANCES

    @cached_property
    def _model_dir(self) -> SentenceModelDir:
        return resolve_sentence_model(self.params.model)

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

    @cached_property
    def _windowing(self) -> tuple[int, int] | None:
        """Window and hop in tokens; None where texts are not split.

        Raises:
            PluginError: the model does not read as many tokens, or has no tokenizer that tells where they are.
        """
        if (window := self.params.window) is None:
            return None
        limit = self._model_dir.max_tokens
        if limit is not None and window > limit:
            raise PluginError(
                f"window: {window} is more than the {limit} tokens that the model reads", hint=f"write window: {limit}"
            )
        if self._model_dir.tokenizer_path is None:
            raise PluginError(f"{self._model_dir.path} has no tokenizer.json, which `window` needs")
        return window, self.params.hop or window // 2

    @locked_cached_property
    def _splitter(self) -> WindowSplitter | None:
        path = self._model_dir.tokenizer_path
        return WindowSplitter(path, *self._windowing, self._prompts[0]) if self._windowing and path else None

    @locked_cached_property
    def _backend(self) -> Backend:
        _ = self._model_dir.hash  # raises before a packaged model that was tampered with is loaded
        settings = (self.params.precision, self.params.device, choose_batch_size(self.params, gpu=512))
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
