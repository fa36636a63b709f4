"""The file systems on which backups lie: all that fsspec knows, with errors that name the place."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from vicinal.errors import DependencyError, VicinalError
from vicinal.solution.backup_manifest import BackupFile
from vicinal.stores import redact_url

__all__ = ["BackupFileSystem", "FileWriter"]

_HINT = "see that the place exists, and that its credentials are set"
_CHUNK_BYTES = 4 * 1024 * 1024
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci"}
"""Stores that have no folders; s3fs would create a bucket whose name is misspelt."""
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}


class BackupFileSystem:
    """The file system of one place; ``fs`` is fsspec's, and ``root`` the place's path on it.

    Raises:
        DependencyError: fsspec, or what it needs for this kind of place, is not installed.
        VicinalError: there is no such kind of place.
    """

    def __init__(self, location: str) -> None:
        self.location = redact_url(location)
        self.fs, self.root = _open_file_system(location)

    @property
    def is_local(self) -> bool:
        """Whether it is a folder on this machine."""
        return "file" in _list_protocols(self.fs)

    @property
    def _is_object_store(self) -> bool:
        return bool(_OBJECT_STORES & _list_protocols(self.fs))

    @contextmanager
    def wrap_errors(self, verb: str) -> Iterator[None]:
        """Raise what a file system fails with as an error that names the place; each has exceptions of its own."""
        try:
            yield
        except VicinalError:
            raise
        except Exception as error:
            raise VicinalError(
                f"cannot {verb} {self.location}: {_describe_error(error)}", hint="" if self.is_local else _HINT
            ) from error

    def create_folder(self, path: str) -> None:
        """Create a folder that is not there yet."""
        with self.wrap_errors("write to"):
            if not self._is_object_store:
                self.fs.makedirs(path, exist_ok=False)

    def list_names(self, path: str) -> list[str]:
        """The names of what a folder has, in order; none where there is no folder."""
        with self.wrap_errors("read"):
            self.fs.invalidate_cache()
            try:
                found = self.fs.ls(path, detail=False)
            except FileNotFoundError:
                return []
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found)

    def create_file(self, path: str) -> FileWriter:
        """A file to write; ``close`` it, and then ask for its ``description``."""
        return FileWriter(self, path)

    def put_file(self, path: str, data: bytes) -> None:
        """Write a small file in one step: who reads meanwhile finds all of it or, on any disk, none."""
        with self.wrap_errors("write to"):
            if not self.is_local:
                self.fs.pipe_file(path, data)
                return
            with self.create_file(path + ".part") as file:
                file.write(data)
            os.replace(path + ".part", path)  # noqa: PTH105, paths are fsspec's
            _fsync_path(path.rpartition("/")[0])

    def open_file(self, path: str) -> io.BufferedReader:
        """A file to read, which can be sought.

        Raises:
            VicinalError: it cannot be read, now or later.
        """
        with self.wrap_errors("read"):
            file = self.fs.open(path, "rb", block_size=_CHUNK_BYTES)
        return io.BufferedReader(_RawReader(self, file), _CHUNK_BYTES)

    def read_file(self, path: str) -> bytes:
        """The whole of a file."""
        with self.open_file(path) as file:
            return file.read()

    def describe_file(self, path: str) -> BackupFile:
        """Read a file, and compute its size and hash."""
        digest, size = hashlib.sha256(), 0
        with self.open_file(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
        return BackupFile(size, digest.hexdigest())

    def remove_folder(self, path: str, first: str) -> None:
        """Remove a folder, the file ``first`` before all others."""
        with self.wrap_errors("remove from"):
            if self.fs.exists(f"{path}/{first}"):
                self.fs.rm_file(f"{path}/{first}")
            if self.fs.exists(path):
                self.fs.rm(path, recursive=True)


class _RawReader(io.RawIOBase):
    """Reads one file, and says which place failed where that fails."""

    def __init__(self, files: BackupFileSystem, file: Any) -> None:
        self._files = files
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with self._files.wrap_errors("read"):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class FileWriter:
    """Writes one file, and computes what the manifest says of it."""

    def __init__(self, files: BackupFileSystem, path: str) -> None:
        self._files, self._path = files, path
        self._digest, self._size = hashlib.sha256(), 0
        with files.wrap_errors("write to"):
            self._file = files.fs.open(path, "wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()

    @property
    def description(self) -> BackupFile:
        """Its size and hash so far."""
        return BackupFile(self._size, self._digest.hexdigest())

    @property
    def closed(self) -> bool:
        return bool(self._file.closed)

    def write(self, data: Any) -> int:
        with self._files.wrap_errors("write to"):
            self._file.write(data)
        self._digest.update(data)
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Nothing: an object store takes a file in parts of its own size."""

    def close(self) -> None:
        """End the file; on a disk, see that it lies there before the manifest does."""
        with self._files.wrap_errors("write to"):
            if not self._file.closed:
                self._file.close()
                if self._files.is_local:
                    _fsync_path(self._path)


def _open_file_system(location: str) -> tuple[Any, str]:
    if not location.strip():
        raise VicinalError("the place for backups is empty", hint="give a folder, or a URL as s3://bucket/folder")
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise DependencyError(
            "a backup needs the package fsspec", hint='pip install "vicinal[backup]"; for s3://, s3fs, too'
        ) from None
    protocol = location.partition("://")[0] if "://" in location else ""
    try:
        fs, path = url_to_fs(location)
    except ImportError:
        package = _PACKAGES.get(protocol, "")
        raise DependencyError(
            f"{protocol}:// needs a package that is not installed",
            hint=f"pip install {package}" if package else "fsspec's documentation says which",
        ) from None
    except ValueError as error:
        raise VicinalError(
            f"{redact_url(location)}: {_describe_error(error)}", hint="give a folder, or a URL as s3://bucket/folder"
        ) from error
    except Exception as error:  # some connect at once, and each fails with exceptions of its own
        raise VicinalError(f"cannot open {redact_url(location)}: {_describe_error(error)}", hint=_HINT) from error
    return fs, path.rstrip("/")


def _describe_error(error: Exception) -> str:
    """What an error says, without the user and the password of a URL in it."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return re.sub(r"://[^\s/]*@", "://…@", reason) or type(error).__name__


def _list_protocols(fs: Any) -> set[str]:
    return {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)


def _fsync_path(path: str) -> None:
    """Have a file, or what a folder lists, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
