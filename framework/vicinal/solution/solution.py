"""The facade: one solution, from its YAML file to search results. The command line and the server use it alone."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vicinal.errors import UnknownItemError
from vicinal.search.typed_query import to_typed_query
from vicinal.solution import removal
from vicinal.solution.consistency import CheckReport, check
from vicinal.solution.generations import (
    describe_previous,
    describe_unfinished,
    finish_replacement,
    iter_new_failures,
)
from vicinal.solution.handover import describe_promotion
from vicinal.solution.learning import adopt_state
from vicinal.solution.promotable import PromotableSolution
from vicinal.stores import redact_url
from vicinal.stores.milvus_engine import Index
from vicinal.stores.records import Record
from vicinal.stores.writer_lock import ReindexLock, WriterLock
from vicinal.types import Failure, IngestReport, Modality, SearchRequest, SearchResult, item_id

__all__ = ["Solution"]


class Solution(PromotableSolution):
    """A solution that is filled and searched. Stores are connected, and models loaded, on first use.

    Use it as a context manager, or call ``close``: an embedded Milvus belongs to one process at a time. Threads may
    share it once it is ``open``: one writes at a time; searches run meanwhile and wait only while an index is built.
    """

    # --- items, and what clients type

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """What it can be searched with; the first is what its items are."""
        return self.encoder.query_modalities

    def search_typed(self, request: SearchRequest) -> SearchResult:
        """Search by what a client typed: query and examples are texts or ``@key``, never the path of a file.

        Raises:
            ItemError: the solution cannot be searched by text.
            ItemError, UnknownItemError, FilterError, VicinalError: as ``search`` does.
        """
        modalities = self.modalities
        query = None if request.query is None else to_typed_query(str(request.query), modalities)
        like, unlike = (
            [to_typed_query(str(example), modalities) for example in examples]
            for examples in (request.like, request.unlike)
        )
        return self.search(
            query,
            request.limit,
            request.filter,
            like=like,
            unlike=unlike,
            min_similarity=request.min_similarity,
            diversity=request.diversity,
        )

    def get_record(self, key: str) -> Record:
        """Return what is stored of an item beside its vectors.

        Raises:
            UnknownItemError: no item has this key.
        """
        return self.read(lambda: self._get_record(key))

    def _get_record(self, key: str) -> Record:
        id_ = item_id(key)
        entry = self.metadata.ledger_entries([id_])[0]
        record = self.metadata.records([id_])[0]
        if entry is None or not entry.matches_key(key) or record is None:
            raise UnknownItemError(f"no item has the key {key[:200]!r}", hint="keys are case-sensitive")
        return record

    # --- checks and removal

    def failures(self) -> list[Failure]:
        """The items that could not be indexed, and why, with those of a reindex that has not ended."""
        self.follow()
        found = {
            failure.key: failure for failure in [*self.metadata.iter_failures(), *iter_new_failures(self.metadata)]
        }
        return [found[key] for key in sorted(found)]

    def status(self) -> dict[str, Any]:
        """Items, rows, failures, encoder, index and stores."""
        self.follow()
        state = self.metadata.state()
        return {
            "solution": self.name,
            "items": state.get("items", 0),
            "rows": state.get("rows", 0),
            "truncated": state.get("truncated", 0),
            "failures": self.metadata.count_failures(),
            "encoder": {"type": self.config.encoder.type, "signature": state.get("signature")},
            "index": state.get("index"),
            "replicas": self._describe_replicas(state),
            "created": state.get("created"),
            "updated": state.get("updated"),
            "generation": self.metadata.generation,
            "reindex": describe_unfinished(self.metadata),
            "previous": describe_previous(self.metadata),
            "promotion": describe_promotion(state),
            "restoring": state.get("restoring"),
            "stores": {
                "milvus": {"location": redact_url(self.config.stores.milvus), "engine": str(self.vectors.engine)},
                "redis": {
                    "location": redact_url(self.config.stores.redis),
                    "version": self.metadata.version(),
                    "masters": self.metadata.masters(),
                },
            },
        }

    def _describe_replicas(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """How many replicas the config asks for, and what Milvus has loaded."""
        wanted = self.vectors.load_config
        collection = self.vectors.of_collection(state["physical"]) if state else None
        loaded = collection.loaded_replicas() if collection is not None and collection.has_collection() else []
        return {
            "wanted": wanted.replicas,
            "resource_groups": list(wanted.resource_groups),
            "loaded": [asdict(replica) for replica in loaded],
        }

    def check(self, *, repair: bool = False) -> CheckReport:
        """Check whether Milvus, metadata and ledger agree; with ``repair``, make them agree."""
        self.follow()
        if not (state := self.metadata.state()) and self._collection.find_collection(state) is None:
            return CheckReport(self.name, repaired=repair)
        with WriterLock(self.metadata):
            self.follow()
            finish_replacement(self.vectors, self.metadata)
            self._collection.ensure()
            self._collection.make_searchable()
            report = check(self.vectors, self.metadata, repair=repair)
            if repair:
                self._collection.make_searchable(report.orphan_vectors)
        return report

    def remove(self, keys: Sequence[str]) -> int:
        """Remove items by key; returns how many.

        Raises:
            UnknownItemError: one of them is not indexed; then none is removed.
        """
        keys = list(dict.fromkeys(keys))
        ids = [item_id(key) for key in keys]
        with self._open_for_writing(brief=True), self._note_writes(ids):
            found = zip(keys, self.metadata.ledger_entries(ids), strict=True)
            known = {key: entry for key, entry in found if entry is not None and entry.matches_key(key)}
            if unknown := [key for key in keys if key not in known]:
                raise UnknownItemError(f"not indexed: {', '.join(unknown[:5])}", hint="keys are case-sensitive")
            entries = {item_id(key): entry for key, entry in known.items()}
            removal.remove_items(self.vectors, self.metadata, entries)
            self._collection.make_searchable(len(keys))
        return len(keys)

    def drop(self) -> int:
        """Remove the collection and everything of it in Redis; returns how many items there were.

        Raises:
            StoreMismatchError: the collection belongs to another solution, or this Milvus has none while another one
                has the vectors; nothing is removed.
        """
        with WriterLock(self.metadata):
            ReindexLock.require_free(self.metadata)
            self.follow()
            return self._drop_everything()

    def build_index(self) -> Index:
        """Rebuild the index as the config says now."""
        with self._open_for_writing():
            return self._collection.build_index()

    def export(self, path: str | Path) -> int:
        """Write every item, its metadata and its vectors to a parquet file; returns how many items."""
        from vicinal.solution.item_export import export_items

        self.read(self._searcher.get)
        return export_items(Path(path), self.encoder, self.vectors, self.metadata)

    def import_(self, path: str | Path) -> IngestReport:
        """Read a file that ``export`` wrote, without encoding anything."""
        from vicinal.solution.item_import import import_items, read_fitted_state

        started = time.perf_counter()
        self.follow()
        if self.encoder.learns and not self.metadata.state().get("items"):
            adopt_state(self.encoder, read_fitted_state(Path(path)), self.metadata)
        with self._open_for_writing() as lock:
            batches = import_items(Path(path), self.encoder, self.config.field_specs, self.metadata)
            report = self._new_run(lock=lock).write_batches(batches)
            report.rows = self._collection.make_searchable(report.new + report.updated)
            self._warn_of_truncation(report)
        report.took(time.perf_counter() - started)
        return report
