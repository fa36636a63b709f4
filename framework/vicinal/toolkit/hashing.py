"""The SHA-256 of files, by which weights are told from others."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path

__all__ = ["find_blob_hash", "hash_file"]


def hash_file(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal; the hub's cache names large files by it, so those are not read.

    Cached in the process by the file's size and modification time.
    """
    if stated := find_blob_hash(path):
        return stated
    real = path.resolve()
    stat = real.stat()
    return _read_sha256(real, stat.st_size, stat.st_mtime_ns)


def find_blob_hash(path: Path) -> str:
    """Return the SHA-256 by which the hub's cache names a large file; else an empty text."""
    real = path.resolve()
    return real.name if real.parent.name == "blobs" and re.fullmatch(r"[0-9a-f]{64}", real.name) else ""


@functools.lru_cache(maxsize=256)
def _read_sha256(path: Path, size: int, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
