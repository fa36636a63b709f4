"""Splits texts into windows of tokens, so that all of a long text is searched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vicinal.errors import PluginError
from vicinal.toolkit.torch_runtime import locked_cached_property
from vicinal_text.tokenizer import load_tokenizer

__all__ = ["WindowSplitter", "split_tokens"]

_SPECIAL_TOKENS = 8
"""More than any tokenizer puts around a text."""


class WindowSplitter:
    """Splits texts into windows of ``window`` tokens, a prompt and special tokens included, one every ``hop`` tokens.

    Threads may share it. Its tokenizer is loaded for the first text that may not fit into a window.
    """

    def __init__(self, path: Path, window: int, hop: int, prompt: str) -> None:
        self._path, self._window, self._hop, self._prompt = path, window, hop, prompt

    def split(self, text: str) -> list[tuple[int, int]]:
        """Start and end of each window, in characters; a text that fits is one window.

        Raises:
            PluginError: the prompt leaves no room for a text.
        """
        if len(f"{self._prompt}{text}".encode()) + _SPECIAL_TOKENS <= self._window:  # a token has a byte at least
            return [(0, len(text))]
        [encoding] = self._tokenizer.encode_batch([text], add_special_tokens=False)
        if len(encoding) <= self._size:
            return [(0, len(text))]
        return [
            (encoding.token_to_chars(start)[0], encoding.token_to_chars(end - 1)[1])
            for start, end in split_tokens(encoding.word_ids, self._size, min(self._hop, self._size))
        ]

    @locked_cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._path, max_tokens=None)

    @locked_cached_property
    def _size(self) -> int:
        """How many tokens of a text a window holds."""
        size = self._window - len(self._tokenizer.encode(self._prompt).ids)
        if size < 1:
            raise PluginError(
                f"the prompt has as many tokens as a window, {self._window}", hint="write a greater `window`"
            )
        return size


def split_tokens(words: Sequence[int | None], size: int, hop: int) -> Iterator[tuple[int, int]]:
    """Start and end of windows of at most ``size`` tokens, one every ``hop``; the last one ends with the text.

    ``words`` has each token's word. Windows hold whole words, except where a word has more than a quarter of a hop:
    languages without spaces have such.
    """
    reach, start = max(1, hop // 4), 0
    while start + size < len(words):
        yield start, _find_word_start(words, range(start + size, start + size - reach, -1))
        start = _find_word_start(words, range(start + hop, start + hop - reach, -1))
    if start:
        start = min(start, _find_word_start(words, range(len(words) - size, len(words) - size + reach)))
    yield start, len(words)


def _find_word_start(words: Sequence[int | None], tokens: range) -> int:
    """The first of these tokens with which a word starts, or the first one."""
    return next((token for token in tokens if words[token] != words[token - 1]), tokens[0])
