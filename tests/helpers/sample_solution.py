"""A solution of 120 items of one to three segments each, and what ``check`` reports of it."""

from __future__ import annotations

from vicinal.stores.records import Entry
from vicinal.types import item_id

ITEMS = 120


def text_of(number):
    return " ".join(f"w{number}n{part}" for part in range(1 + number % 3))


ROWS = [(f"k{number}", text_of(number), 2000 + number) for number in range(ITEMS)]
SEGMENTS = sum(1 + number % 3 for number in range(ITEMS))
CONSISTENT = {"items": ITEMS, "rows": SEGMENTS, "consistent": True}


def nonzero_findings(report):
    """The values of a check's report that are not zero or false."""
    return {name: value for name, value in report.to_dict().items() if value and name not in ("solution", "repaired")}


def begin_write(solution):
    """Leave an item pending, as a run does that ends between its steps; this is no damage."""
    solution.metadata.begin({}, {item_id("k3"): Entry(Entry.checksum("k3"), bytes(12), 1, 1)})
    return {"unfinished": 1, "consistent": True}, 1
