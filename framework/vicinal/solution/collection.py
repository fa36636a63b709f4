"""The life cycle of a collection: created by the first run, checked by later ones, indexed and loaded after each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from vicinal.config import SolutionConfig
from vicinal.errors import StoreMismatchError
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.encoder_calls import require_signature
from vicinal.solution.ownership import (
    create_owner,
    describe_home,
    has_lost_vectors,
    require_collection,
    require_columns,
    require_owned,
)
from vicinal.stores.milvus import StoredCollection, VectorStore
from vicinal.stores.milvus_engine import Index, choose_index
from vicinal.stores.redis import MetadataStore

__all__ = ["CollectionManager", "describe_contents"]

_MIN_ROWS_TO_FLUSH = 10_000
_WAYS_ON = (
    "run `vicinal reindex`, which replaces all that is stored under this name, whoever stored it, or give the solution"
    " a new name"
)


class CollectionManager:
    """Keeps a solution's collection, its state in Redis and its config consistent."""

    def __init__(
        self,
        config: SolutionConfig,
        encoder: Encoder,
        vectors: VectorStore,
        metadata: MetadataStore,
        pause_searches: Callable[[], AbstractContextManager[None]] = nullcontext,
        yaml: str = "",
    ) -> None:
        """``pause_searches`` is held while the collection cannot be searched; ``yaml`` is the text of the config."""
        self._config = config
        self._encoder = encoder
        self._vectors = vectors
        self._metadata = metadata
        self._pause_searches = pause_searches
        self._yaml = yaml

    def ensure(self) -> None:
        """Create the collection, or check that the existing one is what the config describes.

        Raises:
            UnsupportedByEngineError: the engine cannot build the index; nothing is created.
            StoreError: Milvus has not the query nodes or resource groups for its replicas; nothing is created.
            StoreMismatchError: the collection belongs to another solution, was built by another encoder or with other
                fields, or is missing.
        """
        self._choose_index(0)
        state = self._metadata.state()
        collection = self.find_collection(state)
        if not state:
            state = self._create_state(collection)
        self._require_same_identity(state)
        self._vectors.collection = state["physical"]
        is_there = self._vectors.has_collection()
        if not (is_there and self._vectors.has_configured_replicas()):
            self._vectors.require_query_nodes()
        if not is_there:
            require_collection(state, self._config.name, self._config.stores)
            self._create_collection(state)
            self.find_collection(state)  # another one may have created it at the same time
            self._build_exact_index_first()
        elif self._metadata.is_live:
            self._vectors.set_alias(state["physical"])
        kept = {"milvus": describe_home(self._config.stores.milvus), "yaml": self._yaml}
        if changed := {name: value for name, value in kept.items() if state.get(name) != value}:
            self._metadata.set_state(**changed)

    def _create_collection(self, state: dict[str, Any]) -> None:
        """Create the collection; the alias does not name one that a reindex builds."""
        home = describe_home(self._config.stores.redis)
        self._vectors.create_collection(
            state["physical"], owner=state.get("owner", ""), home=home, with_alias=self._metadata.is_live
        )

    def require_searchable(self, state: dict[str, Any]) -> None:
        """Check that the collection of a state is what the config describes, and read that; nothing is written.

        Raises:
            UnsupportedByEngineError, StoreMismatchError: as ``ensure`` does.
        """
        self._choose_index(0)
        collection = self.find_collection(state)
        self._require_same_identity(state)
        if collection is None:
            require_collection(state, self._config.name, self._config.stores)
        self._vectors.collection = state["physical"]

    def require_droppable(self, state: dict[str, Any]) -> None:
        """See that nothing is dropped of which another Milvus may have the vectors.

        Raises:
            StoreMismatchError: the collection belongs to another solution, or this Milvus has none, and another one
                that had the items may still be there.
        """
        if self.find_collection(state) is None and not has_lost_vectors(state, self._config.stores):
            require_collection(state, self._config.name, self._config.stores)

    def find_collection(self, state: dict[str, Any]) -> StoredCollection | None:
        """The solution's collection, if there is one.

        Raises:
            StoreMismatchError: it belongs to another solution.
        """
        alias = self._vectors.alias
        names = [state["physical"], alias] if state else [alias, self._first_physical]
        if not self._metadata.is_live:
            names.remove(alias)
        collection = self._vectors.find_collection(*names)
        require_owned(collection, state, self._config.name, self._config.stores)
        return collection

    @property
    def _first_physical(self) -> str:
        return f"{self._vectors.alias}_v1"

    def _choose_index(self, rows: int) -> Index:
        return choose_index(self._config.index, self._encoder.space, self._vectors.engine, rows)

    def _build_exact_index_first(self) -> None:
        """On a Milvus server, build a FLAT index before the first insert, so new rows are searchable immediately."""
        index = self._choose_index(0)
        if index.is_exact and not self._vectors.embedded:
            self._vectors.build_index(index)
            self._metadata.set_state(index=asdict(index))
            self._vectors.load_collection(wait=False)

    def _create_state(self, collection: StoredCollection | None) -> dict[str, Any]:
        """Create a new state; that of a collection that exists is lost."""
        if collection:
            require_columns(collection, self._vectors.expected_columns(), self._config.name, self._config.stores)
        return self.create_state(
            collection.physical if collection else self._first_physical,
            collection.owner if collection else create_owner(),
        )

    def create_state(self, physical: str, owner: str) -> dict[str, Any]:
        """Create the state of a generation of which nothing is indexed."""
        state = {
            "physical": physical,
            "owner": owner,
            "created": _current_time(),
            "items": 0,
            "rows": 0,
            "encoder": self._config.encoder.type,
            "yaml": self._yaml,
            **self.describe_identity(),
        }
        self._metadata.set_state(**state)
        return state

    def describe_identity(self) -> dict[str, Any]:
        """What the rows of a collection have in common; none of it can change while there are rows."""
        bits = "sparse" if self._vectors.uses_sparse_bits else "dense"
        return {**describe_contents(self._config, self._encoder), "bits": bits}

    def _require_same_identity(self, state: dict[str, Any]) -> None:
        name = repr(self._config.name)
        for part, value in self.describe_identity().items():
            if (stored := state.get(part)) == value:
                continue
            if part == "signature":
                raise StoreMismatchError(
                    f"{name} was built with encoder {stored!r}, which is now {value!r}",
                    hint=f"undo what changed (the encoder in the YAML, its plugin, or a model file), {_WAYS_ON}",
                )
            if part == "bits":
                raise StoreMismatchError(
                    f"{name} was built with {stored} vectors, and this Milvus stores {value} ones",
                    hint=f"set MILVUS_URI to the engine that it was built on, {_WAYS_ON}",
                )
            raise StoreMismatchError(
                f"{name} was built with {part} {stored!r}; the YAML now says {value!r}",
                hint=f"change the YAML back, {_WAYS_ON}",
            )

    def make_searchable(self, written: int = 0) -> int:
        """Make everything searchable: flush, build the index that suits, load. Returns the number of rows.

        A server searches fresh rows without that, and flushing it often is expensive; an embedded engine serves from
        its index only what was flushed and then loaded.

        Args:
            written: how many rows were written or deleted since the last call.
        """
        state = self._metadata.state()
        rows = int(state.get("rows", 0))
        wanted = self._choose_index(rows)
        current = self.current_index()
        rebuild = current is None or not self._vectors.describe_index() or self._needs_rebuild(current, wanted)
        if written and (self._vectors.embedded or (written >= _MIN_ROWS_TO_FLUSH and not wanted.is_exact)):
            self._vectors.flush()
        rebuild = rebuild or self._vectors.nlist_too_small(wanted)
        if rebuild:
            self._rebuild_index(wanted)
        elif written and self._vectors.embedded:
            with self._pause_searches():
                self._vectors.load_collection(reload=True)
        else:
            self._vectors.load_collection(reload=bool(written))
            self._apply_load_config()
        if written:
            self._metadata.set_state(updated=_current_time())
        return self._vectors.count_rows() if rebuild or written else rows

    def _apply_load_config(self) -> None:
        """Have a loaded collection on as many replicas, and in the resource groups, as the config says by now."""
        if not self._vectors.has_configured_replicas():
            with self._pause_searches():
                self._vectors.change_replicas()

    def build_index(self) -> Index:
        """Rebuild the index as the config says now."""
        self._vectors.flush()
        index = self._choose_index(int(self._metadata.state().get("rows", 0)))
        self._rebuild_index(index)
        return index

    def _rebuild_index(self, index: Index) -> None:
        with self._pause_searches():
            self._vectors.build_index(index)
            self._metadata.set_state(index=asdict(index))
            self._vectors.load_collection(reload=True)

    def current_index(self) -> Index | None:
        """The index as it was built, with the search parameters of the current config."""
        stored = self._metadata.state().get("index")
        if stored is None:
            return None
        same_type = self._config.index.type in ("auto", stored["type"])
        search = {**stored["search"], **(self._config.index.search if same_type else {})}
        return Index(**{**stored, "search": search})

    def _needs_rebuild(self, current: Index, wanted: Index) -> bool:
        """Whether the index must be rebuilt: another type or metric, or other parameters that the user set."""
        user_params = self._config.index.params
        return (current.engine_type, current.metric) != (wanted.engine_type, wanted.metric) or any(
            current.params.get(name) != wanted.params.get(name) for name in user_params
        )


def describe_contents(config: SolutionConfig, encoder: Encoder) -> dict[str, Any]:
    """What a config and its encoder say that the rows of a collection have in common."""
    return {
        "signature": require_signature(encoder),
        "fields": dict(config.fields),
        "hybrid": config.hybrid,
    }


def _current_time() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
