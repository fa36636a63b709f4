"""Bulk import: a server reads files of columns itself, past the client, which packs rows, and past its own log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicinal.bench.vectors import Block, to_buckets
from vicinal.errors import StoreError, VicinalError

if TYPE_CHECKING:
    from pymilvus import MilvusClient

__all__ = ["import_files", "write_files"]

_POLL_SECONDS = 0.5
_STALLED_SECONDS = 1800.0
_FAILED = ("Failed", "Failed and cleaned")


def write_files(
    blocks: Iterator[Block], folder: Path, dimension: int, rows: int, total: int
) -> Iterator[tuple[int, list[Path]]]:
    """Write the columns of so many rows as .npy files; yields how many rows there are so far, and the files.

    The next files take the place of those; the last ones are deleted.

    Raises:
        VicinalError: the folder cannot be written.
    """
    paths = [folder / f"{name}.npy" for name in ("id", "bucket", "vector")]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        columns: list[Any] = []
        for first, vectors in _split_blocks(blocks, rows):
            columns = columns or _create_columns(paths, min(rows, total - first), dimension)
            end = first + len(vectors)
            place = slice(first % rows, first % rows + len(vectors))
            for column, values in zip(
                columns, (range(first, end), to_buckets(first, len(vectors)), vectors), strict=True
            ):
                column[place] = values
            if end % rows == 0 or end == total:
                for column in columns:
                    column.flush()
                columns = []
                yield end, paths
    except OSError as error:
        raise VicinalError(f"cannot write {folder}: {error.strerror}", "name another `bulk_folder`") from error
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


def import_files(client: MilvusClient, collection: str, paths: list[Path]) -> None:
    """Let a server import these files, which it sees by the same paths, and wait until it has.

    Raises:
        StoreError: it cannot, or makes no progress for half an hour.
    """
    handler = client._get_connection()
    job = handler.do_bulk_insert(collection, "", [str(path) for path in paths], timeout=60)
    progress, since = "", time.monotonic()
    while True:
        state = handler.get_bulk_insert_state(job, timeout=60)
        if state.state_name == "Completed":
            return
        if state.state_name in _FAILED:
            hint = "`bulk_folder` is a folder that the server sees by the same path"
            raise StoreError(f"Milvus could not import the files: {state.failed_reason}", hint=hint)
        if (now := f"{state.state_name} {state.progress}") != progress:
            progress, since = now, time.monotonic()
        if time.monotonic() - since > _STALLED_SECONDS:
            raise StoreError(f"Milvus made no progress importing for {_STALLED_SECONDS:g} s", hint="see Milvus' log")
        time.sleep(_POLL_SECONDS)


def _split_blocks(blocks: Iterator[Block], rows: int) -> Iterator[Block]:
    """The blocks, cut where a file ends."""
    for first, vectors in blocks:
        start = 0
        while start < len(vectors):
            end = min(len(vectors), start + rows - (first + start) % rows)
            yield first + start, vectors[start:end]
            start = end


def _create_columns(paths: list[Path], rows: int, dimension: int) -> list[Any]:
    import numpy as np

    shapes = (((rows,), np.int64), ((rows,), np.int32), ((rows, dimension), np.float32))
    return [
        np.lib.format.open_memmap(path, "w+", dtype, shape) for path, (shape, dtype) in zip(paths, shapes, strict=True)
    ]
