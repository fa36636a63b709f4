"""The keys `index`, `ingest` and `fields` of a solution's YAML."""

from __future__ import annotations

import math
import re

import pytest

from minimal_config import MINIMAL_YAML
from vicinal.config.models import FieldSpec, IndexConfig, parse_field

pytestmark = pytest.mark.usefixtures("no_stores_in_the_environment")

# --- index and ingest


@pytest.mark.parametrize("name", ["auto", "HNSW"])
def test_an_index_may_be_just_its_name(config, name):
    assert config(f"{MINIMAL_YAML}index: {name}\n").index == IndexConfig(type=name)


def test_unknown_index_type_is_located(problems):
    (problem,) = problems(MINIMAL_YAML + "index: {type: HNSWW}\n")
    assert re.fullmatch(r"a\.yaml:\d+:9: index\.type: input should be 'auto', .*, not 'HNSWW'", problem)


def test_replicas_and_resource_groups_are_read(config):
    index = config(f"{MINIMAL_YAML}index: {{type: HNSW, replicas: 2, resource_groups: [east, west]}}\n").index
    assert (index.replicas, index.resource_groups) == (2, ["east", "west"])
    assert (IndexConfig().replicas, IndexConfig().resource_groups) == (None, [])
    assert config(f"{MINIMAL_YAML}index: {{replicas: 3, resource_groups: [east]}}\n").index.resource_groups == ["east"]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("replicas: 0", "index.replicas: input should be greater than or equal to 1, not 0"),
        ("replicas: two", "index.replicas: input should be a valid integer, not 'two'"),
        ("resource_groups: east", "index.resource_groups: input should be a valid array, not 'east'"),
        ("resource_groups: ['']", "index.resource_groups.0: string should have at least 1 character, not ''"),
        ("replicas: 2, resource_groups: [a, a]", "index.resource_groups: names one twice"),
        (
            "resource_groups: [a, b]",
            "index.resource_groups: names 2, which needs `replicas: 2`, one for each",
        ),
        (
            "replicas: 3, resource_groups: [a, b]",
            "index.resource_groups: names 2, which needs `replicas: 2`, one for each",
        ),
    ],
)
def test_wrong_replicas_and_resource_groups_are_rejected(problems, block, message):
    (problem,) = problems(f"{MINIMAL_YAML}index: {{{block}}}\n")
    assert problem.split(": ", 1)[1] == message


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("10", 10), ("1%", "1%"), ("'0.5%'", "0.5%"), ("null", None)])
def test_max_failures_is_a_number_or_a_share(config, text, value):
    assert config(f"{MINIMAL_YAML}ingest: {{max_failures: {text}}}\n").ingest.max_failures == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-1", "must be 0 or more items, or a share of those seen such as 1%"),
        ("'10'", "must be a number of items, or a share of those seen such as 1%"),
        ("few", "must be a number of items, or a share of those seen such as 1%"),
        ("-1%", "must be a number of items, or a share of those seen such as 1%"),
        ("1.5", "input should be a valid integer or a valid string, not 1.5"),
        ("true", "input should be a valid integer or a valid string, not true"),
        ("{a: 1}", 'input should be a valid integer or a valid string, not {"a":1}'),
    ],
)
def test_max_failures_that_is_neither_is_rejected(problems, text, message):
    assert problems(f"{MINIMAL_YAML}ingest: {{max_failures: {text}}}\n") == [
        f"a.yaml:4:10: ingest.max_failures: {message}"
    ]


# --- fields


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("bool", FieldSpec(type="bool")),
        ("int32", FieldSpec(type="int32")),
        ("double", FieldSpec(type="double")),
        ("varchar(64)", FieldSpec(type="varchar", length=64)),
        (" int64 ", FieldSpec(type="int64")),
        ("int64 = -1", FieldSpec(type="int64", default=-1)),
        ("int64=0", FieldSpec(type="int64", default=0)),
        ("float = 0.5", FieldSpec(type="float", default=0.5)),
        ("bool = false", FieldSpec(type="bool", default=False)),
        ("varchar(8) = none yet", FieldSpec(type="varchar", length=8, default="none yet")),
        ("varchar(8) = ''", FieldSpec(type="varchar", length=8, default="")),
        ("int64 from yr", FieldSpec(type="int64", metadata_key="yr")),
        ("int64  from  yr =  7", FieldSpec(type="int64", metadata_key="yr", default=7)),
        ("int64 from yr=7", FieldSpec(type="int64", metadata_key="yr", default=7)),
        ("varchar(8) from publication year", FieldSpec(type="varchar", length=8, metadata_key="publication year")),
        ("varchar(8) from from = from x", FieldSpec(type="varchar", length=8, metadata_key="from", default="from x")),
        ("double from 'a = b' = 1", FieldSpec(type="double", metadata_key="a = b", default=1.0)),
        ('double from " a\'s"', FieldSpec(type="double", metadata_key=" a's")),
        ("varchar(8) = x from y", FieldSpec(type="varchar", length=8, default="x from y")),
    ],
)
def test_field_declaration_is_parsed(text, spec):
    assert parse_field(text) == spec


TYPES = (
    "write one of bool, double, float, int32, int64, varchar (varchar with its length, as varchar(64)),"
    " then, where needed, `from NAME` of other metadata, then `= DEFAULT`"
)
LENGTH = "varchar needs a length of 1 to 65535 bytes, as varchar(64); the other types take none"
NAMES = "a field's name is a letter or _ and up to 199 letters, digits and _"


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("a: text", TYPES),
        ("a: VARCHAR(64)", TYPES),
        ("a: varchar(-1)", TYPES),
        ("a: ''", TYPES),
        ("a: int64 from", TYPES),
        ("a: int64 from = 1", TYPES),
        ("a: int64 from 'yr", TYPES),
        ("a: int64from yr", TYPES),
        ("a: int64 = 0 from yr", "its default is not an int64: '0 from yr'; write `from` before `=`"),
        ("a: varchar", LENGTH),
        ("a: varchar(0)", LENGTH),
        ("a: varchar(65536)", LENGTH),
        ("a: int64(8)", LENGTH),
        ("a: int64 = x", "its default is not an int64: 'x'"),
        ("a: 'int64 ='", "its default is not an int64: ''"),
        ("a: int32 = 2147483648", "its default is too large for int32: '2147483648'"),
        ("a: bool = maybe", "its default is not true or false: 'maybe'"),
        ("a: varchar(2) = abc", "its default is 3 bytes long, the field holds 2"),
        ("a: 3", "input should be a valid string, not 3"),
        ("a: {type: int64}", 'input should be a valid string, not {"type":"int64"}'),
        (f"{'a' * 201}: int64", NAMES),
        ("in: int64", "is a word of the filter language; choose another name, such as `in_: … from in`"),
        ("True: int64", "is a word of the filter language; choose another name, such as `True_: … from True`"),
        ("'a b': int64", NAMES),
        ("9a: int64", NAMES),
        ("'a[b]': int64", NAMES),
        ("'': int64", NAMES),
    ],
)
def test_invalid_field_declaration_is_located(problems, field, message):
    name = field.partition(":")[0].strip("'")
    assert problems(f"{MINIMAL_YAML}fields: {{{field}}}\n") == [f"a.yaml:4:10: fields.{name}: {message}"]


def test_a_field_may_be_called_as_an_internal_column(config):
    names = ["id", "item", "segment", "start", "end", "vector", "ones", "text", "text_sparse", "a" * 200]
    found = config(f"{MINIMAL_YAML}fields: {{{', '.join(f'{name}: int64' for name in names)}}}\n")
    assert list(found.field_specs) == names


@pytest.mark.parametrize(
    ("declared", "value", "kept"),
    [
        ("int64", "12", 12),
        ("int64", " 12 ", 12),
        ("int64", 12.0, 12),
        ("int64", "2020.0", 2020),
        ("int64", " 2020.00 ", 2020),
        ("int64", "-1.0", -1),
        ("int64", "2.02e3", 2020),
        ("int64", "9007199254740993.0", 9007199254740993),
        ("int64", "9223372036854775807.0", 2**63 - 1),
        ("int32", "7.0", 7),
        ("int64 = 7", "  ", 7),
        ("bool", "1.0", True),
        ("bool", 0.0, False),
        ("int64", -(2**63), -(2**63)),
        ("int32", "-2147483648", -(2**31)),
        ("double", "1e-3", 0.001),
        ("double", 3, 3.0),
        ("float", "3.4e38", 3.4e38),
        ("bool", "True", True),
        ("bool", 0, False),
        ("bool", False, False),
        ("bool", "no", False),
        ("varchar(4)", "abcd", "abcd"),
        ("varchar(4)", "éé", "éé"),
        ("varchar(4)", 1234, "1234"),
        ("varchar(4)", "", ""),
        ("varchar(4) = x", "", ""),
        ("varchar(4) = x", None, "x"),
        ("int64 = 7", None, 7),
        ("int64 = 7", "", 7),
        ("bool = false", "", False),
    ],
)
def test_value_is_converted_to_its_column(declared, value, kept):
    found = parse_field(declared).coerce(value)
    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("declared", "value", "message"),
    [
        ("int64", None, "has no value, and the field declares no default"),
        ("int64", "", "has no value, and the field declares no default"),
        ("varchar(4)", None, "has no value, and the field declares no default"),
        ("int64", "twelve", "is not an int64: 'twelve'"),
        ("int64", 12.5, "is not an int64: 12.5"),
        ("int64", "2020.5", "is not an int64: '2020.5'"),
        ("int64", "9007199254740993.5", "is not an int64: '9007199254740993.5'"),
        ("int64", "2,020", "is not an int64: '2,020'"),
        ("int64", "inf", "is not an int64: 'inf'"),
        ("int64", "nan", "is not an int64: 'nan'"),
        ("int64", "1e999999999", "is not an int64: '1e999999999'"),
        ("int64", "9223372036854775808.0", "is too large for int64: '9223372036854775808.0'"),
        ("int32", "2147483648.0", "is too large for int32: '2147483648.0'"),
        ("int64", True, "is not an int64: True"),
        ("int64", math.inf, "is not an int64: inf"),
        ("int64", [1], "is not an int64: [1]"),
        ("int64", 2**63, "is too large for int64: 9223372036854775808"),
        ("int32", 2**31, "is too large for int32: 2147483648"),
        ("double", "nan", "is not a double: 'nan'"),
        ("double", "1e999", "is not a double: '1e999'"),
        ("double", True, "is not a double: True"),
        ("float", 1e39, "is too large for float: 1e+39; use double"),
        ("bool", "maybe", "is not true or false: 'maybe'"),
        ("bool", 2, "is not true or false: 2"),
        ("varchar(4)", "ééé", "is 6 bytes long, the field holds 4"),
        ("bool", "x" * 1000, f"is not true or false: '{'x' * 56}…"),
    ],
)
def test_value_that_does_not_fit_its_column_is_rejected(declared, value, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_field(declared).coerce(value)
