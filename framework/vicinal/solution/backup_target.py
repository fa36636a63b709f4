"""A place for backups: a folder on this machine, or whatever else fsspec knows, such as ``s3://bucket/folder``.

A backup is a folder ``{name}/{stamp}`` there. Its manifest is written last and, on a disk, put in place by one rename;
so a folder without a manifest that can be read is no backup: it is being written, or was broken off.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from vicinal.errors import DependencyError, VicinalError
from vicinal.solution.backup_manifest import MANIFEST, BackupFile, Manifest
from vicinal.stores import redact_url

__all__ = ["BackupFolder", "BackupTarget", "FileWriter"]

_STAMP = re.compile(r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{4}")
_CHUNK_BYTES = 4 * 1024 * 1024
_MAX_UNFINISHED_AGE = timedelta(days=1)
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci"}
"""Stores that have no folders; s3fs would create a bucket whose name is misspelt."""
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}


class BackupTarget:
    """The folder that holds the backups of any number of solutions.

    Raises:
        DependencyError: fsspec, or what it needs for this kind of place, is not installed.
        VicinalError: there is no such kind of place.
    """

    def __init__(self, location: str) -> None:
        self.location = redact_url(location)
        self.fs, self.path = _open_file_system(location)

    def create(self, name: str) -> BackupFolder:
        """Begin a backup of this solution in a folder of its own.

        Raises:
            VicinalError: it cannot be created.
        """
        stamp = f"{_to_stamp(datetime.now(UTC))}-{secrets.token_hex(2)}"
        folder = BackupFolder(self, f"{self.path}/{name}/{stamp}")
        with self.wrap_errors("write to"):
            if not self._is_object_store:
                self.fs.makedirs(folder.path, exist_ok=False)
        return folder

    def find(self, name: str) -> BackupFolder:
        """The backup that this location is, or else the newest one of this solution in it.

        Raises:
            VicinalError: there is none.
        """
        itself = BackupFolder(self, self.path)
        if itself.read_manifest() is not None:
            return itself
        found = self.list_backups(name)
        if not found:
            others = ", ".join(self._list_names(self.path)[:10])
            raise VicinalError(
                f"there is no backup of {name!r} in {self.location}",
                hint="`vicinal backup FILE --to DIR` makes one"
                + (f"; it holds: {others}. Name one of their folders, to restore it as {name!r}" if others else ""),
            )
        return found[-1]

    def list_backups(self, name: str) -> list[BackupFolder]:
        """The complete backups of a solution, the oldest first."""
        return [folder for folder in self._list_folders(name) if folder.read_manifest() is not None]

    def list_abandoned(self, name: str) -> list[BackupFolder]:
        """What backups of a solution have left that began more than a day ago and did not end."""
        oldest = _to_stamp(datetime.now(UTC) - _MAX_UNFINISHED_AGE)
        old = (folder for folder in self._list_folders(name) if folder.stamp < oldest)
        return [folder for folder in old if folder.read_manifest() is None]

    def _list_folders(self, name: str) -> list[BackupFolder]:
        path = f"{self.path}/{name}"
        return [BackupFolder(self, f"{path}/{stamp}") for stamp in self._list_names(path) if _STAMP.fullmatch(stamp)]

    def _list_names(self, path: str) -> list[str]:
        with self.wrap_errors("read"):
            self.fs.invalidate_cache()
            try:
                found = self.fs.ls(path, detail=False)
            except FileNotFoundError:
                return []
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found)

    @property
    def is_local(self) -> bool:
        """Whether it is a folder on this machine."""
        return "file" in _protocols(self.fs)

    @property
    def _is_object_store(self) -> bool:
        return bool(_OBJECT_STORES & _protocols(self.fs))

    @contextmanager
    def wrap_errors(self, verb: str) -> Iterator[None]:
        """Raise what a file system fails with as an error that names the place; each has exceptions of its own."""
        try:
            yield
        except VicinalError:
            raise
        except Exception as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise VicinalError(
                f"cannot {verb} {self.location}: {reason or type(error).__name__}",
                hint="" if self.is_local else "see that the place exists, and that its credentials are set",
            ) from error


class BackupFolder:
    """One backup, or what is to become one."""

    def __init__(self, target: BackupTarget, path: str) -> None:
        self._target = target
        self.path = path
        self.stamp = path.rpartition("/")[2]
        self.location = path if target.is_local else target.fs.unstrip_protocol(path)

    def create_file(self, name: str) -> FileWriter:
        """A file to write; ``close`` it, and then ask for its ``description``."""
        return FileWriter(self._target, f"{self.path}/{name}")

    def write_file(self, name: str, data: bytes) -> BackupFile:
        """Write a whole file."""
        with self.create_file(name) as file:
            file.write(data)
        return file.description

    def write_manifest(self, manifest: Manifest) -> None:
        """Make it a backup, in one step."""
        fs, path = self._target.fs, f"{self.path}/{MANIFEST}"
        with self._target.wrap_errors("write to"):
            if self._target.is_local:
                self.write_file(MANIFEST + ".part", manifest.to_json())
                os.replace(path + ".part", path)  # noqa: PTH105, paths are fsspec's
                _sync(self.path)
            else:
                fs.pipe_file(path, manifest.to_json())

    def read_manifest(self) -> Manifest | None:
        """What the backup says of itself; None where it is none.

        Raises:
            VicinalError: the place cannot be read, or a newer version of vicinal wrote it.
        """
        with self._target.wrap_errors("read"):
            try:
                data = self._target.fs.cat_file(f"{self.path}/{MANIFEST}")
            except (FileNotFoundError, NotADirectoryError):
                return None
        return Manifest.from_json(data, self.location)

    def open_file(self, name: str) -> io.BufferedReader:
        """A file to read, which can be sought.

        Raises:
            VicinalError: it cannot be read, now or later.
        """
        return io.BufferedReader(_RawReader(self._target, f"{self.path}/{name}"), _CHUNK_BYTES)

    def read_file(self, name: str) -> bytes:
        """The whole of a file."""
        with self._target.wrap_errors("read"):
            data: bytes = self._target.fs.cat_file(f"{self.path}/{name}")
            return data

    def verify(self, manifest: Manifest) -> None:
        """Read every file once, and see that it is what was written.

        Raises:
            VicinalError: one is missing or damaged.
        """
        for name, expected in manifest.files.items():
            digest, size = hashlib.sha256(), 0
            try:
                with self.open_file(name) as file:
                    while chunk := file.read(_CHUNK_BYTES):
                        digest.update(chunk)
                        size += len(chunk)
            except VicinalError as error:
                if isinstance(error.__cause__, FileNotFoundError):
                    raise _damaged_error(self.location, f"{name} is missing") from None
                raise
            if BackupFile(size, digest.hexdigest()) != expected:
                raise _damaged_error(self.location, f"{name} is not what was written: its SHA-256 differs")

    def remove(self) -> None:
        """Remove it: the manifest first, so that what is left of it, if this is broken off, is no backup."""
        fs = self._target.fs
        with self._target.wrap_errors("remove from"):
            if fs.exists(f"{self.path}/{MANIFEST}"):
                fs.rm_file(f"{self.path}/{MANIFEST}")
            if fs.exists(self.path):
                fs.rm(self.path, recursive=True)


class _RawReader(io.RawIOBase):
    """Reads one file, and says which place failed where that fails."""

    def __init__(self, target: BackupTarget, path: str) -> None:
        self._target = target
        with target.wrap_errors("read"):
            self._file = target.fs.open(path, "rb", block_size=_CHUNK_BYTES)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with self._target.wrap_errors("read"):
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

    def __init__(self, target: BackupTarget, path: str) -> None:
        self._target, self._path = target, path
        self._digest, self._size = hashlib.sha256(), 0
        with target.wrap_errors("write to"):
            self._file = target.fs.open(path, "wb")

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
        with self._target.wrap_errors("write to"):
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
        with self._target.wrap_errors("write to"):
            if not self._file.closed:
                self._file.close()
                if self._target.is_local:
                    _sync(self._path)


def _open_file_system(location: str) -> tuple[Any, str]:
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
            f"{redact_url(location)}: {error}", hint="give a folder, or a URL as s3://bucket/folder"
        ) from error
    return fs, path.rstrip("/")


def _to_stamp(time: datetime) -> str:
    """A time, so that names are in the order of the times: 20261126T161940.123Z."""
    return f"{time:%Y%m%dT%H%M%S}.{time.microsecond // 1000:03}Z"


def _protocols(fs: Any) -> set[str]:
    return {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)


def _sync(path: str) -> None:
    """Have a file, or what a folder lists, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _damaged_error(location: str, reason: str) -> VicinalError:
    return VicinalError(
        f"the backup {location} is damaged: {reason}",
        hint="nothing was changed; `vicinal restore FILE --from DIR --list` shows others",
    )
