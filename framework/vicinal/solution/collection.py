"""The life of a collection over runs: created by the first, checked by the next ones, indexed and loaded after each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from vicinal.config import SolutionConfig
from vicinal.errors import StoreMismatchError
from vicinal.plugin.encoder import Encoder
from vicinal.solution.ownership import create_owner, describe_home, require_columns, require_owned
from vicinal.stores.milvus import StoredCollection, VectorStore
from vicinal.stores.milvus_engine import Index, choose_index
from vicinal.stores.redis import MetadataStore

__all__ = ["CollectionManager"]

_FLUSH_ROWS = 10_000


class CollectionManager:
    """Keeps a solution's collection, its state in Redis and its config in step."""

    def __init__(
        self,
        config: SolutionConfig,
        encoder: Encoder,
        vectors: VectorStore,
        metadata: MetadataStore,
        standstill: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """``standstill`` keeps searches away while the collection cannot answer."""
        self._config = config
        self._encoder = encoder
        self._vectors = vectors
        self._metadata = metadata
        self._standstill = standstill

    def ensure(self) -> None:
        """Create the collection, or see that the one there is what the config describes.

        Raises:
            UnsupportedByEngineError: the engine cannot build the index; nothing is created.
            StoreMismatchError: the collection belongs to another solution, was built by another encoder or with other
                fields, or is missing.
        """
        choose_index(self._config.index, self._encoder.space, self._vectors.engine, 0)
        state = self._metadata.state()
        collection = self.find_collection(state)
        if not state:
            state = self._begin(collection)
        self._compare(state)
        if not self._vectors.has_collection():
            if state["items"]:
                raise StoreMismatchError(
                    f"Redis knows {state['items']} items of {self._config.name!r}, which this Milvus does not have",
                    hint="set MILVUS_URI to the Milvus that has it; or `vicinal drop` and ingest again",
                )
            home = describe_home(self._config.stores.redis)
            self._vectors.create_collection(state["physical"], owner=state.get("owner", ""), home=home)
            self.find_collection(state)  # another one may have created it at the same time
            self._build_exact_index_first()

    def find_collection(self, state: dict[str, Any]) -> StoredCollection | None:
        """The solution's collection, if there is one.

        Raises:
            StoreMismatchError: it belongs to another solution.
        """
        collection = self._vectors.find_collection(state.get("physical", self._first_physical))
        require_owned(collection, state, self._config.name, self._config.stores)
        return collection

    @property
    def _first_physical(self) -> str:
        return f"{self._vectors.alias}_v1"

    def _build_exact_index_first(self) -> None:
        """On a server an index that compares with every row is there before the rows, which then never wait."""
        index = choose_index(self._config.index, self._encoder.space, self._vectors.engine, 0)
        if index.is_exact and not self._vectors.embedded:
            self._vectors.build_index(index)
            self._metadata.set_state(index=asdict(index))
            self._vectors.load_collection(wait=False)

    def _begin(self, collection: StoredCollection | None) -> dict[str, Any]:
        """A new state; of a collection that exists the state is lost."""
        if collection:
            require_columns(collection, self._vectors.columns(), self._config.name, self._config.stores)
        state = {
            "physical": collection.physical if collection else self._first_physical,
            "owner": collection.owner if collection else create_owner(),
            "created": _now(),
            "items": 0,
            "rows": 0,
            "encoder": self._config.encoder.type,
            **self._identity(),
        }
        self._metadata.set_state(**state)
        return state

    def _identity(self) -> dict[str, Any]:
        """What the rows of a collection have in common; none of it can change while they stay."""
        return {
            "signature": self._encoder.signature,
            "fields": dict(self._config.fields),
            "hybrid": self._config.hybrid,
            "bits": "sparse" if self._vectors.uses_sparse_bits else "dense",
        }

    def _compare(self, state: dict[str, Any]) -> None:
        for name, value in self._identity().items():
            if state.get(name) != value:
                what = {"signature": "encoder", "bits": "kind of vectors"}.get(name, name)
                raise StoreMismatchError(
                    f"{self._config.name!r} was built with {what} {state.get(name)!r}; the YAML now says {value!r}",
                    hint="change the YAML back, give the solution a new name, or `vicinal drop` and ingest again",
                )

    def make_searchable(self, written: int = 0) -> int:
        """Make everything searchable: flush, build the index that suits, load. Returns the number of rows.

        A server keeps fresh rows searchable by itself, and flushing often costs it dear; an embedded engine serves from
        its index only what was flushed and then loaded.
        """
        state = self._metadata.state()
        rows = int(state.get("rows", 0))
        wanted = choose_index(self._config.index, self._encoder.space, self._vectors.engine, rows)
        current = self.current_index()
        rebuild = current is None or not self._vectors.describe_index() or self._differs(current, wanted)
        if written and (self._vectors.embedded or (written >= _FLUSH_ROWS and not wanted.is_exact)):
            self._vectors.flush()
        rebuild = rebuild or self._vectors.nlist_too_small(wanted)
        if rebuild or (written and self._vectors.embedded):
            with self._standstill():
                if rebuild:
                    self._vectors.build_index(wanted)
                    self._metadata.set_state(index=asdict(wanted))
                self._vectors.load_collection(reload=True)
        else:
            self._vectors.load_collection(reload=bool(written))
        if written:
            self._metadata.set_state(updated=_now())
        return self._vectors.count_rows() if rebuild or written else rows

    def build(self) -> Index:
        """Build the index anew, as the config says now."""
        self._vectors.flush()
        rows = int(self._metadata.state().get("rows", 0))
        index = choose_index(self._config.index, self._encoder.space, self._vectors.engine, rows)
        with self._standstill():
            self._vectors.build_index(index)
            self._metadata.set_state(index=asdict(index))
            self._vectors.load_collection(reload=True)
        return index

    def current_index(self) -> Index | None:
        """The index as it was built, searched as the config says now."""
        stored = self._metadata.state().get("index")
        if stored is None:
            return None
        same = self._config.index.type in ("auto", stored["type"])
        search = {**stored["search"], **(self._config.index.search if same else {})}
        return Index(**{**stored, "search": search})

    def _differs(self, current: Index, wanted: Index) -> bool:
        """Whether the index must be built anew: another kind, or parameters that the user gave."""
        return (current.engine_type, current.metric) != (wanted.engine_type, wanted.metric) or any(
            current.params.get(name) != wanted.params.get(name) for name in self._config.index.params
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
