"""The indexes of a collection: built, waited for, and told when their collection has outgrown them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vicinal.errors import StoreError
from vicinal.stores.layout import Schema
from vicinal.stores.milvus_engine import Index
from vicinal.stores.milvus_lite import FLUSH_BYTES

if TYPE_CHECKING:
    from pymilvus import MilvusClient

__all__ = ["IndexBuilder"]

_CALL_SECONDS = 60.0
_STALLED_SECONDS = 1800.0
"""A server indexes segments of up to a gigabyte as a whole, and counts their rows when it has one."""
_ROWS_A_CELL = 39


@dataclass(frozen=True, slots=True)
class IndexBuilder:
    """What is built over the collection that ``alias`` means. Errors of Milvus' client pass as they are."""

    client: MilvusClient
    alias: str
    schema: Schema
    embedded: bool

    def in_use(self) -> dict[str, Any]:
        """What Milvus says of the index of the vectors; empty where there is none."""
        if "vector" not in self.client.list_indexes(self.alias):
            return {}
        return dict(self.client.describe_index(self.alias, "vector"))

    def build(self, index: Index) -> None:
        """Build the index, in place of any other, and wait until it serves every flushed row."""
        if self.client.list_indexes(self.alias):
            self.client.release_collection(self.alias)
            for name in self.client.list_indexes(self.alias):
                self.client.drop_index(self.alias, name)
        params = self.client.prepare_index_params()
        params.add_index(
            "vector",
            index_name="vector",
            index_type=index.engine_type,
            metric_type=index.engine_metric,
            # The embedded engine reads parameters from a nested mapping alone, which the client would flatten.
            params={"params": self._params(index)} if self.embedded else dict(index.params),
        )
        if self.schema.hybrid:
            params.add_index(
                "text_sparse", index_name="text_sparse", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25"
            )
        # An embedded engine builds at loading; for a server the client would wait without asking how it goes.
        self.client.create_index(self.alias, params, timeout=_CALL_SECONDS, sync=False)
        self._wait_until_built()

    def _params(self, index: Index) -> dict[str, Any]:
        """What an embedded engine is told to build: of an IVF index no more cells than a segment has rows to train.

        A server sees to that itself, 39 rows a cell as FAISS advises. Without it each row of a small collection is a
        cell of its own, and a search finds no more rows than it probes.
        """
        if "nlist" not in index.params:
            return dict(index.params)
        stats = self.client.get_collection_stats(self.alias)
        segment = FLUSH_BYTES // (4 * self.schema.space.dimension)
        cells = max(1, min(int(stats["row_count"]), segment) // _ROWS_A_CELL)
        return {**index.params, "nlist": min(int(index.params["nlist"]), cells)}

    def nlist_too_small(self, index: Index) -> bool:
        """Whether an embedded IVF index has fewer than half the cells that its rows could train by now."""
        if not self.embedded:
            return False
        used = self.in_use().get("params", {}).get("nlist")
        return used is not None and self._params(index).get("nlist", 0) >= 2 * int(used)

    def _wait_until_built(self) -> None:
        """``create_index`` returns before a server has built the index of every segment.

        Raises:
            StoreError: it could not be built, or for half an hour no row more was indexed. A server tries again for
                ever what it cannot build, and may say why in its log alone.
        """
        done, since = -1, time.monotonic()
        while not self.embedded:
            state = self.client.describe_index(self.alias, "vector")
            if state.get("state") == "Failed":
                raise StoreError(f"Milvus could not build the index: {state.get('index_state_fail_reason') or state}")
            if state.get("pending_index_rows", 0) == 0 and state.get("state") in ("Finished", None):
                return
            if done != (done := int(state.get("indexed_rows", 0))):
                since = time.monotonic()
            if time.monotonic() - since > _STALLED_SECONDS:
                raise StoreError(
                    f"Milvus does not get on with the index {state.get('index_type')}: for {_STALLED_SECONDS:g} s"
                    f" it has had {done:,} of {int(state.get('total_rows', 0)):,} rows",
                    hint="its log says why; write another `index: {type: …}` and run `vicinal index`",
                )
            time.sleep(0.2)
