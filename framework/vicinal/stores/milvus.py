"""The vectors of one solution in Milvus, embedded or a server, reached through ``MilvusClient``.

This module owns a collection's life: create, write, flush, build the index, load, search, drop. How its rows look is
told in ``layout``, how its index is built in ``indexes``. A solution's physical collection is
``vicinal_{name}_v{generation}``; readers and writers use the alias ``vicinal_{name}``.

Binary fingerprints on an engine without binary vectors are kept as sparse float vectors of length 1 under inner
product, which is their cosine, with their number of set bits beside them; ``tanimoto`` searches those exactly.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vicinal.errors import StoreError, StoreUnreachableError, UnsupportedByEngineError
from vicinal.stores.index_builder import IndexBuilder
from vicinal.stores.layout import Candidate, RowFormat, Schema, candidate_from_hit, split_by_bytes, to_query_vector
from vicinal.stores.milvus_engine import Index, MilvusEngine
from vicinal.stores.milvus_errors import check_reachable, wrap_errors
from vicinal.stores.milvus_lite import MilvusLiteLock

if TYPE_CHECKING:
    import numpy as np
    from pymilvus import MilvusClient

__all__ = ["Candidate", "Schema", "VectorStore"]

MAX_LIMIT = 16_384
_QUERY_BYTES = 256 * 1024 * 1024
_CALL_SECONDS = 60.0
_IN_PROCESS = {"grpc.keepalive_time_ms": 2**31 - 1, "grpc.keepalive_permit_without_calls": False}
"""The client would ask every ten seconds whether it still has a connection, until the embedded server ends it."""


class VectorStore:
    """The Milvus side of one solution. ``where`` is a path ending in .db (embedded) or a URI.

    Raises:
        StoreUnreachableError: nobody answers there.
        StoreBusyError: another process holds the embedded file.
    """

    def __init__(
        self, name: str, where: str, schema: Schema, *, token: str | None = None, timeout: float = 5.0
    ) -> None:
        self.alias = "vicinal_" + name.replace("-", "__")
        self.schema = schema
        self._location = where
        self._file = None if "://" in where else MilvusLiteLock(Path(where))
        try:
            self._client = self._connect(token, timeout)
            with self._wrap_errors():
                self.engine = MilvusEngine.parse(self._client.get_server_version())
        except BaseException:
            self.close()
            raise
        if schema.hybrid and not self.engine.full_text:
            self.close()
            raise UnsupportedByEngineError(
                f"{self.engine} has no full-text index, which `hybrid: true` needs",
                hint="use Milvus Lite or Milvus 2.5 and later, or `rerank: {type: keywords}`, which works everywhere",
            )

    def _connect(self, token: str | None, timeout: float) -> MilvusClient:
        if self._file is None:
            check_reachable(self._location, timeout)
        _forget_schemas()
        from pymilvus import MilvusClient

        # It logs every error that it raises, with a traceback, to stderr.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        logging.getLogger("milvus_lite").setLevel(logging.CRITICAL)
        with self._wrap_errors():
            # The embedded server keeps a connection of its own for each file; a server's may be shared.
            options = {"grpc_options": _IN_PROCESS} if self.embedded else {}
            return MilvusClient(self._location, token=token or "", timeout=timeout, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect, and give an embedded file up."""
        client = getattr(self, "_client", None)
        if client is not None:
            client.close()
            del self._client
        if self._file is not None:
            from milvus_lite.server_manager import server_manager_instance

            server_manager_instance.release_server(str(self._file.path))
            self._file.close()
            self._file = None

    @property
    def embedded(self) -> bool:
        """Whether the collection lies in a file that this process holds."""
        return self._file is not None

    @property
    def sparse_bits(self) -> bool:
        """Whether binary vectors are kept as sparse floats, since the engine has none."""
        return self._layout.sparse_bits

    @property
    def _layout(self) -> RowFormat:
        return RowFormat(self.schema, self.engine)

    @property
    def _indexes(self) -> IndexBuilder:
        return IndexBuilder(self._client, self.alias, self.schema, self.embedded)

    # --- the collection's life

    def exists(self) -> bool:
        """Whether the solution has a collection."""
        with self._wrap_errors():
            return bool(self._client.has_collection(self.alias))

    def create(self, physical: str) -> None:
        """Create an empty collection, and point the alias to it."""
        with self._wrap_errors():
            if not self._client.has_collection(physical):
                self._client.create_collection(
                    physical, schema=self._layout.to_milvus_schema(self._client), consistency_level="Bounded"
                )
            self._client.create_alias(physical, self.alias)
            _forget_schemas()

    def drop(self) -> None:
        """Drop the collection and its alias, if there are any."""
        with self._wrap_errors():
            if self._client.has_collection(self.alias):
                physical = self._client.describe_collection(self.alias)["collection_name"]
                self._client.drop_alias(self.alias)
                self._client.drop_collection(physical)

    def drop_physical(self, physical: str) -> None:
        """Drop a collection by its own name, as one that was created and never got its alias."""
        with self._wrap_errors():
            if self._client.has_collection(physical):
                self._client.drop_collection(physical)

    def flush(self) -> None:
        """Seal what was written, so that an index can be built over it."""
        with self._wrap_errors():
            self._client.flush(self.alias, timeout=600)

    def index_in_use(self) -> dict[str, Any]:
        """What Milvus says of the index of the vectors; empty where there is none."""
        with self._wrap_errors():
            return self._indexes.in_use()

    def build(self, index: Index) -> None:
        """Build the index, in place of any other, and wait until it serves every flushed row."""
        with self._wrap_errors():
            self._indexes.build(index)

    def nlist_too_small(self, index: Index) -> bool:
        """Whether an embedded IVF index has fewer than half the cells that its rows could train by now."""
        with self._wrap_errors():
            return self._indexes.nlist_too_small(index)

    def load(self, *, again: bool = False, wait: bool = True) -> None:
        """Make the collection searchable; ``again`` makes an embedded engine serve new rows from the index too.

        Without ``wait`` a server is told to, and goes on by itself; another call waits for it.
        """
        with self._wrap_errors():
            if again and self.embedded:
                self._client.release_collection(self.alias)
            if str(self._client.get_load_state(self.alias)["state"]) != "Loaded":
                self._client.load_collection(self.alias, timeout=600, _async=not wait)

    def loading(self) -> bool:
        """Whether a server loads the collection still, so that a search would wait: for half a minute after a crash."""
        if self.embedded:
            return False
        with self._wrap_errors():
            state = str(self._client.get_load_state(self.alias)["state"])
        if state != "Loaded":
            return state == "Loading"
        try:
            with self._wrap_errors():  # it may say so before anybody answers for it
                self._client.query(self.alias, filter="id == -1", output_fields=["id"], timeout=_CALL_SECONDS)
        except StoreUnreachableError:
            raise
        except StoreError:
            return True
        return False

    # --- rows

    def upsert(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write rows, those of an id replacing older ones; cut so that no message nears Milvus' 64 MiB."""
        for part in split_by_bytes(rows, self._layout.row_bytes):
            with self._wrap_errors():
                self._client.upsert(self.alias, part, timeout=_CALL_SECONDS)

    def vector_columns(self, vectors: np.ndarray) -> Iterator[dict[str, Any]]:
        """What a row's vector becomes: columns ``vector``, and ``ones`` where bits are kept as sparse floats."""
        return self._layout.vector_columns(vectors)

    def delete(self, ids: Sequence[int]) -> None:
        """Delete rows by id; ids that are not there do no harm."""
        for start in range(0, len(ids), 10_000):
            with self._wrap_errors():
                self._client.delete(self.alias, ids=list(ids[start : start + 10_000]), timeout=_CALL_SECONDS)

    def count(self) -> int:
        """How many rows there are, deletions and all acknowledged writes included."""
        with self._wrap_errors():
            answer = self._client.query(self.alias, "", output_fields=["count(*)"], consistency_level="Strong")
        return int(answer[0]["count(*)"])

    def wait_until_visible(self) -> None:
        """Wait until searches find what was written, which on a server takes a moment."""
        if not self.embedded:
            self.count()

    def iter_rows(self, fields: Sequence[str], batch: int = 5_000) -> Iterator[list[dict[str, Any]]]:
        """Every row's fields, in batches, in no promised order."""
        self.count()  # an iterator takes no consistency level; after this the server has caught up with all writes
        with self._wrap_errors():
            iterator = self._client.query_iterator(
                self.alias, batch_size=batch, filter="id >= 0", output_fields=list(fields), consistency_level="Strong"
            )
            try:
                while found := iterator.next():
                    yield found
            finally:
                iterator.close()

    def fetch_rows(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """The rows of these ids with their vectors; an id that is not there is left out."""
        if not ids:
            return []
        fields = ["id", "vector", *self._layout.times]
        with self._wrap_errors():
            found = self._client.get(self.alias, ids=list(ids), output_fields=fields, consistency_level="Strong")
        return [{**row, "vector": to_query_vector(row["vector"])} for row in found]

    def fetch_vectors(self, ids: Sequence[int]) -> dict[int, Any]:
        """The stored vectors of these ids, in the form that a search takes."""
        return {int(row["id"]): row["vector"] for row in self.fetch_rows(ids)}

    # --- search

    def search(
        self, queries: Sequence[Any], index: Index, limit: int, filter: str = "", *, rows: int
    ) -> list[list[Candidate]]:
        """The nearest segments of each query vector. Batches of queries are cut so that memory stays bounded."""
        limit = min(limit, MAX_LIMIT)
        found: list[list[Candidate]] = []
        for start in range(0, len(queries), step := self._queries_at_once(index, limit, rows)):
            with self._wrap_errors(filter):
                answer = self._client.search(
                    self.alias,
                    data=list(queries[start : start + step]),
                    anns_field="vector",
                    limit=limit,
                    filter=filter,
                    output_fields=self._layout.output_fields,
                    search_params=index.search_params(limit),
                    timeout=_CALL_SECONDS,
                )
            found += [[candidate_from_hit(hit) for hit in hits] for hits in answer]
        return found

    def hybrid(self, query: Any, words: str, index: Index, limit: int, filter: str = "") -> list[Candidate]:
        """Vectors and words searched together and joined by reciprocal rank fusion (k = 60), as the engine does it."""
        from pymilvus import AnnSearchRequest, RRFRanker

        depth = min(max(limit * 2, 50), MAX_LIMIT)
        near = AnnSearchRequest([query], "vector", index.search_params(depth), limit=depth, expr=filter or None)
        worded = AnnSearchRequest([words], "text_sparse", {"metric_type": "BM25"}, limit=depth, expr=filter or None)
        with self._wrap_errors(filter):
            answer = self._client.hybrid_search(
                self.alias, [near, worded], RRFRanker(60), limit=limit, output_fields=self._layout.output_fields
            )
        return [candidate_from_hit(hit) for hit in answer[0]]

    def _queries_at_once(self, index: Index, limit: int, rows: int) -> int:
        answer = max(1, 32 * 1024 * 1024 // (limit * 256))
        if not self.embedded:
            return min(answer, 1_000)
        if self.sparse_bits:  # it looks at every row for every query, in Python: some 5 s a call
            return min(answer, max(1, 500_000 // max(rows, 1)), 1_000)
        # A scan of the embedded engine allocates queries x rows floats; for L2 it holds all their differences, too.
        width = self.schema.space.dimension if index.engine_metric == "L2" else 1
        return min(answer, max(1, _QUERY_BYTES // (4 * width * max(rows, 1))), 1_000)

    def _wrap_errors(self, filter: str = "") -> AbstractContextManager[None]:
        """Milvus' errors as vicinal's."""
        return wrap_errors(self._location, self.schema.fields, filter)


def _forget_schemas() -> None:
    """Milvus' client remembers schemas by name for all of a process, even when an alias means another one now."""
    from pymilvus.client.cache import GlobalCache

    GlobalCache.schema.clear()
