"""The key `stores` of a solution's YAML: locations of the stores, and secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from minimal_config import MINIMAL_YAML
from vicinal.config import load_config

pytestmark = pytest.mark.usefixtures("no_stores_in_the_environment")

# --- paths and stores


def test_a_relative_path_is_relative_to_the_file(tmp_path, monkeypatch, plugins):
    (tmp_path / "configs").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "configs" / "a.yaml").write_text(MINIMAL_YAML + "stores: {milvus: a.db, redis: ../r}\n")
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = load_config("../configs/a.yaml", plugins)
    assert found.source.params.path == tmp_path / "configs" / "items.txt"
    assert found.stores.milvus == str(tmp_path / "configs" / "a.db")
    assert Path(found.stores.redis).resolve() == tmp_path / "r"


def test_a_tilde_is_the_users_home(config, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    found = config(MINIMAL_YAML.replace("items.txt", "~/items.txt") + "stores: {milvus: ~/a.db, redis: ~/r}\n")
    assert found.source.params.path == Path("/home/ada/items.txt")
    assert (found.stores.milvus, found.stores.redis) == ("/home/ada/a.db", "/home/ada/r")


def test_default_stores_are_embedded_beside_the_file(config, tmp_path):
    stores = config(MINIMAL_YAML).stores
    assert stores.milvus == str(tmp_path / ".vicinal" / "things" / "milvus.db")
    assert stores.redis == str(tmp_path / ".vicinal" / "redis")
    assert (stores.token, stores.timeout) == (None, 5.0)


def test_the_environment_names_the_stores_that_the_file_does_not(config, monkeypatch, tmp_path):
    monkeypatch.setenv("MILVUS_URI", "http://milvus:19530")
    monkeypatch.setenv("REDIS_URL", "redis://redis:6379/0")
    stores = config(MINIMAL_YAML).stores
    assert (stores.milvus, stores.redis) == ("http://milvus:19530", "redis://redis:6379/0")
    stores = config(MINIMAL_YAML + "stores: {milvus: a.db}\n").stores
    assert (stores.milvus, stores.redis) == (str(tmp_path / "a.db"), "redis://redis:6379/0")
    stores = config(MINIMAL_YAML + 'stores: {milvus: "${MILVUS_URI:-b.db}", redis: "${NO_REDIS:-r}"}\n').stores
    assert (stores.milvus, stores.redis) == ("http://milvus:19530", str(tmp_path / "r"))


PATH = "must be a path ending in .db, or a server's URI such as http://HOST:19530 or https://HOST"
URI = "must be a server's URI such as http://HOST:19530 or https://HOST, or a path ending in .db"


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("localhost:19530", f"{PATH}, did you mean http://localhost:19530?"),
        ("milvus.example.com:80", f"{PATH}, did you mean http://milvus.example.com:80?"),
        ("milvus", PATH),
        ("./my", PATH),
        ("my.db/", PATH),
        ("root:hunter2@host:19530", PATH),
        ("http://", URI),
        ("http://:19530", URI),
        ("http://[", URI),
        ("http://host:port", URI),
        ("http://host:99999", URI),
        ("http://ada:hun/ter2@host", URI),
        ("redis://host:6379/0", URI),
        ("file:///tmp/my.db", URI),
    ],
)
def test_milvus_is_a_path_ending_in_db_or_a_servers_uri(problems, monkeypatch, location, reason):
    if "ter2" not in location:  # a secret in the file is another mistake
        assert problems(f"{MINIMAL_YAML}stores:\n  milvus: '{location}'\n") == [f"a.yaml:5:3: stores.milvus: {reason}"]
    monkeypatch.setenv("MILVUS_URI", location)
    assert problems(MINIMAL_YAML) == [f"a.yaml:1:1: stores.milvus: MILVUS_URI {reason}"]


@pytest.mark.parametrize(
    ("location", "resolved"),
    [
        ("my.db", "{folder}/my.db"),
        ("./sub/my.db", "{folder}/sub/my.db"),
        ("/elsewhere/my.db", "/elsewhere/my.db"),
        ("http://milvus:19530", "http://milvus:19530"),
        ("https://in03.example.com", "https://in03.example.com"),
        ("http://[::1]:19530", "http://[::1]:19530"),
        ("tcp://10.0.0.1:19530/db", "tcp://10.0.0.1:19530/db"),
    ],
)
def test_locations_of_milvus(config, monkeypatch, tmp_path, location, resolved):
    resolved = resolved.format(folder=tmp_path)
    assert config(f"{MINIMAL_YAML}stores: {{milvus: '{location}'}}\n").stores.milvus == resolved
    monkeypatch.setenv("MILVUS_URI", location)
    assert config(MINIMAL_YAML).stores.milvus == resolved


def test_the_home_of_an_unknown_user_is_no_folder(problems):
    wrong = "is neither a path nor a valid URI such as redis://host:6379/0"
    assert problems(f"{MINIMAL_YAML}stores:\n  redis: ~nobody-of-this-name/x\n") == [
        f"a.yaml:5:3: stores.redis: {wrong}"
    ]


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
    text = MINIMAL_YAML.replace("{type: hashed}", "\n  type: hashed\n  dimension: ${SIZE}\n  salt: '${SIZE}'")
    params = config(text).encoder.params
    assert (params.dimension, params.salt) == (8, "8")


IN_THE_FILE = "the file contains a secret; write ${NAME} and set that environment variable"


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
        "redis: 'rediss://redis/0?ssl_password=hunter2'",
        "redis: 'redis+sentinel://host,host2/mymaster?sentinel_password=hunter2'",
        "redis: 'redis+cluster://:hunter2@host:7000,host2:7001'",
        "milvus: http://root:hunter2@milvus:19530",
        "milvus: 'http://root:hunter2@['",
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(problems, monkeypatch, store):
    monkeypatch.setenv("SALT", "x")
    monkeypatch.delenv("UNSET", raising=False)
    key = store.partition(":")[0]
    assert problems(f"{MINIMAL_YAML}stores: {{{store}}}\n") == [f"a.yaml:4:10: stores.{key}: {IN_THE_FILE}"]


@pytest.mark.parametrize(
    "store",
    [
        "token: '${SECRET}'",
        "token: 'root:${SECRET}'",
        "token: '${NAME}:${SECRET}'",
        "redis: 'redis://:${SECRET}@redis:6379/0'",
        "redis: 'redis://${NAME}:${SECRET}@redis:6379/0'",
        "redis: '${REDIS:-redis://redis:6379/0}'",
        "milvus: '${URL}'",
    ],
)
def test_a_secret_comes_from_the_environment(config, monkeypatch, store):
    monkeypatch.setenv("SECRET", "hunter2")
    monkeypatch.setenv("NAME", "ada")
    monkeypatch.setenv("URL", "http://root:hunter2@somewhere:1")
    monkeypatch.setenv("REDIS", "redis://:hunter2@somewhere:1")
    found = config(f"{MINIMAL_YAML}stores: {{{store}}}\n").stores
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
        "ingest: {batch_size: '${SECRET}'}\n",
    ],
)
def test_no_message_repeats_what_may_be_a_secret(problems, monkeypatch, text):
    monkeypatch.setenv("SECRET", "hunter2")
    (problem,) = problems(MINIMAL_YAML + text)
    assert problem.startswith("a.yaml:4:")
    assert "hunter2" not in problem
