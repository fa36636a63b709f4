"""The vectors of one solution in Milvus: written, read and searched.

An engine without binary vectors stores binary fingerprints as sparse float vectors of length 1 under inner product,
which is their cosine, with the number of set bits in a column beside them; ``tanimoto`` searches those exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from vicinal.errors import StoreError
from vicinal.stores.filter_expression import to_milvus_filter
from vicinal.stores.layout import Candidate, Schema, candidate_from_hit, column_of, split_by_bytes, to_query_vector
from vicinal.stores.milvus_collection import MilvusCollection, StoredCollection
from vicinal.stores.milvus_engine import Index
from vicinal.stores.milvus_errors import wrap_errors
from vicinal.stores.milvus_lite_scan import MAX_SEGMENT_ROWS
from vicinal.toolkit.slices import iter_slices

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Candidate", "Schema", "StoredCollection", "VectorStore"]

MAX_LIMIT = 16_384
_SCAN_BYTES = 256 * 1024 * 1024
_SCAN_FLOATS = 5_000_000_000
"""The embedded engine compares so many with a query's in 4 s or less, of the 60 s that a call may take."""
_RESULT_BYTES, _HIT_BYTES = 32 * 1024 * 1024, 256
_CALL_SECONDS = 60.0


class VectorStore(MilvusCollection):
    """The Milvus side of one solution: its collection, and the rows in it."""

    def upsert_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """Upsert rows by id, in messages well below Milvus' limit of 64 MiB."""
        from vicinal.stores.upsert_request import build_upsert_request, send_upsert_request

        if self.uses_sparse_bits:
            self._upsert_sparse_rows(rows)
            return
        types = self._row_format.column_types(self._client)
        for part in split_by_bytes(rows, self._row_format.row_bytes):
            request = build_upsert_request(self.collection, types, part)
            with self._wrap_errors():
                send_upsert_request(self._client, request, _CALL_SECONDS)

    def _upsert_sparse_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        for part in split_by_bytes(rows, self._row_format.row_bytes):
            with self._wrap_errors():
                self._client.upsert(self.collection, part, timeout=_CALL_SECONDS)

    def field_columns(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The columns of an item's declared fields."""
        return {column_of(name): value for name, value in fields.items()}

    def vector_columns(self, vectors: np.ndarray) -> Iterator[dict[str, Any]]:
        """Each vector's columns: ``vector``, and ``ones`` (set bits) where bits are stored as sparse floats."""
        return self._row_format.vector_columns(vectors)

    def delete_rows(self, ids: Sequence[int]) -> None:
        """Delete rows by id; unknown ids are ignored."""
        for part in iter_slices(ids, 10_000):
            with self._wrap_errors():
                self._client.delete(self.collection, ids=list(part), timeout=_CALL_SECONDS)

    def count_rows(self) -> int:
        """The number of rows, after all acknowledged writes and deletions."""
        with self._wrap_errors():
            rows = self._client.query(self.collection, "", output_fields=["count(*)"], consistency_level="Strong")
        return int(rows[0]["count(*)"])

    def wait_until_visible(self) -> None:
        """Wait until searches see every acknowledged write; a server applies writes with a short delay."""
        if not self.embedded:
            self.count_rows()

    @property
    def column_names(self) -> list[str]:
        """The columns of a row that are written, but for the text of a full-text index."""
        return self._row_format.column_names

    def iter_rows(
        self, fields: Sequence[str], batch_size: int = 5_000, filter: str = ""
    ) -> Iterator[list[dict[str, Any]]]:
        """The given columns of every row that the filter lets through, in batches, in no particular order.

        Raises:
            FilterError: the filter is wrong.
        """
        self.count_rows()  # a query iterator ignores the consistency level; this makes the server apply all writes
        with self._wrap_filter_errors(filter):
            iterator = self._client.query_iterator(
                self.collection,
                batch_size=batch_size,
                filter=self._to_milvus_filter(filter) or "id >= 0",
                output_fields=list(fields),
                consistency_level="Strong",
            )
            try:
                while rows := iterator.next():
                    yield rows
            finally:
                iterator.close()

    def fetch_rows(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """The rows with these ids: ``id``, ``vector`` and the columns of a segment. Unknown ids are left out."""
        if not ids:
            return []
        fields = ["id", "vector", *self._row_format.segment_columns]
        with self._wrap_errors():
            rows = self._client.get(self.collection, ids=list(ids), output_fields=fields, consistency_level="Strong")
        return [{**row, "vector": to_query_vector(row["vector"])} for row in rows]

    @property
    def stored_columns(self) -> list[str]:
        """All columns of a row that are written, with the text of a full-text index."""
        return [*self.column_names, *(["text"] if self.schema.hybrid else [])]

    def fetch_whole_rows(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """The rows with these ids, with all ``stored_columns``, in messages well below Milvus' limit of 64 MiB."""
        rows: list[dict[str, Any]] = []
        for part in iter_slices(ids, self._row_format.rows_per_message):
            with self._wrap_errors():
                rows += self._client.get(
                    self.collection,
                    ids=list(part),
                    output_fields=self.stored_columns,
                    consistency_level="Strong",
                    timeout=_CALL_SECONDS,
                )
        return rows

    @property
    def rows_per_message(self) -> int:
        """How many whole rows are read at once at most, so that a message and its Python objects stay small."""
        return self._row_format.rows_per_message

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
        excluded_ids: Sequence[int] = (),
    ) -> list[list[Candidate]]:
        """The nearest segments of each query vector, nearest first.

        Queries are sent in batches, so that memory stays bounded; ``rows`` is the size of the collection. With
        ``popcount`` only sparse bit vectors of so many set bits are searched; rows with ``excluded_ids`` never.

        Raises:
            FilterError: the filter is wrong.
        """
        limit = min(limit, MAX_LIMIT)
        expression = _join_conditions(
            self._to_milvus_filter(filter),
            "" if popcount is None else f"ones == {popcount}",
            _exclude_ids(excluded_ids),
        )
        candidates: list[list[Candidate]] = []
        for part in iter_slices(queries, self._max_queries_per_call(index, limit, rows)):
            with self._wrap_filter_errors(filter):
                results = self._client.search(
                    self.collection,
                    data=list(part),
                    anns_field="vector",
                    limit=limit,
                    filter=expression,
                    output_fields=self._row_format.output_fields,
                    search_params=index.search_params(limit),
                    timeout=_CALL_SECONDS,
                )
            candidates += [[candidate_from_hit(hit) for hit in hits] for hits in results]
        if not all(candidates):
            self._require_loaded()
        return candidates

    def _require_loaded(self) -> None:
        """See that a search that found nothing was one of a loaded collection.

        While another process releases it, as to load it on other query nodes, Milvus 2.3 finds nothing for 0.3 s before
        it refuses.

        Raises:
            StoreError: the collection is not loaded.
        """
        if not self.embedded and self._load_state() != "Loaded":
            raise StoreError(f"collection {self.collection} is not loaded", hint="retry in a moment")

    def hybrid_search(
        self, query: Any, text: str, index: Index, limit: int, filter: str = "", *, excluded_ids: Sequence[int] = ()
    ) -> list[Candidate]:
        """Search by vector and by text (BM25); the engine joins both by reciprocal rank fusion (k = 60)."""
        from pymilvus import AnnSearchRequest, RRFRanker

        depth = min(max(limit * 2, 50), MAX_LIMIT)
        expression = _join_conditions(self._to_milvus_filter(filter), _exclude_ids(excluded_ids)) or None
        by_vector = AnnSearchRequest([query], "vector", index.search_params(depth), limit=depth, expr=expression)
        by_text = AnnSearchRequest([text], "text_sparse", {"metric_type": "BM25"}, limit=depth, expr=expression)
        with self._wrap_filter_errors(filter):
            results = self._client.hybrid_search(
                self.collection,
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
        # A scan of the embedded engine allocates the distances of the queries to all rows of a segment.
        by_memory = _SCAN_BYTES // (4 * min(max(rows, 1), MAX_SEGMENT_ROWS))
        by_time = _SCAN_FLOATS // (max(rows, 1) * self.schema.space.dimension)
        return max(1, min(by_results, by_memory, by_time, 1_000))

    def _to_milvus_filter(self, filter: str) -> str:
        return to_milvus_filter(filter, self._row_format.filter_columns) if filter.strip() else ""

    def _wrap_filter_errors(self, filter: str) -> AbstractContextManager[None]:
        """Raise Milvus' errors as vicinal's; one that the filter causes is a FilterError."""
        return wrap_errors(self._location, filter, self._row_format.filter_columns if filter else ())


def _exclude_ids(ids: Sequence[int]) -> str:
    return f"id not in {list(ids)}" if ids else ""


def _join_conditions(*conditions: str) -> str:
    given = [condition for condition in conditions if condition]
    return given[0] if len(given) == 1 else " and ".join(f"({condition})" for condition in given)
