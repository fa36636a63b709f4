"""What a solution's YAML may say, and what is said of each mistake in one."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import encoders
from vicinal import create_manager
from vicinal.config import check_config, load_config
from vicinal.config.models import FieldSpec, IndexConfig, IngestConfig, parse_field
from vicinal.errors import ConfigError

GOOD = """\
name: things
source: {type: lines, path: items.txt}
encoder: {type: hashed}
"""


@pytest.fixture(scope="module")
def plugins():
    made = create_manager()
    made.register(encoders, "tests")
    return made


@pytest.fixture(autouse=True)
def no_stores_in_the_environment(monkeypatch):
    monkeypatch.delenv("MILVUS_URI", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)


@pytest.fixture
def check(tmp_path, monkeypatch, plugins):
    """Checks a text as ``a.yaml``; gives its config and its problems."""
    monkeypatch.chdir(tmp_path)

    def check(text):
        Path("a.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return check_config("a.yaml", plugins)

    return check


@pytest.fixture
def config(check):
    def config(text):
        found, problems = check(text)
        assert problems == []
        return found

    return config


@pytest.fixture
def problems(check):
    def problems(text):
        found, problems = check(text)
        assert found is None
        return problems

    return problems


def test_the_least_that_a_solution_says(config, tmp_path):
    found = config(GOOD)
    assert found.name == "things"
    assert (found.source.type, found.source.params.path) == ("lines", tmp_path / "items.txt")
    assert (found.encoder.type, found.encoder.params.dimension) == ("hashed", 16)
    assert (found.index, found.ingest) == (IndexConfig(), IngestConfig())
    assert (found.fields, found.hybrid, found.rerank) == ({}, False, None)


def test_all_that_a_solution_says(config):
    found = config(
        GOOD.replace("hashed", "hashed, dimension: 8, salt: x")
        + "index: {type: IVF_SQ8, metric: L2, params: {nlist: 64, x: 0.5, y: a, z: true}, search: {nprobe: 8}}\n"
        "fields: {label: varchar(64), year: int64 = 0}\n"
        "hybrid: true\n"
        "rerank:\n"
        "stores: {milvus: a.db, redis: b, timeout: 2.5}\n"
        "ingest: {max_failures: 1%, workers: 3, batch: 100}\n"
    )
    assert (found.encoder.params.dimension, found.encoder.params.salt) == (8, "x")
    assert found.index.params == {"nlist": 64, "x": 0.5, "y": "a", "z": True}
    assert (found.index.type, found.index.metric, found.index.search) == ("IVF_SQ8", "L2", {"nprobe": 8})
    assert found.field_specs["year"] == FieldSpec(type="int64", default=0)
    assert (found.hybrid, found.rerank, found.stores.timeout) == (True, None, 2.5)
    assert (found.ingest.max_failures, found.ingest.workers, found.ingest.batch) == ("1%", 3, 100)


# --- mistakes


def test_five_mistakes_are_five_located_lines(problems):
    text = """\
name: my things
source:
  type: line
  path: items.txt
encoder:
  type: hashed
  dimensions: 8
index: {type: HNSW, metric: COSIN}
ingest:
  workers: many
"""
    assert problems(text) == [
        "a.yaml:1:1: name: a name is a letter and up to 62 letters and digits, with a single - or _ between them",
        "a.yaml:3:3: source.type: unknown source 'line' (did you mean 'lines'?); known: folder, lines, table; "
        "`vicinal plugins` lists what is installed",
        "a.yaml:7:3: encoder.dimensions: unknown key, did you mean 'dimension'?",
        "a.yaml:8:21: index.metric: input should be 'COSINE', 'IP', 'L2' or 'JACCARD', not 'COSIN'",
        "a.yaml:10:3: ingest.workers: input should be 'auto' or a valid integer, not 'many'",
    ]


def test_load_config_raises_them_all_at_once(tmp_path, plugins):
    file = tmp_path / "a.yaml"
    file.write_text("nam: things\nsource: {type: lines, path: items.txt}\n")
    with pytest.raises(ConfigError) as error:
        load_config(file, plugins)
    assert error.value.problems == (
        f"{file}:1:1: encoder: is missing",
        f"{file}:1:1: nam: unknown key, did you mean 'name'?",
        f"{file}:1:1: name: is missing",
    )
    assert str(error.value) == "\n".join([f"{file} has 3 mistakes", *error.value.problems])
    assert error.value.hint == "`vicinal schema` prints what a file may say; editors read it too"


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("indx: auto", "a.yaml:4:1: indx: unknown key, did you mean 'index'?"),
        (
            "zzz: 1",
            "a.yaml:4:1: zzz: unknown key; known: encoder, fields, hybrid, index, ingest, name, rerank, source, stores",
        ),
        ("name: again", "a.yaml:4:1: name: given twice, first on line 1"),
        ("hybrid: yes", "a.yaml:4:1: hybrid: input should be a valid boolean, not 'yes'"),
        ("hybrid: no", "a.yaml:4:1: hybrid: input should be a valid boolean, not 'no'"),
        ("index: [HNSW]", 'a.yaml:4:1: index: input should be an object, not ["HNSW"]'),
        ("index: {typ: HNSW}", "a.yaml:4:9: index.typ: unknown key, did you mean 'type'?"),
        (
            "index: {params: {M: {a: 1}}}",
            "a.yaml:4:18: index.params.M: input should be a valid integer or a valid number or a valid string or "
            'a valid boolean, not {"a":1}',
        ),
        ("ingest:", "a.yaml:4:1: ingest: input should be an object, not null"),
        ("ingest: {workers: '4'}", "a.yaml:4:10: ingest.workers: input should be 'auto' or a valid integer, not '4'"),
        (
            "ingest: {workers: 0}",
            "a.yaml:4:10: ingest.workers: input should be 'auto' or greater than or equal to 1, not 0",
        ),
        ("ingest: {batch: 010}", "a.yaml:4:10: ingest.batch: input should be a valid integer, not '010'"),
        ("ingest: {batch: 10.0}", "a.yaml:4:10: ingest.batch: input should be a valid integer, not 10.0"),
        ("ingest: {batch: true}", "a.yaml:4:10: ingest.batch: input should be a valid integer, not true"),
        ("rerank: 3", "a.yaml:4:1: rerank: needs a block of `type` and parameters, as {type: …}"),
        ("rerank: keywords", "a.yaml:4:1: rerank: needs a block of `type` and parameters, as {type: keywords}"),
        ("rerank: {window: 5}", "a.yaml:4:1: rerank: needs a `type`: one of keywords"),
        ("<<: {name: a}", "a.yaml:4:1: <<: merge keys are not read; write the keys out"),
        ("---\n" + GOOD, "a.yaml:4:1: a second document begins here; a file holds one solution"),
        (
            "\tindex: auto",
            "a.yaml:4:1: not YAML: while scanning for the next token, "
            "found character '\\t' that cannot start any token",
        ),
        (
            f"fields: {[[7] * 50]}",
            f"a.yaml:4:1: fields: input should be an object, not [[{'7,' * 37}7…",
        ),
    ],
)
def test_a_mistake_is_located_and_explained(problems, more, problem):
    assert problems(GOOD + more + "\n") == [problem]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("", "a.yaml:2:1: source: needs a block of `type` and parameters, as {type: …}"),
        ("items.txt", "a.yaml:2:1: source: needs a block of `type` and parameters, as {type: …}"),
        ("lines", "a.yaml:2:1: source: needs a block of `type` and parameters, as {type: lines}"),
        ("[lines]", "a.yaml:2:1: source: needs a block of `type` and parameters, as {type: …}"),
        ("{path: items.txt}", "a.yaml:2:1: source: needs a `type`: one of folder, lines, table"),
        ("{type: , path: x}", "a.yaml:2:10: source.type: needs a `type`: one of folder, lines, table"),
        ("{type: 3, path: x}", "a.yaml:2:10: source.type: needs a `type`: one of folder, lines, table"),
        (
            "{type: zzz, path: x}",
            "a.yaml:2:10: source.type: unknown source 'zzz'; known: folder, lines, table; "
            "`vicinal plugins` lists what is installed",
        ),
        ("{type: lines}", "a.yaml:2:1: source.path: is missing"),
        ("{type: lines, path: x, pth: y}", "a.yaml:2:32: source.pth: unknown key, did you mean 'path'?"),
        ("{type: lines, path: x, zzz: y}", "a.yaml:2:32: source.zzz: unknown key; known: path, type"),
        ("{type: lines, path: [x]}", 'a.yaml:2:23: source.path: input should be a valid string, not ["x"]'),
        (
            "{type: folder, path: x, include: [a, 3]}",
            "a.yaml:2:46: source.include.1: input should be a valid string, not 3",
        ),
        (
            "{type: folder, path: x, include: ['[z-a]']}",
            "a.yaml:2:43: source.include.0: '[z-a]' is not a glob: bad character range z-a",
        ),
        ("&s {type: lines, path: *s}", "a.yaml:2:26: source.path: an alias that contains itself"),
    ],
)
def test_a_block_names_a_plugin_and_its_parameters(problems, source, problem):
    assert problems(GOOD.replace("{type: lines, path: items.txt}", source)) == [problem]


def test_a_mistake_in_one_block_does_not_hide_those_in_another(problems):
    text = "name: things\nsource: {type: lines}\nencoder: {type: hashed, dimension: x}\nhybrid: 1\nzzz: 2\n"
    assert [line.split(":")[3].strip() for line in problems(text)] == [
        "source.path",
        "encoder.dimension",
        "hybrid",
        "zzz",
    ]


def test_a_block_behind_an_alias_is_read_and_its_mistakes_stand_at_the_anchor(config, problems):
    text = "name: things\nsource: {type: lines, path: &p items.txt}\nencoder: {type: hashed, salt: *p}\n"
    assert config(text).encoder.params.salt == "items.txt"
    text = f"{GOOD}index: {{params: &p {{a: [1]}}, search: *p}}\n"
    assert [line.split(": ")[:2] for line in problems(text)] == [
        ["a.yaml:4:21", "index.params.a"],
        ["a.yaml:4:21", "index.search.a"],
    ]


@pytest.mark.parametrize(
    "name", ["9things", "my things", "a--b", "-a", "a-", "a.b", "é", "a" * 64, '"a\\n"', "no/", "''"]
)
def test_a_name_is_safe_wherever_it_is_used(problems, name):
    assert problems(GOOD.replace("things", name)) == [
        "a.yaml:1:1: name: a name is a letter and up to 62 letters and digits, with a single - or _ between them"
    ]


@pytest.mark.parametrize("name", ["a", "A9", "image-search", "a_b-c", "a" * 63, "no"])
def test_names(config, name):
    assert config(GOOD.replace("things", name)).name == name


def test_a_name_is_a_text(problems):
    assert problems(GOOD.replace("things", "12")) == ["a.yaml:1:1: name: input should be a valid string, not 12"]


# --- the file itself


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing yet\n", "null\n", "- a\n", "things\n"])
def test_a_file_without_a_mapping(problems, text):
    assert problems(text) == ["a.yaml:1:1: a solution is a mapping with name, source and encoder"]


def test_a_file_that_is_not_utf_8(problems):
    assert problems(b"name: a\nsource: \xe9t\xe9\n") == ["a.yaml:2:9: not UTF-8: invalid continuation byte at byte 16"]
    assert problems(GOOD.encode("utf-16")) == ["a.yaml:1:1: not UTF-8: invalid start byte at byte 0"]


def test_a_byte_order_mark_and_the_line_ends_of_windows(config, problems):
    text = GOOD.replace("\n", "\r\n").encode("utf-8-sig")
    assert config(text).name == "things"
    assert problems(text + b"zzz: 1\r\n")[0].startswith("a.yaml:4:1: zzz: unknown key")
    assert problems(text.replace(b"name", b"nam"))[0] == "a.yaml:1:1: nam: unknown key, did you mean 'name'?"


def test_a_file_that_is_not_there_or_is_none(tmp_path, plugins):
    for path, reason in [(tmp_path / "b.yaml", "No such file or directory"), (tmp_path, "Is a directory")]:
        with pytest.raises(ConfigError) as error:
            load_config(path, plugins)
        assert (str(error.value), error.value.problems) == (f"cannot read {path}: {reason}", ())


# --- paths and stores


def test_a_relative_path_is_relative_to_the_file(tmp_path, monkeypatch, plugins):
    (tmp_path / "configs").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "configs" / "a.yaml").write_text(GOOD + "stores: {milvus: a.db, redis: ../r}\n")
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = load_config("../configs/a.yaml", plugins)
    assert found.source.params.path == tmp_path / "configs" / "items.txt"
    assert found.stores.milvus == str(tmp_path / "configs" / "a.db")
    assert Path(found.stores.redis).resolve() == tmp_path / "r"


def test_a_tilde_is_the_users_home(config, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    found = config(GOOD.replace("items.txt", "~/items.txt") + "stores: {milvus: ~/a.db, redis: ~/r}\n")
    assert found.source.params.path == Path("/home/ada/items.txt")
    assert (found.stores.milvus, found.stores.redis) == ("/home/ada/a.db", "/home/ada/r")


def test_without_a_word_on_stores_they_are_embedded_beside_the_file(config, tmp_path):
    stores = config(GOOD).stores
    assert stores.milvus == str(tmp_path / ".vicinal" / "things" / "milvus.db")
    assert stores.redis == str(tmp_path / ".vicinal" / "redis")
    assert (stores.token, stores.timeout) == (None, 5.0)


def test_the_environment_names_the_stores_that_the_file_does_not(config, monkeypatch, tmp_path):
    monkeypatch.setenv("MILVUS_URI", "http://milvus:19530")
    monkeypatch.setenv("REDIS_URL", "redis://redis:6379/0")
    stores = config(GOOD).stores
    assert (stores.milvus, stores.redis) == ("http://milvus:19530", "redis://redis:6379/0")
    stores = config(GOOD + "stores: {milvus: a.db}\n").stores
    assert (stores.milvus, stores.redis) == (str(tmp_path / "a.db"), "redis://redis:6379/0")
    stores = config(GOOD + 'stores: {milvus: "${MILVUS_URI:-b.db}", redis: "${NO_REDIS:-r}"}\n').stores
    assert (stores.milvus, stores.redis) == ("http://milvus:19530", str(tmp_path / "r"))


@pytest.mark.parametrize(
    "where", ["http://[", "http://host:port", "http://ada:hun/ter2@host", "~nobody-of-this-name/x"]
)
def test_a_store_is_a_path_or_a_uri(problems, monkeypatch, where):
    wrong = "neither a path nor a URI that can be read, as"
    assert problems(f"{GOOD}stores:\n  redis: '{where}'\n") == [
        f"a.yaml:5:3: stores.redis: {wrong} redis://host:6379/0"
    ]
    monkeypatch.setenv("MILVUS_URI", where)
    assert problems(GOOD) == [f"a.yaml:1:1: stores.milvus: {wrong} http://host:19530"]


# --- the environment and secrets


def test_an_unset_variable_is_a_problem_and_no_other_one_follows_from_it(problems, monkeypatch):
    monkeypatch.delenv("UNSET", raising=False)
    text = "name: ${UNSET}\nsource: {type: '${UNSET}', path: x}\nencoder:\n  type: hashed\n  dimension: ${UNSET}\n"
    assert problems(text) == [
        "a.yaml:1:1: name: the environment variable UNSET is not set",
        "a.yaml:2:10: source.type: the environment variable UNSET is not set",
        "a.yaml:5:3: encoder.dimension: the environment variable UNSET is not set",
    ]


def test_a_variable_has_the_type_that_it_looks_like(config, monkeypatch):
    monkeypatch.setenv("SIZE", "8")
    text = GOOD.replace("{type: hashed}", "\n  type: hashed\n  dimension: ${SIZE}\n  salt: '${SIZE}'")
    params = config(text).encoder.params
    assert (params.dimension, params.salt) == (8, "8")


IN_THE_FILE = "a secret stands in the file; write it as ${NAME} and set that variable"


@pytest.mark.parametrize(
    "store",
    [
        "token: hunter2",
        "token: root:hunter2",
        "token: 'root:hunter2${SALT}'",
        "token: '${UNSET:-hunter2}'",
        "redis: redis://:hunter2@redis:6379/0",
        "redis: 'redis://:hunter2${SALT}@redis:6379/0'",
        "redis: '${UNSET:-redis://ada:hunter2@redis}'",
        "redis: 'redis://redis/0?password=hunter2'",
        "milvus: http://root:hunter2@milvus:19530",
        "milvus: 'http://root:hunter2@['",
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(problems, monkeypatch, store):
    monkeypatch.setenv("SALT", "x")
    monkeypatch.delenv("UNSET", raising=False)
    key = store.partition(":")[0]
    assert problems(f"{GOOD}stores: {{{store}}}\n") == [f"a.yaml:4:10: stores.{key}: {IN_THE_FILE}"]


@pytest.mark.parametrize(
    "store",
    [
        "token: '${SECRET}'",
        "token: 'root:${SECRET}'",
        "token: '${NAME}:${SECRET}'",
        "redis: 'redis://:${SECRET}@redis:6379/0'",
        "redis: 'redis://${NAME}:${SECRET}@redis:6379/0'",
        "redis: '${URL:-redis://redis:6379/0}'",
        "milvus: '${URL}'",
    ],
)
def test_a_secret_comes_from_the_environment(config, monkeypatch, store):
    monkeypatch.setenv("SECRET", "hunter2")
    monkeypatch.setenv("NAME", "ada")
    monkeypatch.setenv("URL", "http://root:hunter2@somewhere:1")
    found = config(f"{GOOD}stores: {{{store}}}\n").stores
    assert "hunter2" in getattr(found, store.partition(":")[0])


@pytest.mark.parametrize(
    "text",
    [
        "stores: http://root:hunter2@milvus\n",
        "stores: [hunter2]\n",
        "stores: {tokn: hunter2}\n",
        "stores: {token: [hunter2]}\n",
        "stores: {token: {a: hunter2}}\n",
        "stores: {timeout: hunter2}\n",
        "stores: {redis: ['${SECRET}']}\n",
        "store: {token: hunter2}\n",
        "hybrid: ${SECRET}\n",
        "index: ['${SECRET}']\n",
        "index: {metric: '${SECRET}'}\n",
        "ingest: {batch: '${SECRET}'}\n",
    ],
)
def test_no_message_repeats_what_may_be_a_secret(problems, monkeypatch, text):
    monkeypatch.setenv("SECRET", "hunter2")
    (problem,) = problems(GOOD + text)
    assert problem.startswith("a.yaml:4:")
    assert "hunter2" not in problem


# --- index and ingest


@pytest.mark.parametrize("name", ["auto", "HNSW"])
def test_an_index_may_be_just_its_name(config, name):
    assert config(f"{GOOD}index: {name}\n").index == IndexConfig(type=name)


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("10", 10), ("1%", "1%"), ("'0.5%'", "0.5%"), ("null", None)])
def test_a_budget_of_failures_is_a_number_or_a_share(config, text, value):
    assert config(f"{GOOD}ingest: {{max_failures: {text}}}\n").ingest.max_failures == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-1", "write 0 or more items, or a share of those seen as 1%"),
        ("'10'", "write a number of items, or a share of those seen as 1%"),
        ("few", "write a number of items, or a share of those seen as 1%"),
        ("-1%", "write a number of items, or a share of those seen as 1%"),
        ("1.5", "input should be a valid integer or a valid string, not 1.5"),
        ("true", "input should be a valid integer or a valid string, not true"),
        ("{a: 1}", 'input should be a valid integer or a valid string, not {"a":1}'),
    ],
)
def test_a_budget_that_is_neither(problems, text, message):
    assert problems(f"{GOOD}ingest: {{max_failures: {text}}}\n") == [f"a.yaml:4:10: ingest.max_failures: {message}"]


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
    ],
)
def test_a_field_is_declared(text, spec):
    assert parse_field(text) == spec


TYPES = "write one of bool, double, float, int32, int64, varchar (varchar with its length, as varchar(64))"
LENGTH = "varchar needs a length of 1 to 65535 bytes, as varchar(64); the other types take none"
NAMES = (
    "a field's name is letters, digits and _, and none of "
    "end, id, item, ones, segment, start, text, text_sparse, vector"
)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("a: text", TYPES),
        ("a: VARCHAR(64)", TYPES),
        ("a: varchar(-1)", TYPES),
        ("a: ''", TYPES),
        ("a: varchar", LENGTH),
        ("a: varchar(0)", LENGTH),
        ("a: varchar(65536)", LENGTH),
        ("a: int64(8)", LENGTH),
        ("a: int64 = x", "its default is no int64: 'x'"),
        ("a: 'int64 ='", "its default is no int64: ''"),
        ("a: int32 = 2147483648", "its default is too large for int32: '2147483648'"),
        ("a: bool = maybe", "its default is not true or false: 'maybe'"),
        ("a: varchar(2) = abc", "its default is 3 bytes long, the field holds 2"),
        ("a: 3", "input should be a valid string, not 3"),
        ("a: {type: int64}", 'input should be a valid string, not {"type":"int64"}'),
        ("id: int64", NAMES),
        ("'a b': int64", NAMES),
        ("9a: int64", NAMES),
        ("'a[b]': int64", NAMES),
        ("'': int64", NAMES),
    ],
)
def test_a_field_that_cannot_be(problems, field, message):
    name = field.partition(":")[0].strip("'")
    assert problems(f"{GOOD}fields: {{{field}}}\n") == [f"a.yaml:4:10: fields.{name}: {message}"]


@pytest.mark.parametrize(
    ("declared", "value", "kept"),
    [
        ("int64", "12", 12),
        ("int64", " 12 ", 12),
        ("int64", 12.0, 12),
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
def test_a_value_becomes_what_its_column_holds(declared, value, kept):
    found = parse_field(declared).coerce(value)
    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("declared", "value", "message"),
    [
        ("int64", None, "has no value, and the field declares no default"),
        ("int64", "", "has no value, and the field declares no default"),
        ("varchar(4)", None, "has no value, and the field declares no default"),
        ("int64", "twelve", "is no int64: 'twelve'"),
        ("int64", 12.5, "is no int64: 12.5"),
        ("int64", True, "is no int64: True"),
        ("int64", math.inf, "is no int64: inf"),
        ("int64", [1], "is no int64: [1]"),
        ("int64", 2**63, "is too large for int64: 9223372036854775808"),
        ("int32", 2**31, "is too large for int32: 2147483648"),
        ("double", "nan", "is no double: 'nan'"),
        ("double", "1e999", "is no double: '1e999'"),
        ("double", True, "is no double: True"),
        ("float", 1e39, "is too large for float: 1e+39; use double"),
        ("bool", "maybe", "is not true or false: 'maybe'"),
        ("bool", 2, "is not true or false: 2"),
        ("varchar(4)", "ééé", "is 6 bytes long, the field holds 4"),
        ("bool", "x" * 1000, f"is not true or false: '{'x' * 56}…"),
    ],
)
def test_a_value_that_its_column_cannot_hold(declared, value, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_field(declared).coerce(value)


# --- any text at all


WORDS = """
name source encoder stores fields index type lines hashed path token - { } [ ] &a *a << ${A} ${A:-b} ${ !!int 1e9 ' " |
# ~ \\ud800 redis://:x@ int64 varchar(4)
"""
FRAGMENTS = st.sampled_from([*WORDS.split(), ": ", "\n", "\n  ", "\t", GOOD])


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(), st.lists(FRAGMENTS | st.text(max_size=3), max_size=25).map("".join), st.binary()))
def test_any_text_is_a_config_or_has_problems(tmp_path, plugins, text):
    file = tmp_path / "any.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode(errors="surrogatepass"))
    config, problems = check_config(file, plugins)
    assert (config is None) == bool(problems)
    assert all(line.startswith(f"{file}:") and "\n" not in line for line in problems)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.sampled_from(["source", "encoder", "index", "fields", "hybrid", "rerank", "stores", "ingest", "name"]),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["type", "path", "params", "token", "milvus", "batch", "a"]) | st.text(max_size=4),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    ),
)
def test_any_value_of_any_key_is_a_config_or_has_problems(tmp_path, plugins, key, value):
    file = tmp_path / "any.yaml"
    solution = {"name": "a", "source": {"type": "lines", "path": "x"}, "encoder": {"type": "hashed"}, key: value}
    file.write_text(json.dumps(solution))
    config, problems = check_config(file, plugins)
    assert (config is None) == bool(problems)
    assert all(line.startswith(f"{file}:1:") and "\n" not in line for line in problems)


def test_an_index_that_no_engine_knows_is_located(problems):
    (problem,) = problems(GOOD + "index: {type: HNSWW}\n")
    assert re.fullmatch(r"a\.yaml:\d+:9: index\.type: input should be 'auto', .*, not 'HNSWW'", problem)
