"""What an ingest reads, who is told of it, and what must be there after it."""

from __future__ import annotations

from vicinal import Item, Source, hookimpl

ROWS = [(f"k{number}", f"text {number}", 1) for number in range(100)]


class Listed(Source):
    """Items from a list, or from a generator."""

    def __init__(self, things):
        super().__init__()
        self.things = things

    def __iter__(self):
        return iter(self.things() if callable(self.things) else self.things)


class Observer:
    """What the hooks were told, and something to do at the first batch."""

    def __init__(self, then=None):
        self.calls = []
        self._then = then

    @hookimpl
    def ingest_started(self, solution, total):
        self.calls.append(("started", solution, total))

    @hookimpl
    def batch_written(self, solution, new, updated, unchanged):
        self.calls.append(("written", new, updated, unchanged))
        if self._then is not None:
            then, self._then = self._then, None
            then()

    @hookimpl
    def item_failed(self, solution, failures):
        self.calls.append(("failed", sorted(failure.key for failure in failures)))

    @hookimpl
    def ingest_finished(self, solution, report):
        self.calls.append(("finished", report))


def items(count):
    return [Item(f"k{number}", f"text {number}") for number in range(count)]


def assert_exact(things, count):
    """Milvus, metadata and ledger hold exactly these items."""
    state = things.metadata.state()
    assert (state["items"], state["rows"], things.vectors.count()) == (count, count, count)
    assert things.check().to_dict() == {
        "solution": things.name, "items": count, "rows": count, "unfinished": 0, "missing_vectors": 0,
        "missing_metadata": 0, "orphan_vectors": 0, "orphan_metadata": 0, "wrong_counts": 0, "repaired": False,
        "consistent": True,
    }  # fmt: skip
