"""Filter expressions of users, checked before Milvus sees them, with Milvus' own names of the columns.

A filter is a Milvus expression over the declared fields, ``item`` (an item's key) and ``segment`` (a segment's number).
A collection's other columns are internal. Where a field has the name of one of them, its column is called otherwise,
and so it is in the expression that Milvus gets. Syntax and types are checked by Milvus.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from vicinal.config.models import FILTER_KEYWORDS
from vicinal.errors import FilterError

__all__ = ["filter_error", "to_milvus_filter"]

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<text>"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?)
    |(?P<number>0[xX][0-9a-fA-F]+|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)
    |(?P<name>\$?[^\W\d]\w*)
    |(?P<symbol>.)""",
    re.VERBOSE | re.DOTALL,
)
_MAX_DEPTH = 100
"""Of nested parentheses. Milvus Lite exceeds Python's recursion limit at some hundreds."""
_MAX_DIGITS = 19


class _Token(NamedTuple):
    kind: str
    value: str


_START, _END = _Token("start", ""), _Token("end", "")


def to_milvus_filter(filter: str, columns: Mapping[str, str]) -> str:
    """The filter with Milvus' names of its columns.

    Args:
        columns: the names that a filter may use, each with its column.

    Raises:
        FilterError: it uses another name or a number beyond 64 bits, has half of a character, is nested too deeply, or
            has a divisor that is not a number other than 0: a division of integers by 0 ends a Milvus 2.3 server.
    """
    tokens = [_Token(str(match.lastgroup), match[0]) for match in _TOKEN.finditer(filter)]
    words = [_START, *(token for token in tokens if token.kind != "space"), _END]
    try:
        _require_unicode(filter)
        _require_depth(words)
        for number, token in enumerate(words):
            if token.kind == "number":
                _require_64_bits(token.value, is_negative=words[number - 1].value == "-")
            elif token.kind == "name" and words[number + 1].value != "(" and token.value.lower() not in FILTER_KEYWORDS:
                _require_known(token.value, columns)
        for operator, operand in pairwise(token for token in words if token.value not in ("+", "-")):
            if operator.kind == "symbol" and operator.value in "/%":
                _require_divisor(operand)
    except ValueError as error:
        raise filter_error(filter, str(error), columns) from None
    return "".join(columns.get(value, value) if kind == "name" else value for kind, value in tokens)


def filter_error(filter: str, reason: str, names: Iterable[str]) -> FilterError:
    """The error of a filter; ``names`` are those that a filter may use."""
    advice = "write == to compare; " if _has_single_equals(filter) else ""
    return FilterError(
        f"filter {filter!r}: {reason}",
        hint=f"{advice}a filter may use {', '.join(names)}; more are declared under `fields` in the YAML",
    )


def _has_single_equals(filter: str) -> bool:
    """Whether there is a ``=`` outside of texts that is not a part of ``==``, ``!=``, ``<=`` or ``>=``."""
    symbols = "".join(match[0] if match.lastgroup == "symbol" else " " for match in _TOKEN.finditer(filter))
    return re.search(r"(?<![=!<>])=(?!=)", symbols) is not None


def _require_unicode(filter: str) -> None:
    try:
        filter.encode()
    except UnicodeEncodeError:
        raise ValueError("it is not valid Unicode") from None


def _require_depth(tokens: Sequence[_Token]) -> None:
    depth = 0
    for token in tokens:
        if token.kind == "symbol":
            depth += (token.value in "([") - (token.value in ")]")
        if depth > _MAX_DEPTH:
            raise ValueError(f"more than {_MAX_DEPTH} nested parentheses")


def _require_64_bits(number: str, *, is_negative: bool) -> None:
    if number[:2].lower() == "0x":
        fits = int(number, 16) < 2**63
    elif number.isdecimal():
        digits = number.lstrip("0")
        fits = len(digits) <= _MAX_DIGITS and int(number) < 2**63 + is_negative
    else:
        fits = math.isfinite(float(number))
    if not fits:
        raise ValueError(f"{number[:40]} has more than 64 bits")


def _require_known(name: str, columns: Mapping[str, str]) -> None:
    if name not in columns:
        near = difflib.get_close_matches(name, columns, n=1)
        raise ValueError(f"{name} cannot be filtered by" + (f", did you mean {near[0]}?" if near else ""))


def _require_divisor(token: _Token) -> None:
    number = token.value if token.kind == "number" else "0"
    if not (int(number, 16) if number[:2].lower() == "0x" else float(number)):
        raise ValueError("a divisor must be a number other than 0")
