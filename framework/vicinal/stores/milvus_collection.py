"""The collection of one solution in Milvus: created, indexed, loaded and dropped.

A solution's physical collection is ``vicinal_{name}_v{number}``, and its state in Redis says which one it is; the alias
``vicinal_{name}`` is for those who look from outside. ``layout`` defines its rows, ``index_builder`` builds its index.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, Self

from vicinal.errors import UnsupportedByEngineError
from vicinal.stores.index_builder import IndexBuilder
from vicinal.stores.layout import RowFormat, Schema
from vicinal.stores.milvus_client import clear_schema_cache
from vicinal.stores.milvus_engine import Index
from vicinal.stores.milvus_loading import MilvusLoading
from vicinal.stores.milvus_replicas import LoadConfig

__all__ = ["MilvusCollection", "StoredCollection"]

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


class MilvusCollection(MilvusLoading):
    """The collection of one solution. ``location`` is a path ending in .db (embedded) or a URI.

    Raises:
        StoreUnreachableError: Milvus does not respond.
        StoreBusyError: another process holds the embedded file.
        UnsupportedByEngineError: the schema is hybrid and the engine has no full-text index, or the engine is embedded
            and the collection shall have several replicas or a resource group.
    """

    def __init__(
        self,
        name: str,
        location: str,
        schema: Schema,
        *,
        token: str | None = None,
        timeout: float = 5.0,
        load_config: LoadConfig = LoadConfig(),  # noqa: B008 - it is immutable
    ) -> None:
        super().__init__(location, token=token, timeout=timeout)
        self.alias = "vicinal_" + name.replace("-", "__")
        self.collection = self.alias
        """What is read and written: the alias, or the physical collection of one generation."""
        self.schema = schema
        self.load_config = load_config
        try:
            self._require_full_text(schema)
            self._require_replicas(load_config)
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

    def of_collection(self, name: str, schema: Schema | None = None, load_config: LoadConfig | None = None) -> Self:
        """Another collection of the solution, or what its alias names, by the same connection.

        Raises:
            UnsupportedByEngineError: the engine cannot have its schema, or load it so.
        """
        other = copy(self)
        other.collection = name
        other.schema = schema or self.schema
        other.load_config = load_config or self.load_config
        self._require_full_text(other.schema)
        self._require_replicas(other.load_config)
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

    def merge_segments(self) -> None:
        """Let a server merge small segments, of which an index is built, and wait for it."""
        with self._wrap_errors():
            self._index_builder.merge_segments()

    def nlist_too_small(self, index: Index) -> bool:
        """Whether an embedded IVF index has fewer than half the cells that its rows can train by now."""
        with self._wrap_errors():
            return self._index_builder.nlist_too_small(index)


def _to_stored_collection(description: Mapping[str, Any]) -> StoredCollection:
    properties = description.get("properties") or {}
    columns = {column["name"]: column["params"].get("dim") for column in description["fields"]}
    return StoredCollection(
        description["collection_name"], properties.get(_OWNER, ""), properties.get(_HOME, ""), columns
    )
