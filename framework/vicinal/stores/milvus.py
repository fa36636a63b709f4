"""The vectors of one solution in Milvus, embedded or a server, through ``MilvusClient``.

A collection's life is here: create, write, flush, build the index, load, search, drop. ``layout`` defines its rows,
``index_builder`` builds its index. A solution's physical collection is ``vicinal_{name}_v{generation}``; readers and
writers use the alias ``vicinal_{name}``.

An engine without binary vectors stores binary fingerprints as sparse float vectors of length 1 under inner product,
which is their cosine, with the number of set bits in a column beside them; ``tanimoto`` searches those exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vicinal.config.locations import milvus_location_problem
from vicinal.errors import StoreError, StoreUnreachableError, UnsupportedByEngineError
from vicinal.stores.filter_expression import to_milvus_filter
from vicinal.stores.index_builder import IndexBuilder
from vicinal.stores.layout import (
    Candidate,
    RowFormat,
    Schema,
    candidate_from_hit,
    column_of,
    split_by_bytes,
    to_query_vector,
)
from vicinal.stores.milvus_client import clear_schema_cache, import_client
from vicinal.stores.milvus_engine import Index, MilvusEngine
from vicinal.stores.milvus_errors import check_reachable, wrap_errors
from vicinal.stores.milvus_lite import MilvusLiteLock

if TYPE_CHECKING:
    import numpy as np
    from pymilvus import MilvusClient

__all__ = ["Candidate", "Schema", "StoredCollection", "VectorStore"]

MAX_LIMIT = 16_384
_SCAN_BYTES = 256 * 1024 * 1024
_RESULT_BYTES, _HIT_BYTES = 32 * 1024 * 1024, 256
_CALL_SECONDS = 60.0
_EMBEDDED_GRPC_OPTIONS = {"grpc.keepalive_time_ms": 2**31 - 1, "grpc.keepalive_permit_without_calls": False}
"""No keepalive: the client would ping the embedded server every ten seconds, until that closes the connection."""


_OWNER, _HOME = "vicinal.owner", "vicinal.home"


@dataclass(frozen=True, slots=True)
class StoredCollection:
    """A collection that exists: its own name, the id of the solution that owns it, and where that has its state.

    ``columns`` has the dimension of a vector, and None for other columns.
    """

    physical: str
    owner: str
    home: str
    columns: Mapping[str, int | None]


class VectorStore:
    """The Milvus side of one solution. ``location`` is a path ending in .db (embedded) or a URI.

    Raises:
        StoreUnreachableError: Milvus does not answer.
        StoreBusyError: another process holds the embedded file.
        UnsupportedByEngineError: the schema is hybrid and the engine has no full-text index.
    """

    def __init__(
        self, name: str, location: str, schema: Schema, *, token: str | None = None, timeout: float = 5.0
    ) -> None:
        self.alias = "vicinal_" + name.replace("-", "__")
        self.schema = schema
        self._location = location
        if reason := milvus_location_problem(location):
            raise StoreUnreachableError(f"the location of Milvus {reason}", hint="set MILVUS_URI, or `stores.milvus`")
        import_client()
        self._lite_lock = None if "://" in location else MilvusLiteLock(Path(location))
        try:
            self._client = self._connect(token, timeout)
            with self._wrap_errors():
                self.engine = MilvusEngine.parse(self._client.get_server_version())
        except BaseException:
            self.close()
            raise
        if schema.hybrid and not self.engine.has_full_text:
            self.close()
            raise UnsupportedByEngineError(
                f"{self.engine} has no full-text index, which `hybrid: true` needs",
                hint="use Milvus Lite or Milvus 2.5 and later, or `rerank: {type: keywords}`, which works everywhere",
            )

    def _connect(self, token: str | None, timeout: float) -> MilvusClient:
        if self._lite_lock is None:
            check_reachable(self._location, timeout)
        clear_schema_cache()
        from pymilvus import MilvusClient

        with self._wrap_errors():
            # The embedded server has its own connection for each file; connections to a server may be shared.
            options = {"grpc_options": _EMBEDDED_GRPC_OPTIONS} if self.embedded else {}
            return MilvusClient(self._location, token=token or "", timeout=timeout, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect, and release the lock of an embedded file."""
        client = getattr(self, "_client", None)
        if client is not None:
            client.close()
            del self._client
        if self._lite_lock is not None:
            from milvus_lite.server_manager import server_manager_instance

            server_manager_instance.release_server(str(self._lite_lock.path))
            self._lite_lock.close()
            self._lite_lock = None

    @property
    def embedded(self) -> bool:
        """Whether Milvus is embedded: the collection is in a file that this process has locked."""
        return self._lite_lock is not None

    @property
    def uses_sparse_bits(self) -> bool:
        """Whether binary vectors are stored as sparse float vectors, because the engine has no binary ones."""
        return self._row_format.uses_sparse_bits

    @property
    def _row_format(self) -> RowFormat:
        return RowFormat(self.schema, self.engine)

    @property
    def _index_builder(self) -> IndexBuilder:
        return IndexBuilder(self._client, self.alias, self.schema, self.embedded)

    # --- the collection's life

    def has_collection(self) -> bool:
        """Whether the solution has a collection."""
        with self._wrap_errors():
            return bool(self._client.has_collection(self.alias))

    def find_collection(self, physical: str) -> StoredCollection | None:
        """The collection behind the alias, or else that of this physical name; None if there is neither."""
        with self._wrap_errors():
            for name in (self.alias, physical):
                if self._client.has_collection(name):
                    return _to_stored_collection(self._client.describe_collection(name))
        return None

    def columns(self) -> dict[str, int | None]:
        """The columns that a new collection has, with the dimension of a vector."""
        schema = self._row_format.to_milvus_schema(self._client)
        return {field.name: field.params.get("dim") for field in schema.fields}

    def create_collection(self, physical: str, *, owner: str = "", home: str = "") -> None:
        """Create an empty collection, unless it exists, and point the alias to it.

        Args:
            owner: the id of the solution that it belongs to.
            home: where that solution has its state.
        """
        with self._wrap_errors():
            if not self._client.has_collection(physical):
                self._client.create_collection(
                    physical,
                    schema=self._row_format.to_milvus_schema(self._client),
                    consistency_level="Bounded",
                    properties={_OWNER: owner, _HOME: home},
                )
            self._client.create_alias(physical, self.alias)
            clear_schema_cache()

    def drop_collection(self) -> None:
        """Drop the collection and its alias, if they exist."""
        with self._wrap_errors():
            if self._client.has_collection(self.alias):
                physical = self._client.describe_collection(self.alias)["collection_name"]
                self._client.drop_alias(self.alias)
                self._client.drop_collection(physical)

    def drop_physical_collection(self, physical: str) -> None:
        """Drop a collection by its physical name, if it exists: one whose alias was never created, or was dropped."""
        with self._wrap_errors():
            if self._client.has_collection(physical):
                self._client.drop_collection(physical)

    def flush(self) -> None:
        """Flush: seal the written rows into segments, so that an index can be built over them."""
        with self._wrap_errors():
            self._client.flush(self.alias, timeout=600)

    def describe_index(self) -> dict[str, Any]:
        """Milvus' description of the vector index; empty if there is none."""
        with self._wrap_errors():
            return self._index_builder.describe_index()

    def build_index(self, index: Index) -> None:
        """Build the index in place of the current one, and wait until every flushed row is indexed."""
        with self._wrap_errors():
            self._index_builder.build_index(index)

    def nlist_too_small(self, index: Index) -> bool:
        """Whether an embedded IVF index has fewer than half the cells that its rows can train by now."""
        with self._wrap_errors():
            return self._index_builder.nlist_too_small(index)

    def load_collection(self, *, reload: bool = False, wait: bool = True) -> None:
        """Load the collection, so that it can be searched.

        Args:
            reload: release an embedded collection first; only then does its index serve the rows written since.
            wait: return only once it is loaded; else a server loads in the background.
        """
        with self._wrap_errors():
            if reload and self.embedded:
                self._client.release_collection(self.alias)
            if str(self._client.get_load_state(self.alias)["state"]) != "Loaded":
                self._client.load_collection(self.alias, timeout=600, _async=not wait)

    def is_loading(self) -> bool:
        """Whether a server is still loading the collection, so that a search would wait.

        After a crash of the server this takes half a minute.
        """
        if self.embedded:
            return False
        with self._wrap_errors():
            state = str(self._client.get_load_state(self.alias)["state"])
        if state != "Loaded":
            return state == "Loading"
        try:
            with self._wrap_errors():  # the state may be Loaded before any query node serves the collection
                self._client.query(self.alias, filter="id == -1", output_fields=["id"], timeout=_CALL_SECONDS)
        except StoreUnreachableError:
            raise
        except StoreError:
            return True
        return False

    # --- rows

    def upsert_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """Upsert rows by id, in messages well below Milvus' limit of 64 MiB."""
        for part in split_by_bytes(rows, self._row_format.row_bytes):
            with self._wrap_errors():
                self._client.upsert(self.alias, part, timeout=_CALL_SECONDS)

    def field_columns(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The columns of an item's declared fields."""
        return {column_of(name): value for name, value in fields.items()}

    def vector_columns(self, vectors: np.ndarray) -> Iterator[dict[str, Any]]:
        """Each vector's columns: ``vector``, and ``ones`` (set bits) where bits are stored as sparse floats."""
        return self._row_format.vector_columns(vectors)

    def delete_rows(self, ids: Sequence[int]) -> None:
        """Delete rows by id; unknown ids are ignored."""
        for start in range(0, len(ids), 10_000):
            with self._wrap_errors():
                self._client.delete(self.alias, ids=list(ids[start : start + 10_000]), timeout=_CALL_SECONDS)

    def count_rows(self) -> int:
        """The number of rows, after all acknowledged writes and deletions."""
        with self._wrap_errors():
            rows = self._client.query(self.alias, "", output_fields=["count(*)"], consistency_level="Strong")
        return int(rows[0]["count(*)"])

    def wait_until_visible(self) -> None:
        """Wait until searches see every acknowledged write; a server applies writes with a short delay."""
        if not self.embedded:
            self.count_rows()

    def iter_rows(self, fields: Sequence[str], batch_size: int = 5_000) -> Iterator[list[dict[str, Any]]]:
        """The given fields of every row, in batches, in no particular order."""
        self.count_rows()  # a query iterator ignores the consistency level; this makes the server apply all writes
        with self._wrap_errors():
            iterator = self._client.query_iterator(
                self.alias,
                batch_size=batch_size,
                filter="id >= 0",
                output_fields=list(fields),
                consistency_level="Strong",
            )
            try:
                while rows := iterator.next():
                    yield rows
            finally:
                iterator.close()

    def fetch_rows(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """The rows with these ids: ``id``, ``vector``, ``start`` and ``end`` if segmented. Unknown ids are left out."""
        if not ids:
            return []
        fields = ["id", "vector", *self._row_format.segment_columns]
        with self._wrap_errors():
            rows = self._client.get(self.alias, ids=list(ids), output_fields=fields, consistency_level="Strong")
        return [{**row, "vector": to_query_vector(row["vector"])} for row in rows]

    def fetch_vectors(self, ids: Sequence[int]) -> dict[int, Any]:
        """The stored vectors with these ids, in the form that ``search`` takes."""
        return {int(row["id"]): row["vector"] for row in self.fetch_rows(ids)}

    # --- search

    def search(
        self,
        queries: Sequence[Any],
        index: Index,
        limit: int,
        filter: str = "",
        *,
        rows: int,
        popcount: int | None = None,
    ) -> list[list[Candidate]]:
        """The nearest segments of each query vector, nearest first.

        Queries are sent in batches, so that memory stays bounded; ``rows`` is the size of the collection. With
        ``popcount`` only sparse bit vectors of so many set bits are searched.

        Raises:
            FilterError: the filter is wrong.
        """
        limit = min(limit, MAX_LIMIT)
        expression = self._to_milvus_filter(filter)
        if popcount is not None:
            expression = f"({expression}) and ones == {popcount}" if expression else f"ones == {popcount}"
        candidates: list[list[Candidate]] = []
        for start in range(0, len(queries), step := self._max_queries_per_call(index, limit, rows)):
            with self._wrap_errors(filter):
                results = self._client.search(
                    self.alias,
                    data=list(queries[start : start + step]),
                    anns_field="vector",
                    limit=limit,
                    filter=expression,
                    output_fields=self._row_format.output_fields,
                    search_params=index.search_params(limit),
                    timeout=_CALL_SECONDS,
                )
            candidates += [[candidate_from_hit(hit) for hit in hits] for hits in results]
        return candidates

    def hybrid_search(self, query: Any, text: str, index: Index, limit: int, filter: str = "") -> list[Candidate]:
        """Search by vector and by text (BM25); the engine joins both by reciprocal rank fusion (k = 60)."""
        from pymilvus import AnnSearchRequest, RRFRanker

        depth = min(max(limit * 2, 50), MAX_LIMIT)
        expression = self._to_milvus_filter(filter) or None
        by_vector = AnnSearchRequest([query], "vector", index.search_params(depth), limit=depth, expr=expression)
        by_text = AnnSearchRequest([text], "text_sparse", {"metric_type": "BM25"}, limit=depth, expr=expression)
        with self._wrap_errors(filter):
            results = self._client.hybrid_search(
                self.alias,
                [by_vector, by_text],
                RRFRanker(60),
                limit=limit,
                output_fields=self._row_format.output_fields,
            )
        return [candidate_from_hit(hit) for hit in results[0]]

    def _max_queries_per_call(self, index: Index, limit: int, rows: int) -> int:
        by_results = max(1, _RESULT_BYTES // (limit * _HIT_BYTES))
        if not self.embedded:
            return min(by_results, 1_000)
        if self.uses_sparse_bits:  # the engine scans every row for every query, in Python: about 5 s a call
            return min(by_results, max(1, 500_000 // max(rows, 1)), 1_000)
        # A scan of the embedded engine allocates queries x rows floats, for L2 also all their differences.
        width = self.schema.space.dimension if index.engine_metric == "L2" else 1
        return min(by_results, max(1, _SCAN_BYTES // (4 * width * max(rows, 1))), 1_000)

    def _to_milvus_filter(self, filter: str) -> str:
        return to_milvus_filter(filter, self._row_format.filter_columns) if filter.strip() else ""

    def _wrap_errors(self, filter: str = "") -> AbstractContextManager[None]:
        """Raise Milvus' errors as vicinal's."""
        return wrap_errors(self._location, filter, self._row_format.filter_columns if filter else ())


def _to_stored_collection(description: Mapping[str, Any]) -> StoredCollection:
    properties = description.get("properties") or {}
    columns = {column["name"]: column["params"].get("dim") for column in description["fields"]}
    return StoredCollection(
        description["collection_name"], properties.get(_OWNER, ""), properties.get(_HOME, ""), columns
    )
