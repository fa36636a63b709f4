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
from vicinal.toolkit.media_types import SYSTEM_NAMES
from vicinal.types import Failure, Item
from vicinal_files.globs import compile_globs, validate_glob
from vicinal_files.text import missing_file_error

__all__ = ["Folder"]

MAX_COUNT = 100_000
"""``count`` gives up above this many files, since walking a larger folder twice takes too long."""

Glob = Annotated[str, AfterValidator(validate_glob)]


class Folder(Source["Folder.Params"]):
    """The files below a folder, each an item whose key is its relative path and whose version is its size and mtime.

    Names that begin with a dot, and those of the system, are skipped. Links to folders are followed, except back to a
    folder that contains them.
    """

    class Params(Source.Params):
        path: LocalPath
        """The folder; all folders below it are read, too. A file's size and time of change (mtime) tell whether it
        changed: one with other content but the same size and time counts as unchanged, until it is touched
        or `ingest --force` reads all files again."""
        include: list[Glob] = Field(default=["**/*"], min_length=1)
        """Globs of the files to take, relative to the folder: ``**/*.jpg``, ``train/*.{jpg,png}``. Suffixes match in
        any case: ``*.jpg`` takes ``IMG_1.JPG``, too."""
        exclude: list[Glob] = Field(default=[])
        """Globs of files and folders to skip, even where ``include`` matches."""
        system_files: bool = False
        """Whether to read what systems keep for themselves in folders: ``@eaDir``, ``#recycle`` and their kin of a NAS,
        ``$RECYCLE.BIN``, ``System Volume Information``, ``Thumbs.db``, ``desktop.ini``, ``lost+found``, ``__MACOSX``.
        Names that begin with a dot are never read."""

    def __iter__(self) -> Iterator[Item | Failure]:
        root: Path = self.params.path.absolute()
        for entry in self._walk_keys(root):
            yield entry if isinstance(entry, Failure) else _to_item(root, entry)

    def count(self) -> int | None:
        """Return the number of items and failures; None above ``MAX_COUNT`` or where the folder cannot be read."""
        try:
            number = sum(1 for _ in islice(self._walk_keys(self.params.path), MAX_COUNT + 1))
        except SourceError:
            return None
        return number if number <= MAX_COUNT else None

    def _walk_keys(self, root: Path) -> Iterator[str | Failure]:
        included, excluded = compile_globs(self.params.include), compile_globs(self.params.exclude)
        skipped = frozenset() if self.params.system_files else SYSTEM_NAMES

        def is_wanted(key: str) -> bool:
            return key.rpartition("/")[2].lower() not in skipped and not excluded(key)

        return walk_files(root, lambda key: included(key) and is_wanted(key), is_wanted)


def walk_files(root: Path, take: Callable[[str], bool], enter: Callable[[str], bool]) -> Iterator[str | Failure]:
    """Yield the keys of the files that ``take`` accepts, sorted; a folder that cannot be listed is a failure.

    A link that leads nowhere is yielded where it may have led to a folder, whatever ``take`` says of it.
    ``enter`` decides by its key whether a folder is walked. Memory holds only the listings of the folders above the
    current file.

    Raises:
        SourceError: ``root`` itself is not a folder or cannot be listed.
    """
    try:
        stack = [(_get_inode(root), _list_folder(root, ""))]
    except OSError as error:
        raise _to_source_error(root, error) from error
    while stack:
        key = next(stack[-1][1], None)
        if key is None:
            stack.pop()
        elif not key.endswith("/"):
            if take(key) or (_may_be_lost_folder(root, key) and enter(key)):
                yield key
        elif enter(key[:-1]):
            try:
                inode = _get_inode(root / key)
                if all(inode != ancestor for ancestor, _ in stack):
                    stack.append((inode, _list_folder(root, key)))
            except OSError as error:
                yield _make_failure(root, key[:-1], f"the folder cannot be listed: {error.strerror}", hides_items=True)


def _list_folder(root: Path, folder: str) -> Iterator[str]:
    """List a folder's keys, sorted; keys of folders end in a slash, so that a depth-first walk is sorted as a whole."""
    with os.scandir(root / folder) as entries:
        return iter(sorted(folder + _mark_folder(entry) for entry in entries if not entry.name.startswith(".")))


def _mark_folder(entry: os.DirEntry[str]) -> str:
    try:
        return f"{entry.name}/" if entry.is_dir() else entry.name
    except OSError:  # a link that cannot be followed; reading it reports why
        return entry.name


def _get_inode(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _to_item(root: Path, key: str) -> Item | Failure:
    path = root / key
    try:
        key.encode()
        status = path.stat()
    except UnicodeEncodeError:
        return _make_failure(root, key, "the name is not UTF-8; rename the file")
    except OSError as error:
        if _may_be_lost_folder(root, key):
            return _make_failure(root, key, f"the link leads nowhere, to {path.readlink()}", hides_items=True)
        return _make_failure(root, key, f"the file cannot be read: {error.strerror}")
    if not S_ISREG(status.st_mode):
        return _make_failure(root, key, "neither a file nor a folder (a pipe, a socket or a device)")
    if not os.access(path, os.R_OK):
        return _make_failure(root, key, "the file cannot be read: Permission denied")
    folder, _, name = key.rpartition("/")
    metadata = {"folder": folder, "name": name, "bytes": status.st_size}
    return Item(key, path, path.as_uri(), metadata, f"{status.st_size}-{status.st_mtime_ns}")


def _make_failure(root: Path, key: str, message: str, *, hides_items: bool = False) -> Failure:
    printable = key.encode(errors="backslashreplace").decode()
    return Failure(printable, "read", message, (root / key).absolute().as_uri(), hides_items=hides_items)


def _may_be_lost_folder(root: Path, key: str) -> bool:
    """Whether it is a link that leads nowhere, and has a name without a suffix: to a disk that is not mounted, say."""
    path = root / key if "." not in key.rpartition("/")[2] else None
    return path is not None and path.is_symlink() and not os.access(path, os.F_OK)


def _to_source_error(root: Path, error: OSError) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return missing_file_error(root)
    if isinstance(error, NotADirectoryError):
        return SourceError(f"{root} is not a folder", hint="sources of type `table` and `lines` read a single file")
    return SourceError(f"the folder {root} cannot be listed: {error.strerror}", hint="check its permissions")
