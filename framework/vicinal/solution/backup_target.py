"""A place for backups: a folder on this machine, or whatever else fsspec knows, such as ``s3://bucket/folder``.

A backup is a folder ``{name}/{stamp}`` there. Its manifest is written last and, on a disk, put in place by one rename;
so a folder without a manifest that can be read is no backup: it is being written, or was broken off.
"""

from __future__ import annotations

import io
import re
import secrets
from datetime import UTC, datetime, timedelta

from vicinal.errors import VicinalError
from vicinal.solution.backup_file_system import BackupFileSystem, FileWriter
from vicinal.solution.backup_manifest import ITEMS, MANIFEST, BackupFile, Manifest

__all__ = ["BackupFolder", "BackupTarget"]

_STAMP = re.compile(r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{4}")
_MAX_UNFINISHED_AGE = timedelta(days=1)


class BackupTarget:
    """The folder that holds the backups of any number of solutions.

    Raises:
        DependencyError: fsspec, or what it needs for this kind of place, is not installed.
        VicinalError: there is no such kind of place.
    """

    def __init__(self, location: str) -> None:
        self._files = BackupFileSystem(location)

    def create(self, name: str) -> BackupFolder:
        """Begin a backup of this solution in a folder of its own.

        Raises:
            VicinalError: it cannot be created.
        """
        stamp = f"{_to_stamp(datetime.now(UTC))}-{secrets.token_hex(2)}"
        folder = BackupFolder(self._files, f"{self._files.root}/{name}/{stamp}")
        self._files.create_folder(folder.path)
        return folder

    def find(self, name: str) -> BackupFolder:
        """The backup that this location is, or else the newest one of this solution in it.

        Raises:
            VicinalError: there is none, or it is damaged, or a newer version of vicinal wrote it.
        """
        itself = BackupFolder(self._files, self._files.root)
        if itself.read_manifest() is not None:
            return itself
        names = self._files.list_names(self._files.root)
        if (names and _STAMP.fullmatch(itself.stamp)) or ITEMS in names:
            reason = f"{MANIFEST} is not what was written" if MANIFEST in names else "it was not written to its end"
            raise _damaged_error(itself.location, reason)
        newest_first = reversed(self.list_folders(name))
        found = next((folder for folder in newest_first if folder.read_manifest() is not None), None)
        if found is None:
            others = ", ".join(names[:10])
            raise VicinalError(
                f"there is no backup of {name!r} in {self._files.location}",
                hint="`vicinal backup FILE --to DIR` makes one"
                + (f"; it holds: {others}. Name one of their folders, to restore it as {name!r}" if others else ""),
            )
        return found

    def list_backups(self, name: str) -> list[BackupFolder]:
        """The complete backups of a solution, the oldest first."""
        return [folder for folder in self.list_folders(name) if folder.read_manifest() is not None]

    def list_abandoned(self, name: str) -> list[BackupFolder]:
        """What backups of a solution have left that began more than a day ago and did not end."""
        oldest = _to_stamp(datetime.now(UTC) - _MAX_UNFINISHED_AGE)
        old = (folder for folder in self.list_folders(name) if folder.stamp < oldest)
        return [folder for folder in old if folder.read_manifest() is None]

    def list_folders(self, name: str) -> list[BackupFolder]:
        """The folders of a solution's backups, the oldest first, and of what was not written to its end."""
        path = f"{self._files.root}/{name}"
        stamps = filter(_STAMP.fullmatch, self._files.list_names(path))
        return [BackupFolder(self._files, f"{path}/{stamp}") for stamp in stamps]


class BackupFolder:
    """One backup, or what is to become one."""

    def __init__(self, files: BackupFileSystem, path: str) -> None:
        self._files = files
        self.path = path
        self.stamp = path.rpartition("/")[2]
        self.location = path if files.is_local else files.fs.unstrip_protocol(path)

    def create_file(self, name: str) -> FileWriter:
        """A file to write; ``close`` it, and then ask for its ``description``."""
        return self._files.create_file(f"{self.path}/{name}")

    def write_file(self, name: str, data: bytes) -> BackupFile:
        """Write a whole file."""
        with self.create_file(name) as file:
            file.write(data)
        return file.description

    def write_manifest(self, manifest: Manifest) -> None:
        """Make it a backup, in one step."""
        self._files.put_file(f"{self.path}/{MANIFEST}", manifest.to_json())

    def read_manifest(self) -> Manifest | None:
        """What the backup says of itself; None where it is none.

        Raises:
            VicinalError: the place cannot be read, or a newer version of vicinal wrote it.
        """
        try:
            data = self.read_file(MANIFEST)
        except VicinalError as error:
            if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
                return None
            raise
        return Manifest.from_json(data, self.location)

    def open_file(self, name: str) -> io.BufferedReader:
        """A file to read, which can be sought.

        Raises:
            VicinalError: it cannot be read, now or later.
        """
        return self._files.open_file(f"{self.path}/{name}")

    def read_file(self, name: str) -> bytes:
        """The whole of a file."""
        return self._files.read_file(f"{self.path}/{name}")

    def verify(self, manifest: Manifest) -> None:
        """Read every file once, and see that it is what was written.

        Raises:
            VicinalError: one is missing or damaged.
        """
        for name, expected in manifest.files.items():
            try:
                found = self._files.describe_file(f"{self.path}/{name}")
            except VicinalError as error:
                if isinstance(error.__cause__, FileNotFoundError | IsADirectoryError):
                    raise _damaged_error(self.location, f"{name} is missing") from None
                raise
            if found != expected:
                raise _damaged_error(self.location, f"{name} is not what was written: its SHA-256 differs")

    def remove(self) -> None:
        """Remove it: the manifest first, so that what is left of it, if this is broken off, is no backup."""
        self._files.remove_folder(self.path, MANIFEST)


def _to_stamp(time: datetime) -> str:
    """A time, so that names are in the order of the times: 20261126T161940.123Z."""
    return f"{time:%Y%m%dT%H%M%S}.{time.microsecond // 1000:03}Z"


def _damaged_error(location: str, reason: str) -> VicinalError:
    return VicinalError(
        f"the backup {location} is damaged: {reason}",
        hint="nothing was changed; `vicinal restore FILE --from DIR --list` shows others",
    )
