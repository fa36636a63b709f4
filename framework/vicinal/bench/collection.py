"""The collection of a benchmark: its rows are written, an index is built over them and replaced by the next."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicinal.bench.bulk import import_files
from vicinal.bench.vectors import to_buckets
from vicinal.errors import UnsupportedByEngineError
from vicinal.stores.index_builder import IndexBuilder
from vicinal.stores.layout import Schema
from vicinal.stores.milvus_connection import MilvusConnection
from vicinal.stores.milvus_engine import Index
from vicinal.types import Metric, Space

if TYPE_CHECKING:
    import numpy as np

__all__ = ["BenchCollection"]

_LONG_SECONDS = 3600.0
_SETTLE_SECONDS = 2.0


class BenchCollection(MilvusConnection):
    """Rows of ``id``, ``bucket`` (what filters ask for) and ``vector``."""

    def __init__(self, name: str, dimension: int, location: str, *, token: str | None, timeout: float) -> None:
        super().__init__(location, token=token, timeout=timeout)
        self.name = "vicinal_bench_" + name.replace("-", "_")
        self._dimension = dimension

    @property
    def address(self) -> str:
        """The URI at which other processes of this machine reach the engine, an embedded one too."""
        if self._lite_lock is None:
            return self._location
        from milvus_lite.server_manager import server_manager_instance

        return str(server_manager_instance.start_and_get_uri(str(self._lite_lock.path)))

    def count_rows(self) -> int:
        """The rows that are flushed; 0 where there is no collection."""
        with self._wrap_errors():
            if not self._client.has_collection(self.name):
                return 0
            return int(self._client.get_collection_stats(self.name)["row_count"])

    def recreate(self) -> None:
        """An empty collection, in place of one that exists."""
        from pymilvus import DataType

        with self._wrap_errors():
            self.drop()
            schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("id", DataType.INT64, is_primary=True)
            schema.add_field("bucket", DataType.INT32)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self._dimension)
            self._client.create_collection(self.name, schema=schema, consistency_level="Bounded")

    def drop(self) -> None:
        """Drop the collection, if it exists."""
        with self._wrap_errors():
            if self._client.has_collection(self.name):
                self._client.drop_collection(self.name)

    def insert(self, first: int, vectors: np.ndarray, rows_per_call: int) -> float:
        """Write rows from number ``first`` on; returns the seconds that Milvus' client took."""
        seconds = 0.0
        for start in range(0, len(vectors), rows_per_call):
            part = vectors[start : start + rows_per_call]
            buckets = to_buckets(first + start, len(part)).tolist()
            rows = [
                {"id": first + start + number, "bucket": bucket, "vector": vector}
                for number, (bucket, vector) in enumerate(zip(buckets, part, strict=True))
            ]
            started = time.perf_counter()
            with self._wrap_errors():
                self._client.insert(self.name, rows)
            seconds += time.perf_counter() - started
        return seconds

    def import_files(self, paths: list[Path]) -> float:
        """Let the server import files of columns; returns the seconds that it took."""
        if self.embedded:
            raise UnsupportedByEngineError(
                f"{self.engine} has no bulk import", hint="remove `bulk_folder`, or set MILVUS_URI to a server"
            )
        started = time.perf_counter()
        with self._wrap_errors():
            import_files(self._client, self.name, paths)
        return time.perf_counter() - started

    def flush(self) -> None:
        """Seal the written rows, so that an index can be built over them."""
        with self._wrap_errors():
            self._client.flush(self.name, timeout=_LONG_SECONDS)

    def merge_segments(self, metric: Metric) -> None:
        """Merge the segments of a server, so that none of them changes while they are measured.

        It merges only what is indexed: by an index that compares with every vector, which costs nothing to build.
        """
        if self.embedded:
            return
        with self._wrap_errors():
            self._builder.build_index(Index("FLAT", metric, "FLAT", metric))
            self._builder.merge_segments()

    def release(self) -> None:
        """Release the loaded rows, drop the index, and wait for a server to free the memory."""
        with self._wrap_errors():
            self._client.release_collection(self.name)
            for index in self._client.list_indexes(self.name):
                self._client.drop_index(self.name, index)
        self.wait_for_memory()

    def wait_for_memory(self) -> None:
        """Wait for a server to free the memory that its last work needed."""
        time.sleep(0 if self.embedded else _SETTLE_SECONDS)

    def build_index(self, index: Index) -> None:
        """Build the index, and wait until every row is indexed; Milvus Lite builds it when it loads."""
        with self._wrap_errors():
            self._builder.build_index(index)

    def load(self) -> None:
        """Load the rows and the index, so that they can be searched."""
        with self._wrap_errors():
            self._client.load_collection(self.name, timeout=_LONG_SECONDS)

    def is_built(self, index: Index) -> bool:
        """Whether this very index is built and loaded: a run that was killed may have left it."""
        with self._wrap_errors():
            found = self._builder.describe_index()
            state = str(self._client.get_load_state(self.name)["state"])
        return state == "Loaded" and _is_same(found, index)

    def count_indexed(self) -> int | None:
        """How many rows the index has; None where the engine does not tell."""
        with self._wrap_errors():
            found = self._builder.describe_index().get("indexed_rows")
        return None if found is None else int(found)

    def search(self, vectors: Sequence[Any], limit: int, index: Index, filter: str = "") -> list[list[int]]:
        """The ids of the nearest rows of each vector."""
        with self._wrap_errors():
            found = self._client.search(
                self.name, data=vectors, limit=limit, filter=filter, search_params=index.search_params(limit)
            )
        return [[int(hit["id"]) for hit in hits] for hits in found]

    @property
    def _builder(self) -> IndexBuilder:
        schema = Schema(Space(self._dimension), False, {})
        return IndexBuilder(self._client, self.name, schema, self.embedded)


def _is_same(found: Mapping[str, Any], index: Index) -> bool:
    params = {**found, **(found.get("params") or {})}
    return found.get("index_type") == index.engine_type and all(
        str(params.get(name)) == str(value) for name, value in index.params.items()
    )
