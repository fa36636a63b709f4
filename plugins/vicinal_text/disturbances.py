"""What happens to texts before somebody searches with them: words are dropped, letters swapped, a part is known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from vicinal import Disturbance, ItemError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["DISTURBANCES"]

_DROPPED = 0.2
_MISTYPED = 0.2
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=\S)|(?<=[。！？])|\n\s*\n")
_MIN_SENTENCE_CHARS = 10


def _require_text(content: Any) -> str:
    if not isinstance(content, str):
        raise ItemError(f"the content must be a text, not {type(content).__name__}")
    return content


def _drop_words(content: Any, generator: np.random.Generator) -> str | None:
    """Drop a fifth of the words, one at least."""
    words = _require_text(content).split()
    if len(words) < 2:
        return None
    dropped = set(generator.choice(len(words), max(1, round(_DROPPED * len(words))), replace=False).tolist())
    return " ".join(word for place, word in enumerate(words) if place not in dropped)


def _mistype_words(content: Any, generator: np.random.Generator) -> str | None:
    """Swap two neighbouring letters of a fifth of the words that have four or more, of one at least."""
    words = re.split(r"(\s+)", _require_text(content))
    long = [place for place, word in enumerate(words) if len(word) >= 4 and not word.isspace()]
    if not long:
        return None
    for place in generator.choice(long, max(1, round(_MISTYPED * len(long))), replace=False).tolist():
        words[place] = _swap_letters(words[place], generator)
    mistyped = "".join(words)
    return mistyped if mistyped != content else None


def _swap_letters(word: str, generator: np.random.Generator) -> str:
    """Swap two neighbours behind the first letter that differ; a word without such stays as it is."""
    places = [place for place in range(1, len(word) - 1) if word[place] != word[place + 1]]
    if not places:
        return word
    place = int(generator.choice(places))
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def _to_capitals(content: Any, _: np.random.Generator) -> str | None:
    """Write it in capitals; None where it has no case, or is in capitals already."""
    capitals = _require_text(content).upper()
    return capitals if capitals != content else None


def _take_first_sentence(content: Any, _: np.random.Generator) -> str | None:
    """Take the first sentence, of ten characters or more; None where there is no further one."""
    text = _require_text(content).strip()
    for end in _SENTENCE_END.finditer(text):
        if end.start() >= _MIN_SENTENCE_CHARS and text[end.end() :].strip():
            return text[: end.start()]
    return None


DISTURBANCES = (
    Disturbance(
        "words-dropped",
        "texts without a fifth of their words",
        _drop_words,
        hint="search words too, with `hybrid: true`, or try a larger model",
    ),
    Disturbance(
        "mistyped",
        "texts with a typing error in every fifth word",
        _mistype_words,
        hint="try a larger model, or one that was trained on questions as people type them",
    ),
    Disturbance(
        "capitals",
        "texts in capitals",
        _to_capitals,
        hint="the model tells capitals from small letters; try one that is uncased, or write all in small letters",
    ),
    Disturbance(
        "first-sentence",
        "first sentences of texts",
        _take_first_sentence,
        hint="index texts in parts, with `window: 64` on the encoder, or search words too, with `hybrid: true`",
    ),
)
