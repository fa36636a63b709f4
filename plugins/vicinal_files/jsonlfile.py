"""Rows of a jsonl file: each line is a JSON object."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson

from vicinal_files.columns import Row, row_failure
from vicinal_files.text import MAX_LINE, DamageError, NotUtf8, TooLong, megabytes, read_lines

__all__ = ["jsonl_rows"]


def jsonl_rows(path: Path) -> Iterator[Row]:
    """Yield the lines' objects; a row's number is its line's. Blank lines are no rows."""
    number = 0
    try:
        for number, line in enumerate(read_lines(path), 1):
            if row := _row(number, line):
                yield row
    except DamageError as error:
        yield row_failure(number + 1, str(error))


def _row(number: int, line: str) -> Row | None:
    try:
        cells = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return _not_json(number, line, error)
    if type(cells) is dict:
        return number, cells
    return row_failure(number, f"line {number}, column 1: a JSON {type(cells).__name__}, not an object")


def _not_json(number: int, line: str, error: orjson.JSONDecodeError) -> Row | None:
    if isinstance(line, NotUtf8):
        return row_failure(number, f"line {number} is not UTF-8: {line.wrong()}")
    if isinstance(line, TooLong):
        return row_failure(number, f"line {number} has {megabytes(line.size)}, the limit is {megabytes(MAX_LINE)}")
    if not line.strip():
        return None
    return row_failure(number, f"line {number}, column {error.colno}: not JSON, {error.msg}")
