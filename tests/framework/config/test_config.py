"""A solution's YAML: what is accepted, and the error for each mistake."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import encoders
from minimal_config import MINIMAL_YAML
from vicinal.config import check_config, load_config
from vicinal.config.models import FieldSpec, IndexConfig, IngestConfig
from vicinal.errors import ConfigError

pytestmark = pytest.mark.usefixtures("no_stores_in_the_environment")


def test_minimal_solution(config, tmp_path):
    found = config(MINIMAL_YAML)
    assert found.name == "things"
    assert (found.source.type, found.source.params.path) == ("lines", tmp_path / "items.txt")
    assert (found.encoder.type, found.encoder.params.dimension) == ("hashed", 16)
    assert (found.index, found.ingest) == (IndexConfig(), IngestConfig())
    assert (found.fields, found.hybrid, found.rerank) == ({}, False, None)


def test_solution_with_every_key(config):
    found = config(
        MINIMAL_YAML.replace("hashed", "hashed, dimension: 8, salt: x")
        + "index: {type: IVF_SQ8, metric: L2, params: {nlist: 64}, search: {nprobe: 8}}\n"
        "fields: {label: varchar(64), year: int64 = 0}\n"
        "hybrid: true\n"
        "rerank:\n"
        "stores: {milvus: a.db, redis: b, timeout: 2.5}\n"
        "ingest: {max_failures: 1%, workers: 3, batch_size: 100}\n"
    )
    assert (found.encoder.params.dimension, found.encoder.params.salt) == (8, "x")
    assert found.index.params == {"nlist": 64}
    assert (found.index.type, found.index.metric, found.index.search) == ("IVF_SQ8", "L2", {"nprobe": 8})
    assert found.field_specs["year"] == FieldSpec(type="int64", default=0)
    assert (found.hybrid, found.rerank, found.stores.timeout) == (True, None, 2.5)
    assert (found.ingest.max_failures, found.ingest.workers, found.ingest.batch_size) == ("1%", 3, 100)


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
        "a.yaml:1:1: name: must be a letter and up to 62 letters and digits, with a single - or _ between them",
        "a.yaml:3:3: source.type: unknown source 'line' (did you mean 'lines'?); known: folder, lines, molecules,"
        " movielens, table, vectors; `vicinal plugins` lists what is installed",
        "a.yaml:7:3: encoder.dimensions: unknown key, did you mean 'dimension'?",
        "a.yaml:8:21: index.metric: input should be 'COSINE', 'IP', 'L2' or 'JACCARD', not 'COSIN'",
        "a.yaml:10:3: ingest.workers: input should be 'auto' or a valid integer, not 'many'",
    ]


def test_load_config_raises_all_mistakes_at_once(tmp_path, plugins):
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
    assert error.value.hint == "`vicinal schema` prints every key and its values; editors can use it too"


def test_the_error_for_a_renamed_key_names_the_new_one(problems, monkeypatch):
    monkeypatch.setattr(encoders.Hashed.Params, "renamed_keys", {"length": "dimension"})
    monkeypatch.setattr(IngestConfig, "renamed_keys", {"threads": "workers"})
    assert problems(MINIMAL_YAML.replace("hashed", "hashed, length: 8") + "ingest: {threads: 2, worker: 2}\n") == [
        "a.yaml:3:25: encoder.length: renamed to 'dimension'",
        "a.yaml:4:10: ingest.threads: renamed to 'workers'",
        "a.yaml:4:22: ingest.worker: unknown key, did you mean 'workers'?",
    ]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("indx: auto", "a.yaml:4:1: indx: unknown key, did you mean 'index'?"),
        (
            "zzz: 1",
            "a.yaml:4:1: zzz: unknown key; known: encoder, fields, hybrid, index, ingest, match, name, plugins, rerank,"
            " source, stores",
        ),
        ("name: again", "a.yaml:4:1: name: given twice, first on line 1"),
        ("hybrid: yes", "a.yaml:4:1: hybrid: input should be a valid boolean, not 'yes'"),
        ("hybrid: no", "a.yaml:4:1: hybrid: input should be a valid boolean, not 'no'"),
        ("index: [HNSW]", 'a.yaml:4:1: index: input should be an object, not ["HNSW"]'),
        ("index: {typ: HNSW}", "a.yaml:4:9: index.typ: unknown key, did you mean 'type'?"),
        ("index: {params: {M: {a: 1}}}", 'a.yaml:4:18: index.params.M: input should be a valid integer, not {"a":1}'),
        ("ingest:", "a.yaml:4:1: ingest: input should be an object, not null"),
        ("ingest: {workers: '4'}", "a.yaml:4:10: ingest.workers: input should be 'auto' or a valid integer, not '4'"),
        (
            "ingest: {workers: 0}",
            "a.yaml:4:10: ingest.workers: input should be 'auto' or greater than or equal to 1, not 0",
        ),
        ("ingest: {batch_size: 010}", "a.yaml:4:10: ingest.batch_size: input should be a valid integer, not '010'"),
        ("ingest: {batch_size: 10.0}", "a.yaml:4:10: ingest.batch_size: input should be a valid integer, not 10.0"),
        ("ingest: {batch_size: true}", "a.yaml:4:10: ingest.batch_size: input should be a valid integer, not true"),
        ("rerank: 3", "a.yaml:4:1: rerank: must be a block with `type` and parameters: {type: …}"),
        ("rerank: keywords", "a.yaml:4:1: rerank: must be a block with `type` and parameters: {type: keywords}"),
        ("rerank: {window: 5}", "a.yaml:4:1: rerank: needs a `type`, one of: cross_encoder, keywords"),
        ("<<: {name: a}", "a.yaml:4:1: <<: merge keys are not supported; write the keys out"),
        ("---\n" + MINIMAL_YAML, "a.yaml:4:1: a second document begins here; a file holds one solution"),
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
    assert problems(MINIMAL_YAML + more + "\n") == [problem]


def test_error_for_the_former_key_of_the_batch_size_names_the_present_one(problems):
    assert problems(MINIMAL_YAML + "ingest: {batch: 100}\n") == ["a.yaml:4:10: ingest.batch: renamed to 'batch_size'"]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("", "a.yaml:2:1: source: must be a block with `type` and parameters: {type: …}"),
        ("items.txt", "a.yaml:2:1: source: must be a block with `type` and parameters: {type: …}"),
        ("lines", "a.yaml:2:1: source: must be a block with `type` and parameters: {type: lines}"),
        ("[lines]", "a.yaml:2:1: source: must be a block with `type` and parameters: {type: …}"),
        (
            "{path: items.txt}",
            "a.yaml:2:1: source: needs a `type`, one of: folder, lines, molecules, movielens, table, vectors",
        ),
        (
            "{type: , path: x}",
            "a.yaml:2:10: source.type: needs a `type`, one of: folder, lines, molecules, movielens, table, vectors",
        ),
        (
            "{type: 3, path: x}",
            "a.yaml:2:10: source.type: needs a `type`, one of: folder, lines, molecules, movielens, table, vectors",
        ),
        (
            "{type: zzz, path: x}",
            "a.yaml:2:10: source.type: unknown source 'zzz'; known: folder, lines, molecules, movielens, table,"
            " vectors; `vicinal plugins` lists what is installed",
        ),
        ("{type: lines}", "a.yaml:2:1: source.path: is missing"),
        ("{type: lines, path: x, pth: y}", "a.yaml:2:32: source.pth: unknown key, did you mean 'path'?"),
        ("{type: lines, path: x, zzz: y}", "a.yaml:2:32: source.zzz: unknown key; known: encoding, path, type"),
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
    assert problems(MINIMAL_YAML.replace("{type: lines, path: items.txt}", source)) == [problem]


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
    text = f"{MINIMAL_YAML}index: {{params: &p {{a: [1]}}, search: *p}}\n"
    assert [line.split(": ")[:2] for line in problems(text)] == [
        ["a.yaml:4:21", "index.params.a"],
        ["a.yaml:4:21", "index.search.a"],
    ]


@pytest.mark.parametrize(
    "name", ["9things", "my things", "a--b", "-a", "a-", "a.b", "é", "a" * 64, '"a\\n"', "no/", "''"]
)
def test_a_name_is_safe_wherever_it_is_used(problems, name):
    assert problems(MINIMAL_YAML.replace("things", name)) == [
        "a.yaml:1:1: name: must be a letter and up to 62 letters and digits, with a single - or _ between them"
    ]


@pytest.mark.parametrize("name", ["a", "A9", "image-search", "a_b-c", "a" * 63, "no"])
def test_names(config, name):
    assert config(MINIMAL_YAML.replace("things", name)).name == name


def test_a_name_is_a_text(problems):
    assert problems(MINIMAL_YAML.replace("things", "12")) == [
        "a.yaml:1:1: name: input should be a valid string, not 12"
    ]


# --- the file itself


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing yet\n", "null\n", "- a\n", "things\n"])
def test_a_file_without_a_mapping(problems, text):
    assert problems(text) == ["a.yaml:1:1: a solution is a mapping with name, source and encoder"]


def test_a_file_that_is_not_utf_8(problems):
    assert problems(b"name: a\nsource: \xe9t\xe9\n") == ["a.yaml:2:9: not UTF-8: invalid continuation byte at byte 16"]
    assert problems(MINIMAL_YAML.encode("utf-16")) == ["a.yaml:1:1: not UTF-8: invalid start byte at byte 0"]


def test_a_byte_order_mark_and_the_line_ends_of_windows(config, problems):
    text = MINIMAL_YAML.replace("\n", "\r\n").encode("utf-8-sig")
    assert config(text).name == "things"
    assert problems(text + b"zzz: 1\r\n")[0].startswith("a.yaml:4:1: zzz: unknown key")
    assert problems(text.replace(b"name", b"nam"))[0] == "a.yaml:1:1: nam: unknown key, did you mean 'name'?"


def test_missing_file_and_folder_are_config_errors(tmp_path, plugins):
    for path, reason in [(tmp_path / "b.yaml", "No such file or directory"), (tmp_path, "Is a directory")]:
        with pytest.raises(ConfigError) as error:
            load_config(path, plugins)
        assert (str(error.value), error.value.problems) == (f"cannot read {path}: {reason}", ())


# --- any text at all


WORDS = """
name source encoder stores fields index type lines hashed path token - { } [ ] &a *a << ${A} ${A:-b} ${ !!int 1e9 ' " |
# ~ \\ud800 redis://:x@ int64 varchar(4)
"""
FRAGMENTS = st.sampled_from([*WORDS.split(), ": ", "\n", "\n  ", "\t", MINIMAL_YAML])


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


# Settings of plugins


def test_settings_of_plugins_are_checked_by_their_own_classes(config):
    found = config(MINIMAL_YAML + "plugins: {log: {max_failures: 3}}\n")
    assert found.plugins["log"].max_failures == 3


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("plugins: 3", "a.yaml:4:1: plugins: needs a mapping of plugins' names to their settings"),
        ("plugins: {log: 3}", "a.yaml:4:11: plugins.log: needs a mapping of settings"),
        ("plugins: {text: {}}", "a.yaml:4:11: plugins.text: no plugin of this name has settings; those that have: log"),
        (
            "plugins: {log: {max_failure: 3}}",
            "a.yaml:4:17: plugins.log.max_failure: unknown key, did you mean 'max_failures'?",
        ),
        (
            "plugins: {log: {max_failures: -1}}",
            "a.yaml:4:17: plugins.log.max_failures: input should be greater than or equal to 0, not -1",
        ),
    ],
)
def test_a_mistake_in_settings_is_located(problems, more, problem):
    assert problems(MINIMAL_YAML + more + "\n") == [problem]
