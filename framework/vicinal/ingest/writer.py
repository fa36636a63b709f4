"""Writes encoded batches to both stores, in an order from which the next run recovers after any crash."""

from __future__ import annotations

from vicinal.ingest.batch import Batch
from vicinal.ingest.counter import RunCounter
from vicinal.ingest.worker_group import WorkerGroup
from vicinal.stores.milvus import VectorStore
from vicinal.stores.redis import MetadataStore
from vicinal.stores.writer_lock import WriterLock

__all__ = ["BatchWriter"]


class BatchWriter:
    """Writes the batches of one run, while ``lock`` is held where there is one."""

    def __init__(
        self,
        vectors: VectorStore,
        metadata: MetadataStore,
        lock: WriterLock | None,
        counter: RunCounter,
        workers: WorkerGroup,
    ) -> None:
        self._vectors = vectors
        self._metadata = metadata
        self._lock = lock
        self._counter = counter
        self._workers = workers

    def write_batch(self, batch: Batch) -> None:
        """Write metadata and intent, then vectors, then the ledger; each step can be repeated."""
        if self._lock is not None:
            self._lock.check()
        changes = [item.change for item in batch.items]
        records = {item.change.id: item.change.to_record(item.fields) for item in batch.items}
        entries = {
            item.change.id: item.change.to_entry(len(item.segments), truncated=item.is_truncated)
            for item in batch.items
        }
        pending = {change.id: entries[change.id].as_pending(change.previous) for change in changes}
        resolved = self._counter.resolved_failures([change.item.key for change in changes])
        with self._counter.time_stage("write_metadata", len(changes)):
            self._workers.call_with_retry(self._metadata.begin, records, pending)
        with self._counter.time_stage("write_vectors", len(changes)):
            self._workers.call_with_retry(self._vectors.upsert_rows, batch.to_rows(self._vectors))
            self._workers.call_with_retry(self._vectors.delete_rows, batch.stale_row_ids())
        with self._counter.time_stage("commit", len(changes)):
            self._workers.call_with_retry(self._metadata.commit, entries, resolved)
        new = sum(change.is_new for change in changes)
        truncated = sum(entry.counted_truncated for entry in entries.values())
        self._counter.count_written(new, len(changes) - new, truncated)
