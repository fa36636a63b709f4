"""Filters of a solution: fields of any name, from the metadata of its items to its hits."""

from __future__ import annotations

import pytest

from vicinal.errors import FilterError

pytestmark = pytest.mark.long_on_server

NAMES = ["text", "start", "end", "item", "segment", "id", "vector", "ones", "Timestamp"]
SOURCE = "{type: table, path: items.csv, key: key, content: content}"


def test_metadata_called_as_internal_columns_are_fields(workshop):
    lines = [",".join(["key", "content", *NAMES])]
    lines += [",".join([f"k{n}", f"text {n}", *[str(10 * n)] * len(NAMES)]) for n in range(5)]
    (workshop.folder / "items.csv").write_text("\n".join(lines) + "\n")
    fields = ", ".join(f"{name}: int64" for name in NAMES)
    hybrid = str(workshop.embedded).lower()  # the tests' server has no full-text search
    things = workshop.solution("names", source=SOURCE, extra=f"fields: {{{fields}}}\nhybrid: {hybrid}")
    assert things.ingest().new == 5
    for name in NAMES:
        (hit,) = things.search("text 1", limit=5, filter=f"{name} > 10 and {name} < 30")
        assert (hit.key, int(hit.metadata[name])) == ("k2", 20)


def test_the_built_in_names_are_an_items_key_and_the_number_of_a_segment(workshop):
    workshop.write([("a", "one two", 1), ("b", "two three", 2)])
    things = workshop.solution("builtin", encoder="{type: words}")
    things.ingest()
    assert [hit.key for hit in things.search("two", filter="item == 'b'")] == ["b"]
    assert [hit.segment["number"] for hit in things.search("two", filter="segment == 0")] == [0, 0]
    for name in ("id", "start", "end", "vector", "text"):
        with pytest.raises(FilterError, match=f"{name} cannot be filtered by"):
            things.search("two", filter=f"{name} == 1")
