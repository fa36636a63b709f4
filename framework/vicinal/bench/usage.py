"""Memory and disk of the engine that is measured, where it runs on this machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from vicinal.errors import DependencyError

__all__ = ["EngineProcess", "Peak"]

_LOCAL = ("127.0.0.1", "localhost", "::1")
_SAMPLE_SECONDS = 0.1


@dataclass(slots=True)
class Peak:
    """The most memory that was seen, in bytes; None where it is unknown."""

    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class EngineProcess:
    """The process of the engine and its folder; ``unknown`` says why they are not known."""

    process: Any = None
    folder: Path | None = None
    unknown: str = ""

    @classmethod
    def find(cls, location: str) -> Self:
        """The process that listens at a URI of this machine; for a file of Milvus Lite this process itself.

        Raises:
            DependencyError: psutil is not installed.
        """
        try:
            import psutil
        except ImportError:
            hint = 'pip install "vicinal[bench]"'
            raise DependencyError("a benchmark needs the package psutil", hint=hint) from None
        if "://" not in location:
            return cls(psutil.Process(), Path(location))
        parts = urlsplit(location)
        if parts.hostname not in _LOCAL:
            return cls(unknown="the engine is on another machine")
        try:
            connections = psutil.net_connections("tcp")
        except psutil.AccessDenied:
            return cls(unknown="the processes of this machine are not visible")
        port = parts.port or 19530
        pids = {one.pid for one in connections if one.laddr.port == port and one.status == psutil.CONN_LISTEN}
        pids -= {None}
        if len(pids) != 1:
            return cls(unknown=f"no visible process listens on port {port}, it may be in a container")
        process = psutil.Process(pids.pop())
        return cls(process, _find_folder(process))

    def read_memory(self) -> int | None:
        """Resident memory in bytes, that of its child processes included."""
        import psutil

        if self.process is None:
            return None
        total = 0
        for process in [self.process, *([] if self.process.pid == os.getpid() else self.process.children(True))]:
            try:
                total += int(process.memory_info().rss)
            except psutil.NoSuchProcess:
                continue
        return total or None

    def read_disk(self) -> int | None:
        """Bytes of the files in its folder; those that vanish meanwhile are not counted."""
        if self.folder is None:
            return None
        total = 0
        for folder, _, names in os.walk(self.folder):
            for name in names:
                try:
                    total += os.lstat(os.path.join(folder, name)).st_blocks * 512  # noqa: PTH118 - of many files
                except OSError:
                    continue
        return total

    @contextmanager
    def watch_memory(self) -> Iterator[Peak]:
        """Look ten times a second how much memory it has, and keep the most."""
        peak, ended = Peak(self.read_memory()), threading.Event()

        def watch() -> None:
            while not ended.wait(_SAMPLE_SECONDS):
                if (memory := self.read_memory()) is not None:
                    peak.bytes = max(peak.bytes or 0, memory)

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield peak
        finally:
            ended.set()
            thread.join()


def _find_folder(process: Any) -> Path | None:
    """The folder of a server's data: that of all files that it has open, or its working folder if that holds them."""
    import psutil

    try:
        paths = [Path(file.path) for file in process.open_files()]
        folder = Path(process.cwd())
    except (psutil.Error, OSError):
        return None
    inside = [path for path in paths if folder in path.parents]
    if inside and folder != Path("/"):
        return folder
    common = Path(os.path.commonpath(paths)) if paths else None
    return common if common is not None and len(common.parts) > 2 else None
