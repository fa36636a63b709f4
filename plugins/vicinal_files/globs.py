"""Globs over relative paths with forward slashes.

``*`` and ``?`` match within a name, ``**`` matches any number of directories (none, too), ``[a-z]`` and ``[!a-z]``
match one character, ``{jpg,png}`` matches either text. A pattern describes the whole path, so ``*.jpg`` means the top
folder only. Case matters but in suffixes, which begin at the name's first dot: ``*.jpg`` matches ``IMG_1.JPG``, as
cameras and Windows write it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

__all__ = ["compile_globs", "validate_glob"]

_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_TOKEN = re.compile(r"\*+|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)


def compile_globs(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return a predicate: whether a path matches any of the patterns."""
    alternatives = "|".join(_path_to_regex(choice) for pattern in patterns for choice in _expand_braces(pattern))
    fullmatch = re.compile(alternatives or r"(?!)", re.DOTALL).fullmatch
    return lambda path: fullmatch(path) is not None


def validate_glob(pattern: str) -> str:
    """Return the pattern unchanged.

    Raises:
        ValueError: ``pattern`` is not a glob.
    """
    if not pattern.strip("/"):
        raise ValueError("an empty pattern matches nothing")
    try:
        compile_globs([pattern])
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a glob: {error.msg}") from None
    return pattern


def _expand_braces(pattern: str) -> list[str]:
    """Return the pattern once for each choice from its braces, as a shell does."""
    braces = _BRACES.search(pattern)
    if braces is None:
        return [pattern]
    before, after = pattern[: braces.start()], pattern[braces.end() :]
    return [full for choice in braces[1].split(",") for full in _expand_braces(f"{before}{choice}{after}")]


def _path_to_regex(pattern: str) -> str:
    names = [name for name in pattern.split("/") if name not in ("", ".")]
    regex = []
    for index, name in enumerate(names):
        is_last = index == len(names) - 1
        if name != "**":
            regex.append(_name_to_regex(name, is_last=is_last) + ("" if is_last else "/"))
        elif is_last:
            regex.append(".+")
        elif names[index + 1] != "**":
            regex.append("(?:[^/]+/)*")
    return "".join(regex)


def _name_to_regex(pattern: str, *, is_last: bool) -> str:
    tokens = _TOKEN.findall(pattern)
    suffix = tokens.index(".", 1) if is_last and "." in tokens[1:] else len(tokens)
    stem, rest = ("".join(map(_token_to_regex, part)) for part in (tokens[:suffix], tokens[suffix:]))
    return f"{stem}(?i:{rest})" if rest else stem


def _token_to_regex(token: str) -> str:
    if token.startswith("*"):
        return "[^/]*"
    if token == "?":
        return "[^/]"
    if token.startswith("[") and len(token) > 1:
        negated = token[1] == "!"
        characters = re.sub(r"([\\\[\]&~|^])", r"\\\1", token[1 + negated : -1])
        return f"(?!/)[{'^' if negated else ''}{characters}]"
    return re.escape(token)
