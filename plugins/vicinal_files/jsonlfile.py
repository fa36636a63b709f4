"""Rows of a jsonl file: each line is a JSON object."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson

from vicinal_files.columns import Row, make_row_failure
from vicinal_files.decoding import InvalidLine
from vicinal_files.text import (
    MAX_LINE_BYTES,
    OversizedLine,
    TruncatedFileError,
    format_megabytes,
    read_lines,
)

__all__ = ["read_jsonl_rows"]


def read_jsonl_rows(path: Path, encoding: str | None) -> Iterator[Row]:
    """Yield the lines' objects; a row's number is that of its line. Blank lines are skipped."""
    number = 0
    try:
        for number, line in enumerate(read_lines(path, encoding), 1):
            if row := _parse_row(number, line):
                yield row
    except TruncatedFileError as error:
        yield make_row_failure(number + 1, str(error))


def _parse_row(number: int, line: str) -> Row | None:
    try:
        cells = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return _explain_parse_error(number, line, error)
    if type(cells) is dict:
        return number, cells
    return make_row_failure(number, f"line {number}, column 1: a JSON {type(cells).__name__}, not an object")


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
