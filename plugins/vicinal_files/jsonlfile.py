"""Rows of a jsonl file: each line is a JSON object.

orjson parses, several times as fast as Python's ``json``; but it makes floats of integers beyond 64 bits, so that keys
of twenty digits would lose their last ones and collide. A line with such a number is parsed again by ``json``, and the
number becomes a text with all its digits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from vicinal.errors import SourceError
from vicinal.toolkit.file_kinds import json_advice
from vicinal_files.columns import Row, make_row_failure
from vicinal_files.decoding import SAMPLE_BYTES, InvalidLine
from vicinal_files.text import (
    MAX_LINE_BYTES,
    OversizedLine,
    TruncatedFileError,
    format_megabytes,
    read_lines,
)

__all__ = ["read_jsonl_rows"]

_HUGE = 2.0**63
_MAX_DIGITS = 20


def read_jsonl_rows(path: Path, encoding: str | None) -> Iterator[Row]:
    """Yield the lines' objects; a row's number is that of its line. Blank lines are skipped.

    Raises:
        SourceError: the file is one JSON document over several lines, or an array.
    """
    number = 0
    try:
        for number, line in enumerate(read_lines(path, encoding), 1):
            if number == 1:
                _require_json_lines(path, line)
            if row := _parse_row(number, line):
                yield row
    except TruncatedFileError as error:
        yield make_row_failure(number + 1, str(error))


def _require_json_lines(path: Path, line: str) -> None:
    start = line[:SAMPLE_BYTES].strip()
    if start.startswith("[") or start == "{":
        advice = json_advice(path, start.encode(errors="replace"))
        raise SourceError(f"{path} is {advice.kind}, not an object on each line", hint=advice.hint)


def _parse_row(number: int, line: str) -> Row | None:
    try:
        cells = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return _explain_parse_error(number, line, error)
    if type(cells) is dict:
        return number, json.loads(line, parse_int=_parse_integer) if _has_huge_number(cells) else cells
    return make_row_failure(number, f"line {number}, column 1: a JSON {type(cells).__name__}, not an object")


def _has_huge_number(value: Any) -> bool:
    if type(value) is float:
        return not -_HUGE < value < _HUGE
    if type(value) is dict:
        return any(map(_has_huge_number, value.values()))
    return type(value) is list and any(map(_has_huge_number, value))


def _parse_integer(text: str) -> int | str:
    """Return an integer that orjson can write, and the record can hold, as a number, else as a text."""
    number = int(text) if len(text) <= _MAX_DIGITS else 2**64
    return number if -(2**63) <= number < 2**64 else text


def _explain_parse_error(number: int, line: str, error: orjson.JSONDecodeError) -> Row | None:
    if isinstance(line, InvalidLine):
        return make_row_failure(number, f"line {number} is {line.problem}{line.suggestion}")
    if isinstance(line, OversizedLine):
        return make_row_failure(
            number, f"line {number} has {format_megabytes(line.size)}, the limit is {format_megabytes(MAX_LINE_BYTES)}"
        )
    if not line.strip():
        return None
    return make_row_failure(number, f"line {number}, column {error.colno}: not JSON, {error.msg}")
