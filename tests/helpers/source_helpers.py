"""Sources ``table`` and ``lines`` on files that a test writes, and what comes out of them, shortened."""

from __future__ import annotations

from pathlib import Path

from vicinal import Failure
from vicinal_files.lines import Lines
from vicinal_files.table import Table

MIB = 1 << 20


def write(path: Path, data: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def table(path: Path, data: str | bytes | None = None, **params) -> Table:
    if data is not None:
        write(path, data)
    return Table(Table.Params(**{"path": path, "key": "id", "content": "text", **params}))


def lines(path: Path, data: str | bytes) -> Lines:
    return Lines(Lines.Params(path=write(path, data)))


def contents(source) -> dict[str, str]:
    """Key and content of the items; of the failures, ``!`` and the key."""
    return {f"!{x.key}" if isinstance(x, Failure) else x.key: getattr(x, "content", "") for x in source}


def failures(source) -> dict[str, str]:
    found = [x for x in source if isinstance(x, Failure)]
    assert {failure.stage for failure in found} <= {"read"}
    return {failure.key: failure.message for failure in found}
