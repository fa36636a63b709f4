"""Building a collection's indexes: start the build, wait for it, and detect when the collection has outgrown it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vicinal.errors import StoreError
from vicinal.stores.layout import Schema
from vicinal.stores.milvus_engine import Index
from vicinal.stores.milvus_lite_memory import FLUSH_BYTES
from vicinal.stores.milvus_lite_training import MIN_ROWS_PER_CELL

if TYPE_CHECKING:
    from pymilvus import MilvusClient

__all__ = ["IndexBuilder"]

_CALL_SECONDS = 60.0
_STALLED_SECONDS = 1800.0
"""Without progress. A server counts a segment's rows, up to a gigabyte of them, only once it is indexed as a whole."""


@dataclass(frozen=True, slots=True)
class IndexBuilder:
    """Builds the indexes of the collection of this name. Errors of Milvus' client are not translated here."""

    client: MilvusClient
    collection: str
    schema: Schema
    embedded: bool

    def describe_index(self) -> dict[str, Any]:
        """Milvus' description of the vector index; empty if there is none."""
        if "vector" not in self.client.list_indexes(self.collection):
            return {}
        return dict(self.client.describe_index(self.collection, "vector"))

    def build_index(self, index: Index) -> None:
        """Build the index in place of the current one, and wait until every flushed row is indexed."""
        if self.client.list_indexes(self.collection):
            self.client.release_collection(self.collection)
            for name in self.client.list_indexes(self.collection):
                self.client.drop_index(self.collection, name)
        params = self.client.prepare_index_params()
        params.add_index(
            "vector",
            index_name="vector",
            index_type=index.engine_type,
            metric_type=index.engine_metric,
            # The embedded engine reads parameters only from a nested mapping, which the client would flatten.
            params={"params": self._build_params(index)} if self.embedded else dict(index.params),
        )
        if self.schema.hybrid:
            params.add_index(
                "text_sparse", index_name="text_sparse", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25"
            )
        # An embedded engine builds when it loads. For a server the client would wait, blind to failure and stalling.
        self.client.create_index(self.collection, params, timeout=None if self.embedded else _CALL_SECONDS, sync=False)
        self._wait_until_built()

    def merge_segments(self) -> None:
        """Let a server merge small segments, and wait for it; it merges only what is indexed, so there is an index.

        It does so by itself, too, at a time of its own, and builds the index of what it has merged anew. A merge that
        goes on meanwhile is awaited for a minute.
        """
        if self.embedded:
            return
        deadline = time.monotonic() + _CALL_SECONDS
        while True:
            count = len(self.client.list_persistent_segments(self.collection))
            job = self.client.compact(self.collection)
            while str(self.client.get_compaction_state(job)) not in ("Completed", "3"):
                time.sleep(0.2)
            plans = self.client.get_compaction_plans(job).plans
            if sum(len(plan.sources) for plan in plans) >= count or time.monotonic() > deadline:
                break
            time.sleep(1)
        self._wait_until_built()

    def _build_params(self, index: Index) -> dict[str, Any]:
        """Build parameters for an embedded engine: nlist is at most a segment's rows / 39, as FAISS advises.

        A server caps nlist itself, Milvus Lite does not: with nlist >= rows each row is a cell of its own, and a search
        with nprobe=n returns at most n rows.
        """
        if "nlist" not in index.params:
            return dict(index.params)
        stats = self.client.get_collection_stats(self.collection)
        segment = FLUSH_BYTES // (4 * self.schema.space.dimension)
        cells = max(1, min(int(stats["row_count"]), segment) // MIN_ROWS_PER_CELL)
        return {**index.params, "nlist": min(int(index.params["nlist"]), cells)}

    def nlist_too_small(self, index: Index) -> bool:
        """Whether an embedded IVF index has fewer than half the cells that its rows can train by now."""
        if not self.embedded:
            return False
        built = self.describe_index().get("params", {}).get("nlist")
        return built is not None and self._build_params(index).get("nlist", 0) >= 2 * int(built)

    def _wait_until_built(self) -> None:
        """Wait until a server has built the index of every segment; ``create_index`` returns before that.

        Raises:
            StoreError: the build failed, or made no progress for half an hour: a server retries for ever what it
                cannot build, and may tell the reason only in its log.
        """
        indexed, since = -1, time.monotonic()
        while not self.embedded:
            state = self.client.describe_index(self.collection, "vector")
            if state.get("state") == "Failed":
                raise StoreError(f"Milvus could not build the index: {state.get('index_state_fail_reason') or state}")
            if state.get("pending_index_rows", 0) == 0 and state.get("state") in ("Finished", None):
                return
            if indexed != (indexed := int(state.get("indexed_rows", 0))):
                since = time.monotonic()
            if time.monotonic() - since > _STALLED_SECONDS:
                raise StoreError(
                    f"Milvus made no progress building index {state.get('index_type')} for {_STALLED_SECONDS:g} s"
                    f" ({indexed:,} of {int(state.get('total_rows', 0)):,} rows indexed)",
                    hint="see Milvus' log for the reason; or set another `index: {type: …}` and run `vicinal index`",
                )
            time.sleep(0.2)
