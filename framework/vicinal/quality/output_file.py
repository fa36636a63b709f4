"""A file that is written in one step: it has its name only once it is complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from vicinal.errors import VicinalError

__all__ = ["open_output", "require_writable"]


def require_writable(path: Path) -> None:
    """See, before the work, that a file can be written.

    Raises:
        VicinalError: it cannot.
    """
    part = _name_part(path)
    with _wrap_errors(path):
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        part.touch()
        part.unlink()


@contextmanager
def open_output(path: Path, *, newline: str | None = None) -> Iterator[TextIO]:
    """A text file to write; where that fails, what was there before stays.

    Raises:
        VicinalError: the file cannot be written.
    """
    part = _name_part(path)
    try:
        with _wrap_errors(path):
            with part.open("w", encoding="utf-8", newline=newline) as file:
                yield file
            part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _name_part(path: Path) -> Path:
    return path.parent / f"{path.name}.part"


@contextmanager
def _wrap_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = "name a file in a folder that exists"
        raise VicinalError(f"cannot write {path}: {error.strerror or error}", hint) from error
