"""Sources and observers of ingest runs, and a check of both stores after a run."""

from __future__ import annotations

from vicinal import Item, Source, hookimpl

ROWS = [(f"k{number}", f"text {number}", 1) for number in range(100)]


class ListSource(Source):
    """Yields the entries of a list, or of a generator function."""

    def __init__(self, entries):
        super().__init__()
        self.entries = entries

    def __iter__(self):
        return iter(self.entries() if callable(self.entries) else self.entries)


class Observer:
    """Records the calls of the hooks, and calls `on_first_batch` at the first batch."""

    def __init__(self, on_first_batch=None):
        self.calls = []
        self._on_first_batch = on_first_batch

    @hookimpl
    def ingest_started(self, solution, total):
        self.calls.append(("started", solution, total))

    @hookimpl
    def batch_written(self, solution, new, updated, unchanged):
        self.calls.append(("written", new, updated, unchanged))
        if self._on_first_batch is not None:
            on_first_batch, self._on_first_batch = self._on_first_batch, None
            on_first_batch()

    @hookimpl
    def item_failed(self, solution, failures):
        self.calls.append(("failed", sorted(failure.key for failure in failures)))

    @hookimpl
    def ingest_finished(self, solution, report):
        self.calls.append(("finished", report))


def make_items(count):
    return [Item(f"k{number}", f"text {number}") for number in range(count)]


def assert_consistent(solution, count):
    """Milvus, metadata and ledger hold exactly these items."""
    state = solution.metadata.state()
    found = (state["items"], state["rows"], solution.vectors.count_rows())
    assert found == (count, count, count), found
    assert solution.check().to_dict() == {
        "solution": solution.name, "items": count, "rows": count, "unfinished": 0, "missing_vectors": 0,
        "missing_metadata": 0, "orphan_vectors": 0, "orphan_metadata": 0, "wrong_counts": 0, "repaired": False,
        "consistent": True,
    }  # fmt: skip
