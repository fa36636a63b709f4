"""What a field's values mean to the colours of a map: categories, or numbers."""

from __future__ import annotations

import pytest

from vicinal import VicinalError
from vicinal.quality.colors import GREY, PALETTE, color_by, find_fields


def rows(field, values):
    return [{field: value} for value in values]


def test_texts_are_categories_the_most_frequent_first():
    found = color_by("topic", [*rows("topic", ["b", "a", "a", "c  d", "", None]), {}])
    assert (found.field, found.kind) == ("topic", "category")
    assert found.values == ["b", "a", "a", "c d", None, None, None]
    assert found.categories == ["a", "b", "c d"]
    assert found.category_colors == {"a": PALETTE[0], "b": PALETTE[1], "c d": PALETTE[2]}


def test_more_categories_than_colours_are_others():
    found = color_by("n", rows("n", [f"c{number:02}" for number in range(20) for _ in range(30 - number)]))
    assert found.categories == [f"c{number:02}" for number in range(12)] + ["others"]
    assert found.category_colors["others"] == GREY
    assert found.values[-1] == "others"


@pytest.mark.parametrize("values", [[1, 2.5, None], [str(year) for year in range(1980, 2000)]])
def test_numbers_are_numbers_though_written_as_texts_where_they_are_many(values):
    found = color_by("n", rows("n", values))
    assert found.kind == "number"
    assert found.values == [None if value is None else float(value) for value in values]


@pytest.mark.parametrize("values", [[True, False], ["1", "2", "1"], [1, "x"], [float("nan"), 1], [[1], [2]]])
def test_what_is_no_number_is_a_category(values):
    assert color_by("n", rows("n", values)).kind == "category"


def test_a_field_that_no_item_has_is_an_error_that_names_the_others():
    with pytest.raises(VicinalError, match="no item on the map has the field 'colour'") as error:
        color_by("colour", [{"year": 1}, {"topic": "a"}])
    assert error.value.hint == "fields: topic, year"


def test_fields_that_tell_nothing_are_left_out():
    metadata = [
        {"year": 2000 + number, "topic": "ab"[number % 2], "name": f"n{number}", "one": "same", "flag": number > 3}
        for number in range(10)
    ]
    assert find_fields(metadata) == {"year": "number", "topic": "category", "flag": "category"}
