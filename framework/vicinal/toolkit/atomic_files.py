"""Files that are replaced in one step, so that nobody reads a half of one and a failure leaves the old one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EISDIR
from pathlib import Path
from stat import S_IMODE
from typing import BinaryIO

from vicinal.errors import VicinalError

__all__ = ["open_replacing", "replace_file", "require_writable"]

_HINT = "name a file in a folder that exists"


def require_writable(path: Path) -> None:
    """See before the work that a file can be written; what is there already stays as it is.

    Raises:
        VicinalError: it cannot be written.
    """
    with _name_path(path):
        if path.is_dir():
            raise IsADirectoryError(EISDIR, "Is a directory")
        part, target = _locate_part(path)
        if part != target:
            part.touch()
            part.unlink()


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file, or write a new one, as ``open_replacing`` does.

    Raises:
        VicinalError: it cannot be written.
    """
    with open_replacing(path) as file, _name_path(path):
        file.write(content)


@contextmanager
def open_replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of the one at ``path``, with its permissions, once it is written.

    A link stays one: what it leads to is replaced. A device or a pipe is written at once.

    Raises:
        VicinalError: it cannot be written.
    """
    with _name_path(path):
        part, target = _locate_part(path)
        file = part.open("wb")
    try:
        try:
            with _name_path(path):
                _copy_permissions(target, file)
            yield file
        finally:
            with _name_path(path):
                file.close()
        with _name_path(path):
            part.replace(target)
    except BaseException:
        if part != target:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        raise


def _locate_part(path: Path) -> tuple[Path, Path]:
    """Where a file is written first, and where it is then; a device or a pipe is one and the same."""
    if path.exists() and not path.is_file():
        return path, path
    target = path.resolve()
    return target.with_name(f"{target.name}.part"), target


def _copy_permissions(source: Path, file: BinaryIO) -> None:
    """Give an empty file the permissions of another, if that exists, before anybody can read what is written into it.

    They are set only where they differ: some file systems refuse to set any.
    """
    with suppress(FileNotFoundError):
        mode = S_IMODE(source.stat().st_mode)
        if mode != S_IMODE(os.fstat(file.fileno()).st_mode):
            os.fchmod(file.fileno(), mode)


@contextmanager
def _name_path(path: Path) -> Iterator[None]:
    """Name the file in errors of writing it."""
    try:
        yield
    except OSError as error:
        is_misplaced = isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError)
        hint = _HINT if is_misplaced else ""
        raise VicinalError(f"cannot write {path}: {error.strerror or error}", hint) from error
