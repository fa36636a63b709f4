"""Sources ``table`` and ``lines`` on files that a test writes, and their items and failures in short."""

from __future__ import annotations

from pathlib import Path

from vicinal import Failure
from vicinal_files.lines import Lines
from vicinal_files.table import Table

MIB = 1 << 20


def write_file(path: Path, data: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def make_table(path: Path, data: str | bytes | None = None, **params) -> Table:
    if data is not None:
        write_file(path, data)
    return Table(Table.Params(**{"path": path, "key": "id", "content": "text", **params}))


def make_lines(path: Path, data: str | bytes, **params) -> Lines:
    return Lines(Lines.Params(path=write_file(path, data), **params))


def read_contents(source) -> dict[str, str]:
    """Return the items' contents by key, and for each failure an empty text under ``!`` and its key."""
    return {f"!{x.key}" if isinstance(x, Failure) else x.key: getattr(x, "content", "") for x in source}


def read_failures(source) -> dict[str, str]:
    failures = [entry for entry in source if isinstance(entry, Failure)]
    assert {failure.stage for failure in failures} <= {"read"}
    return {failure.key: failure.message for failure in failures}
