"""Globs over relative paths with forward slashes.

``*`` and ``?`` stay within a name, ``**`` stands for any number of directories (none, too), ``[a-z]`` and ``[!a-z]``
for one character, ``{jpg,png}`` for either text. A pattern describes the whole path, so ``*.jpg`` means the top folder
only. Upper and lower case differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

__all__ = ["checked_glob", "matcher"]

_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_TOKEN = re.compile(r"\*+|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """A function that tells whether a path matches any of the patterns."""
    alternatives = "|".join(_path(choice) for pattern in patterns for choice in _choices(pattern))
    fullmatch = re.compile(alternatives or r"(?!)", re.DOTALL).fullmatch
    return lambda path: fullmatch(path) is not None


def checked_glob(pattern: str) -> str:
    """The pattern itself.

    Raises:
        ValueError: it is not a glob.
    """
    if not pattern.strip("/"):
        raise ValueError("an empty pattern matches nothing")
    try:
        matcher([pattern])
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a glob: {error.msg}") from None
    return pattern


def _choices(pattern: str) -> list[str]:
    """The pattern once for each way to choose from its braces."""
    braces = _BRACES.search(pattern)
    if braces is None:
        return [pattern]
    before, after = pattern[: braces.start()], pattern[braces.end() :]
    return [full for choice in braces[1].split(",") for full in _choices(f"{before}{choice}{after}")]


def _path(pattern: str) -> str:
    names = [name for name in pattern.split("/") if name not in ("", ".")]
    pieces = []
    for place, name in enumerate(names):
        last = place == len(names) - 1
        if name != "**":
            pieces.append(_name(name) + ("" if last else "/"))
        elif last:
            pieces.append(".+")
        elif names[place + 1] != "**":
            pieces.append("(?:[^/]+/)*")
    return "".join(pieces)


def _name(pattern: str) -> str:
    return "".join(_piece(token) for token in _TOKEN.findall(pattern))


def _piece(token: str) -> str:
    if token.startswith("*"):
        return "[^/]*"
    if token == "?":
        return "[^/]"
    if token.startswith("[") and len(token) > 1:
        negated = token[1] == "!"
        inside = re.sub(r"([\\\[\]&~|^])", r"\\\1", token[1 + negated : -1])
        return f"(?!/)[{'^' if negated else ''}{inside}]"
    return re.escape(token)
