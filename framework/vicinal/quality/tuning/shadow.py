"""A copy of a collection's rows in which indexes are built and measured, while the collection itself goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

from vicinal.errors import StoreError
from vicinal.search.candidates import CandidateRetriever
from vicinal.solution.solution import Solution
from vicinal.stores.layout import to_query_vector
from vicinal.stores.milvus import Candidate, VectorStore
from vicinal.stores.milvus_engine import Index

__all__ = ["ShadowCollection"]

_SUFFIX = "___tune"
"""No solution can be called so: a name has at most two of these in a row."""


class ShadowCollection:
    """A collection with an index of its own; a context manager that drops it, whatever happens.

    What a killed process left is dropped when the next one is created: the caller holds a lock.
    """

    def __init__(self, solution: Solution) -> None:
        vectors = solution.vectors
        self._solution = solution
        self._store: VectorStore = vectors.of_collection(vectors.alias + _SUFFIX)
        self._store.schema = replace(vectors.schema, hybrid=False)
        self._retriever: CandidateRetriever | None = None
        self.rows = 0

    def __enter__(self) -> Self:
        self._store.drop_physical_collection(self._store.collection)
        try:
            self._store.create_collection(self._store.collection, with_alias=False)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._store.drop_physical_collection(self._store.collection)

    def add_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """Copy rows that were read with all their columns."""
        self._store.upsert_rows([{**row, "vector": to_query_vector(row["vector"])} for row in rows])
        self.rows += len(rows)

    def seal_rows(self, exact: Index) -> None:
        """Seal the copied rows, so that an index serves them, and merge them into segments that no longer change.

        Args:
            exact: the index that compares with every vector, which costs nothing to build: a server merges only what
                is indexed.
        """
        self._store.flush()
        self._store.build_index(exact)
        self._store.merge_segments()

    def build(self, index: Index) -> Index:
        """Build an index in place of the last one, load it, and search with it from now on.

        Returns:
            The index with the build parameters that the engine has taken.

        Raises:
            StoreError: the engine says that it has not indexed all rows.
        """
        self._store.build_index(index)
        self._store.load_collection(reload=True)
        self._store.wait_until_visible()
        described = self._store.describe_index()
        indexed = int(described.get("indexed_rows", self.rows))
        if indexed != self.rows and not index.is_exact:
            raise StoreError(f"{indexed:,} of {self.rows:,} rows are in the index {index.type}")
        taken = described.get("params", {}) if self._store.embedded else {}
        built = replace(index, params={name: taken.get(name, value) for name, value in index.params.items()})
        self.set_search(built)
        return built

    def set_search(self, index: Index) -> None:
        """Search with these search parameters from now on."""
        self._retriever = CandidateRetriever(
            self._store, self._solution.metadata, index, self.rows, segmented=False, hybrid=False, match="best"
        )

    def search(self, vectors: Sequence[Any], limit: int, filter: str = "") -> list[list[Candidate]]:
        """The nearest rows of each vector, as the index finds them."""
        assert self._retriever is not None
        return self._retriever.search_vectors(vectors, limit, filter)
