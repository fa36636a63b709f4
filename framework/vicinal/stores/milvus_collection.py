"""The collection of one solution in Milvus: created, indexed, loaded and dropped.

A solution's physical collection is ``vicinal_{name}_v{number}``, and its state in Redis says which one it is; the alias
``vicinal_{name}`` is for those who look from outside. ``layout`` defines its rows, ``index_builder`` builds its index.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, Self

from tenacity import Retrying, stop_after_attempt, wait_fixed

from vicinal.errors import StoreError, StoreUnreachableError, UnsupportedByEngineError
from vicinal.stores.index_builder import IndexBuilder
from vicinal.stores.layout import RowFormat, Schema
from vicinal.stores.milvus_client import clear_schema_cache
from vicinal.stores.milvus_connection import MilvusConnection
from vicinal.stores.milvus_engine import Index

__all__ = ["MilvusCollection", "StoredCollection"]

_CALL_SECONDS = 60.0
_LITE_LOAD_ATTEMPTS, _LITE_LOAD_SECONDS = 5, 0.2
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


class MilvusCollection(MilvusConnection):
    """The collection of one solution. ``location`` is a path ending in .db (embedded) or a URI.

    Raises:
        StoreUnreachableError: Milvus does not respond.
        StoreBusyError: another process holds the embedded file.
        UnsupportedByEngineError: the schema is hybrid and the engine has no full-text index.
    """

    def __init__(
        self, name: str, location: str, schema: Schema, *, token: str | None = None, timeout: float = 5.0
    ) -> None:
        super().__init__(location, token=token, timeout=timeout)
        self.alias = "vicinal_" + name.replace("-", "__")
        self.collection = self.alias
        """What is read and written: the alias, or the physical collection of one generation."""
        self.schema = schema
        try:
            self._require_full_text(schema)
        except UnsupportedByEngineError:
            self.close()
            raise

    def _require_full_text(self, schema: Schema) -> None:
        if schema.hybrid and not self.engine.has_full_text:
            raise UnsupportedByEngineError(
                f"{self.engine} has no full-text index, which `hybrid: true` needs",
                hint="use Milvus Lite or Milvus 2.5 and later, or `rerank: {type: keywords}`, which works everywhere",
            )

    @property
    def uses_sparse_bits(self) -> bool:
        """Whether binary vectors are stored as sparse float vectors, because the engine has no binary ones."""
        return self._row_format.uses_sparse_bits

    @property
    def _row_format(self) -> RowFormat:
        return RowFormat(self.schema, self.engine)

    @property
    def _index_builder(self) -> IndexBuilder:
        return IndexBuilder(self._client, self.collection, self.schema, self.embedded)

    def has_collection(self) -> bool:
        """Whether there is the collection that is read and written."""
        with self._wrap_errors():
            return bool(self._client.has_collection(self.collection))

    def of_collection(self, name: str, schema: Schema | None = None) -> Self:
        """Another collection of the solution, or what its alias names, by the same connection.

        Raises:
            UnsupportedByEngineError: its schema is hybrid and the engine has no full-text index.
        """
        other = copy(self)
        other.collection = name
        other.schema = schema or self.schema
        self._require_full_text(other.schema)
        return other

    def find_collection(self, *names: str) -> StoredCollection | None:
        """The first of these collections that exists; each is a physical name or an alias."""
        with self._wrap_errors():
            for name in names:
                if self._client.has_collection(name):
                    return _to_stored_collection(self._client.describe_collection(name))
        return None

    def expected_columns(self) -> dict[str, int | None]:
        """The columns that a new collection has, with the dimension of a vector."""
        schema = self._row_format.to_milvus_schema(self._client)
        return {field.name: field.params.get("dim") for field in schema.fields}

    def create_collection(self, physical: str, *, owner: str = "", home: str = "", with_alias: bool = True) -> None:
        """Create an empty collection, unless it exists, and point the alias to it.

        Args:
            owner: the id of the solution that it belongs to.
            home: where that solution has its state.
            with_alias: whether the alias shall point to it.
        """
        with self._wrap_errors():
            if not self._client.has_collection(physical):
                self._client.create_collection(
                    physical,
                    schema=self._row_format.to_milvus_schema(self._client),
                    consistency_level="Bounded",
                    properties={_OWNER: owner, _HOME: home},
                )
        if with_alias:
            self.set_alias(physical)
        else:
            clear_schema_cache()

    def set_alias(self, physical: str) -> None:
        """Point the alias to a collection."""
        with self._wrap_errors():
            if not self._client.has_collection(self.alias):
                self._client.create_alias(physical, self.alias)
            elif self._client.describe_collection(self.alias)["collection_name"] != physical:
                self._client.alter_alias(physical, self.alias)
            clear_schema_cache()

    def drop_collection(self) -> None:
        """Drop what the alias names, and the alias, if they exist."""
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
            self._client.flush(self.collection, timeout=600)

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
                self._client.release_collection(self.collection)
            if str(self._client.get_load_state(self.collection)["state"]) != "Loaded":
                self._load(wait=wait)

    def _load(self, *, wait: bool) -> None:
        """Load the collection; an embedded one again, if that fails.

        In Milvus Lite 3.2 a thread of its own writes an index after a flush, without a lock; who loads at that instant
        reads half a file ("No data left in file").
        """
        attempts = stop_after_attempt(_LITE_LOAD_ATTEMPTS if self.embedded else 1)
        retrying = Retrying(stop=attempts, wait=wait_fixed(_LITE_LOAD_SECONDS), reraise=True)
        retrying(self._client.load_collection, self.collection, timeout=600, _async=not wait)

    def release_collection(self) -> None:
        """Release the collection, if it exists, so that it takes no memory of Milvus until it is loaded again."""
        with self._wrap_errors():
            if self._client.has_collection(self.collection):
                self._client.release_collection(self.collection)

    def is_loading(self) -> bool:
        """Whether a server is still loading the collection, so that a search would wait.

        After a crash of the server this takes half a minute.
        """
        if self.embedded:
            return False
        with self._wrap_errors():
            state = str(self._client.get_load_state(self.collection)["state"])
        if state != "Loaded":
            return state == "Loading"
        try:
            with self._wrap_errors():  # the state may be Loaded before any query node serves the collection
                self._client.query(self.collection, filter="id == -1", output_fields=["id"], timeout=_CALL_SECONDS)
        except StoreUnreachableError:
            raise
        except StoreError:
            return True
        return False


def _to_stored_collection(description: Mapping[str, Any]) -> StoredCollection:
    properties = description.get("properties") or {}
    columns = {column["name"]: column["params"].get("dim") for column in description["fields"]}
    return StoredCollection(
        description["collection_name"], properties.get(_OWNER, ""), properties.get(_HOME, ""), columns
    )
