"""Tokenizes texts by a model's ``tokenizer.json``, without transformers, whose import takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vicinal import Segment
from vicinal.errors import PluginError

__all__ = ["TextTokenizer", "TokenizedText", "load_tokenizer"]


class TokenizedText(str):
    """A text with the ids of its tokens, so that the threads that decode tokenize it, and ``encode`` need not."""

    __slots__ = ("token_ids",)
    token_ids: list[int]

    def __new__(cls, text: str, token_ids: list[int]) -> TokenizedText:
        self = super().__new__(cls, text)
        self.token_ids = token_ids
        return self


def load_tokenizer(path: Path, max_tokens: int | None) -> Any:
    """Load a ``tokenizers.Tokenizer`` that truncates texts to ``max_tokens``, special tokens included, if any.

    Raises:
        PluginError: the file is not a tokenizer.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises Exception itself
        raise PluginError(f"{path} is not a tokenizer: {error}", hint="download the model again") from error
    tokenizer.no_padding()
    if max_tokens is None:
        tokenizer.no_truncation()
    else:
        tokenizer.enable_truncation(max_tokens)
    return tokenizer


class TextTokenizer:
    """Tokenizes texts, up to ``max_tokens`` of each, special tokens included. Threads may share it."""

    def __init__(self, path: Path, max_tokens: int | None) -> None:
        self._tokenizer = load_tokenizer(path, max_tokens)
        self._max_tokens = max_tokens

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text's tokens, truncated. Computed without the interpreter's lock."""
        return [encoding.ids for encoding in self._encode_texts(texts)]

    def to_segments(self, texts: Sequence[str], prompt: str = "") -> list[Segment]:
        """A segment for each text, its sample a ``TokenizedText``; tokens of the prompt come first."""
        encodings = self._encode_texts([prompt + text for text in texts])
        return [
            Segment(TokenizedText(text, encoding.ids), truncated=self._is_truncated(encoding))
            for text, encoding in zip(texts, encodings, strict=True)
        ]

    def _encode_texts(self, texts: Sequence[str]) -> list[Any]:
        encodings: list[Any] = self._tokenizer.encode_batch_fast(list(texts))
        return encodings

    def _is_truncated(self, encoding: Any) -> bool:
        """Whether a text has more tokens than the model reads; the rest of them is copied only where it may have."""
        return len(encoding) == self._max_tokens and bool(encoding.overflowing)
