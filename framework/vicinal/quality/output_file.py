"""A file that is written in one step: it has its name only once it is complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from vicinal.errors import VicinalError

__all__ = ["open_output"]


@contextmanager
def open_output(path: Path, *, newline: str | None = None) -> Iterator[TextIO]:
    """A text file to write; where the block raises, what was there before stays.

    Opened before the work, it tells at once that it cannot be written.

    Raises:
        VicinalError: the file cannot be written.
    """
    part = path.parent / f"{path.name}.part"
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "Is a directory")
        with part.open("w", encoding="utf-8", newline=newline) as file:
            yield file
        part.replace(path)
    except OSError as error:
        hint = "name a file in a folder that exists"
        raise VicinalError(f"cannot write {path}: {error.strerror or error}", hint) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
