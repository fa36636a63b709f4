"""Filters before Milvus sees them: the names that they may use, their numbers and divisors, and Milvus' own names."""

from __future__ import annotations

import pytest

from vicinal.errors import FilterError
from vicinal.stores.filter_expression import filter_error, to_milvus_filter

COLUMNS = {"item": "item", "segment": "segment", "year": "year", "label": "label", "text": "vicinal_text"}
HINT = "a filter may use item, segment, year, label, text; more are declared under `fields` in the YAML"


def reason_of(filter):
    with pytest.raises(FilterError) as error:
        to_milvus_filter(filter, COLUMNS)
    assert str(error.value).startswith(f"filter {filter!r}: ")
    assert error.value.hint == HINT
    return str(error.value).removeprefix(f"filter {filter!r}: ")


@pytest.mark.parametrize(
    "filter",
    [
        "year >= 2002 and label == 'cat'",
        "year in [1, 2,3] OR NOT (label like \"a%\" && item != 'k')",
        "segment == 0 || year is not null",
        "label == 'id == 1 and vector' or label == \"it's \\\" id\"",
        "label == 'ähm' and label != ''",
        "text_match(label, 'x') and array_contains(label, 1)",
        "year == -9223372036854775808 or year < 9223372036854775807",
        "year == 0x7fffffffffffffff and year > 1.5e308 and year < .5",
        "year / 2 == 1000 and year % -2 == 1 and year * 0 == 0",
        "year = 5",
        "year >",
        "'open",
        "",
    ],
)
def test_what_only_milvus_can_judge_is_left_to_it(filter):
    assert to_milvus_filter(filter, COLUMNS) == filter


@pytest.mark.parametrize(
    ("filter", "expression"),
    [
        ("text == 'text'", "vicinal_text == 'text'"),
        ("year>1 and(text  in ['a'])", "year>1 and(vicinal_text  in ['a'])"),
        ("text_match(text, 'text')", "text_match(vicinal_text, 'text')"),
    ],
)
def test_a_field_that_is_called_as_an_internal_column_gets_its_own_column(filter, expression):
    assert to_milvus_filter(filter, COLUMNS) == expression


@pytest.mark.parametrize(
    ("filter", "name"),
    [
        ("id == 1", "id"),
        ("vector == 1", "vector"),
        ("ones > 3", "ones"),
        ("year == 1 or text_sparse == 2", "text_sparse"),
        ("year == start", "start"),
        ("$meta['x'] == 1", "$meta"),
        ("vicinal_text == 'x'", "vicinal_text"),
        ("ähm == 1", "ähm"),
        ("year == 1_000", "_000"),
        ("'a' == 'b' or id == 1", "id"),
    ],
)
def test_another_name_is_refused(filter, name):
    assert reason_of(filter).startswith(f"{name} cannot be filtered by")


@pytest.mark.parametrize("filter", ['label = "toys"', "year>1 and label='a == b'", "year=5"])
def test_a_single_equals_sign_is_explained(filter):
    assert filter_error(filter, "cannot parse expression", COLUMNS).hint == f"write == to compare; {HINT}"


@pytest.mark.parametrize("filter", ["year == 'a = b'", "year >= 5 and year != 6 or year <= 4", "year >"])
def test_other_filters_have_no_such_hint(filter):
    assert filter_error(filter, "cannot parse expression", COLUMNS).hint == HINT


def test_the_nearest_name_is_suggested():
    assert reason_of("yeer == 1") == "yeer cannot be filtered by, did you mean year?"
    assert reason_of("YEAR_ == 1") == "YEAR_ cannot be filtered by"


@pytest.mark.parametrize(
    ("filter", "number"),
    [
        ("year == 9223372036854775808", "9223372036854775808"),
        ("year == -9223372036854775809", "9223372036854775809"),
        ("year in [1, 99999999999999999999]", "99999999999999999999"),
        ("year == 0xffffffffffffffff", "0xffffffffffffffff"),
        ("year < 1e999", "1e999"),
        (f"year == {'9' * 5_000}", "9" * 40),
    ],
)
def test_a_number_beyond_64_bits_is_refused(filter, number):
    assert reason_of(filter) == f"{number} has more than 64 bits"


@pytest.mark.parametrize(
    "filter",
    ["year / 0 == 1", "year % 0 == 1", "year / (1 - 1) == 1", "year/-0.0 == 1", "year / segment == 1", "year /"],
)
def test_a_divisor_that_may_be_zero_is_refused(filter):  # fmt: skip
    assert reason_of(filter) == "a divisor must be a number other than 0"


def test_half_of_a_character_is_refused():
    assert reason_of("label == '\ud800'") == "it is not valid Unicode"


def test_nested_parentheses_are_limited():
    assert to_milvus_filter("(" * 100 + "year == 1" + ")" * 100, COLUMNS)
    assert reason_of("(" * 101 + "year == 1" + ")" * 101) == "more than 100 nested parentheses"
    assert to_milvus_filter("(year == 1) or " * 200 + "label == '(((('", COLUMNS)
