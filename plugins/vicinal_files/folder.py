"""The source ``folder``: the files below a folder, in the order of their paths."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import Annotated

from pydantic import AfterValidator, Field

from vicinal.errors import SourceError
from vicinal.plugin.params import LocalPath
from vicinal.plugin.source import Source
from vicinal.types import Failure, Item
from vicinal_files.globs import checked_glob, matcher
from vicinal_files.text import no_file

__all__ = ["Folder"]

MAX_COUNT = 100_000
"""Where counting ahead stops: a larger folder takes too long to walk twice."""

Glob = Annotated[str, AfterValidator(checked_glob)]


class Folder(Source):
    """The files below a folder; each is an item named by its path, and its size and time tell whether it changed.

    Names that begin with a dot are left out. Links to folders are followed, except back to a folder they lie in.
    """

    class Params(Source.Params):
        path: LocalPath
        """The folder, searched with all folders below it."""
        include: list[Glob] = Field(default=["**/*"], min_length=1)
        """Globs of the files to take, relative to the folder: ``**/*.jpg``, ``train/*.{jpg,png}``."""
        exclude: list[Glob] = Field(default=[])
        """Globs of files and folders to leave out, though ``include`` takes them."""

    def __iter__(self) -> Iterator[Item | Failure]:
        root: Path = self.params.path.absolute()
        for found in self._walk(root):
            yield found if isinstance(found, Failure) else _read(root, found)

    def count(self) -> int | None:
        """The number of items and failures, or None where there are very many or the folder cannot be read."""
        try:
            number = sum(1 for _ in islice(self._walk(self.params.path), MAX_COUNT + 1))
        except SourceError:
            return None
        return number if number <= MAX_COUNT else None

    def _walk(self, root: Path) -> Iterator[str | Failure]:
        included, excluded = matcher(self.params.include), matcher(self.params.exclude)
        return walk(root, lambda key: included(key) and not excluded(key), lambda folder: not excluded(folder))


def walk(root: Path, take: Callable[[str], bool], enter: Callable[[str], bool]) -> Iterator[str | Failure]:
    """Yield the keys of the files that ``take`` accepts, sorted; a folder that cannot be listed is a failure.

    Only the folders on the way to the current file are held. Keys of folders are shown to ``enter`` first.

    Raises:
        SourceError: ``root`` itself is no folder or cannot be listed.
    """
    try:
        way = [(_identity(root), _list(root, ""))]
    except OSError as error:
        raise _no_folder(root, error) from error
    while way:
        key = next(way[-1][1], None)
        if key is None:
            way.pop()
        elif not key.endswith("/"):
            if take(key):
                yield key
        elif enter(key[:-1]):
            try:
                identity = _identity(root / key)
                if all(identity != above for above, _ in way):
                    way.append((identity, _list(root, key)))
            except OSError as error:
                yield _failure(root, key[:-1], f"the folder cannot be listed: {error.strerror}")


def _list(root: Path, folder: str) -> Iterator[str]:
    """What a folder holds, sorted; the keys of folders end in a slash, which puts all keys of a walk in order."""
    with os.scandir(root / folder) as entries:
        return iter(sorted(folder + _name(entry) for entry in entries if not entry.name.startswith(".")))


def _name(entry: os.DirEntry[str]) -> str:
    try:
        return f"{entry.name}/" if entry.is_dir() else entry.name
    except OSError:  # a link that cannot be followed; reading it will say why
        return entry.name


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _read(root: Path, key: str) -> Item | Failure:
    path = root / key
    try:
        key.encode()
        status = path.stat()
    except UnicodeEncodeError:
        return _failure(root, key, "the name is not UTF-8; rename the file")
    except OSError as error:
        return _failure(root, key, f"the file cannot be read: {error.strerror}")
    if not S_ISREG(status.st_mode):
        return _failure(root, key, "neither a file nor a folder (a pipe, a socket or a device)")
    if not os.access(path, os.R_OK):
        return _failure(root, key, "the file cannot be read: Permission denied")
    folder, _, name = key.rpartition("/")
    metadata = {"folder": folder, "name": name, "bytes": status.st_size}
    return Item(key, path, path.as_uri(), metadata, f"{status.st_size}-{status.st_mtime_ns}")


def _failure(root: Path, key: str, message: str) -> Failure:
    printable = key.encode(errors="backslashreplace").decode()
    return Failure(printable, "read", message, (root / key).absolute().as_uri())


def _no_folder(root: Path, error: OSError) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return no_file(root)
    if isinstance(error, NotADirectoryError):
        return SourceError(f"{root} is not a folder", hint="sources of type `table` and `lines` read a single file")
    return SourceError(f"the folder {root} cannot be listed: {error.strerror}", hint="check its permissions")
