"""A solution of a hundred and twenty items of one to three segments each, and what a check finds in it."""

from __future__ import annotations

from vicinal.stores.records import Entry
from vicinal.types import item_id

ITEMS = 120


def text_of(number):
    return " ".join(f"w{number}n{part}" for part in range(1 + number % 3))


ROWS = [(f"k{number}", text_of(number), 2000 + number) for number in range(ITEMS)]
SEGMENTS = sum(1 + number % 3 for number in range(ITEMS))
SOUND = {"items": ITEMS, "rows": SEGMENTS, "consistent": True}


def found(check):
    """What a check found that is not as it should be."""
    return {name: value for name, value in check.to_dict().items() if value and name not in ("solution", "repaired")}


def begin_a_write(things):
    """No damage: a run that ended between its steps."""
    things.metadata.begin({}, {item_id("k3"): Entry(Entry.checksum("k3"), bytes(12), 1, 1)})
    return {"unfinished": 1, "consistent": True}, 1
