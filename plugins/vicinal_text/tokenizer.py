"""Tokenizes texts by a model's ``tokenizer.json``, without transformers, whose import takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vicinal.errors import PluginError

__all__ = ["TextTokenizer", "TokenizedText"]


class TokenizedText(str):
    """A text with the ids of its tokens, so that the threads that decode tokenize it, and ``encode`` need not."""

    __slots__ = ("token_ids",)
    token_ids: list[int]

    def __new__(cls, text: str, token_ids: list[int]) -> TokenizedText:
        self = super().__new__(cls, text)
        self.token_ids = token_ids
        return self


class TextTokenizer:
    """A tokenizer that truncates texts to ``max_tokens``, special tokens included. Threads may share it."""

    def __init__(self, path: Path, max_tokens: int | None) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer: Any = Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises Exception itself
            raise PluginError(f"{path} is not a tokenizer: {error}", hint="download the model again") from error
        self._tokenizer.no_padding()
        if max_tokens is None:
            self._tokenizer.no_truncation()
        else:
            self._tokenizer.enable_truncation(max_tokens)

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text's tokens, truncated. Computed without the interpreter's lock."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def tokenize(self, texts: Sequence[str], prompt: str = "") -> list[TokenizedText]:
        """The texts with the ids of their tokens, those of the prompt before them included."""
        token_ids = self.token_ids([prompt + text for text in texts])
        return [TokenizedText(text, ids) for text, ids in zip(texts, token_ids, strict=True)]
