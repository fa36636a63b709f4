"""The records of a benchmark: a line of JSON for each part that is done, so that a killed run goes on after it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from vicinal.errors import VicinalError

__all__ = ["Records"]


class Records:
    """Records by their keys. A line that was cut off by a kill is as if it were not there.

    Raises:
        VicinalError: the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a+b") as file:
                file.seek(0)
                text = file.read()
                if text and not text.endswith(b"\n"):
                    file.write(b"\n")
        except OSError as error:
            raise VicinalError(f"cannot write {path}: {error.strerror}", "name another folder: --out FOLDER") from error
        self._found = dict(_parse_lines(text))

    def get(self, key: str) -> dict[str, Any] | None:
        """The record of a part that is done."""
        return self._found.get(key)

    def add(self, key: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """Append a record, which is on the disk when this returns."""
        line = {"key": key, **record}
        with self.path.open("ab") as file:
            file.write(orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._found[key] = line
        return line

    def remove(self, key: str) -> None:
        """Forget a record whose part is to be done again; the file keeps the line, and a later one replaces it."""
        self._found.pop(key, None)


def _parse_lines(text: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in text.splitlines():
        try:
            record = orjson.loads(line)
            yield record["key"], record
        except (orjson.JSONDecodeError, TypeError, KeyError):
            continue
