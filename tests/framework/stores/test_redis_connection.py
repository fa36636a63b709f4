"""A connection to a Redis by its URL."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import pytest

from proxy import Proxy
from redis_helpers import index_item, make_entry, make_record, read_counts
from redis_servers import SERVERS, RunningRedis, name_of
from servers import free_port
from vicinal.errors import StoreError, StoreUnreachableError
from vicinal.stores.redis import MetadataStore
from vicinal.types import Failure


def test_a_url_of_each_form_reaches_the_same_data(tmp_path):
    with MetadataStore("shared", str(tmp_path / "redis")) as store:
        store.set_state(by="me")
        path = store.client.config_get("unixsocket")["unixsocket"]
        with MetadataStore("shared", f"unix://{path}") as same, MetadataStore("shared", f"unix://{path}?db=1") as other:
            assert (same.state(), other.state()) == ({"by": "me"}, {})


@pytest.mark.parametrize("url", ["http://127.0.0.1:6379", "redis//x://", "redis://127.0.0.1:port/0"])
def test_an_invalid_redis_url_is_an_error(url):
    with pytest.raises(StoreUnreachableError, match=f"^Redis location {url} must "):
        MetadataStore("shared", url)


def test_an_invalid_redis_url_is_reported_without_its_password():
    for url in (
        "redis://:hun/ter2@host/0",
        "redis://:hun?ter2@host",
        "http://ada:hunter2@host",
        "ada:hunter2@host:6379",
    ):
        with pytest.raises(StoreUnreachableError) as error:
            MetadataStore("shared", url)
        assert "ter2" not in str(error.value) + error.value.hint


def test_a_closed_port_is_reported_at_once_and_without_the_password():
    port = free_port()
    started = time.monotonic()
    with pytest.raises(StoreUnreachableError, match=f"127.0.0.1:{port}/0 does not respond") as error:
        MetadataStore("shared", f"redis://me:secret@127.0.0.1:{port}/0")
    assert time.monotonic() - started < 2
    assert "secret" not in str(error.value)
    assert error.value.hint.startswith("start it, or set REDIS_URL")


def test_every_call_reports_an_unreachable_server(redis_url, tmp_path):
    with (
        Proxy(urlsplit(redis_url).port) as proxy,
        MetadataStore(tmp_path.name, f"redis://127.0.0.1:{proxy.port}") as far,
    ):
        index_item(far, "a", 1)
        proxy.disconnect()
        calls = [
            lambda: far.ledger_entries([1]),
            lambda: far.records([1]),
            lambda: far.begin({1: make_record("a")}, {}),
            lambda: far.commit({1: make_entry("a", 1)}),
            lambda: far.delete([1]),
            lambda: far.mark_pending({1: make_entry("a", 1)}),
            lambda: list(far.iter_ledger()),
            lambda: list(far.iter_records()),
            lambda: far.drop_metadata([1]),
            lambda: far.add_failures([Failure("a", "read", "x")]),
            lambda: list(far.iter_failures()),
            lambda: far.list_failures(1),
            far.count_failures,
            lambda: far.clear_failures(["a"]),
            far.state,
            lambda: far.set_state(a=1),
            far.drop,
            far.used_bytes,
            far.version,
        ]
        for call in calls:
            with pytest.raises(StoreUnreachableError, match="does not respond"):
                call()
        proxy.restore()
        assert read_counts(far) == (1, 1)
        far.drop()


@pytest.fixture
def start_redis(tmp_path):
    """Starts a Redis server on a free port with more arguments; gives its port."""
    servers = []

    def start_redis(*options, server=None):
        servers.append(RunningRedis(tmp_path, *options, server=server))
        return servers[-1].port

    yield start_redis
    for server in servers:
        server.end()


def test_a_wrong_password_is_refused_not_unreachable(start_redis):
    port = start_redis("--requirepass", "right")
    with MetadataStore("shared", f"redis://:right@127.0.0.1:{port}") as store:
        assert store.version().split(".")[0].isdigit()
    for url, reason in (
        (f"redis://:wrong@127.0.0.1:{port}", "invalid username-password pair"),
        (f"redis://127.0.0.1:{port}", "it wants a password, and got none"),
    ):
        with pytest.raises(StoreError, match=f"127.0.0.1:{port} refused: {reason}") as error:
            MetadataStore("shared", url)
        assert not isinstance(error.value, StoreUnreachableError)
        assert "wrong@" not in str(error.value)
        assert error.value.hint.endswith("percent-encoded: //USER:PASSWORD@HOST")


def test_a_password_in_the_parameters_opens_and_is_not_shown(start_redis, tmp_path):
    path = tmp_path / "r.sock"
    port = start_redis("--requirepass", "hunter2", "--unixsocket", str(path))
    for location in (f"unix://{path}?password=hunter2&db=1", f"redis://127.0.0.1:{port}/1?password=hunter2"):
        with MetadataStore("shared", location) as store:
            store.set_state(by="me")
            assert store.client.info("keyspace").keys() == {"db1"}
            with pytest.raises(StoreError, match="unknown command") as error:
                store.call("execute_command", "NO_SUCH_COMMAND")
            assert "hunter2" not in str(error.value)
    with pytest.raises(StoreError, match=r"\?password=… refused") as error:
        MetadataStore("shared", f"redis://127.0.0.1:{port}?password=hunter3")
    assert "hunter3" not in str(error.value)
    with pytest.raises(StoreUnreachableError, match=r"/nowhere.sock\?password=… does not respond"):
        MetadataStore("shared", "unix:///nowhere.sock?password=hunter2")


@pytest.mark.parametrize("server", SERVERS, ids=name_of)
def test_a_node_of_a_redis_cluster_is_refused_with_the_url_of_a_cluster(start_redis, server):
    port = start_redis("--cluster-enabled", "yes", server=server)
    with pytest.raises(StoreError, match=f"127.0.0.1:{port}/0 is a node of a Redis Cluster") as error:
        MetadataStore("shared", f"redis://127.0.0.1:{port}/0")
    hint = "write its URL with redis+cluster:// and without a database: redis+cluster://HOST:6379,HOST2:6379"
    assert error.value.hint == hint
    assert not isinstance(error.value, StoreUnreachableError)


def test_a_sentinel_is_refused_with_the_reason(start_redis, tmp_path):
    config = tmp_path / "sentinel.conf"
    config.touch()
    port = start_redis(str(config), "--sentinel")
    with pytest.raises(StoreError, match=f"127.0.0.1:{port} is a Sentinel, which stores no data") as error:
        MetadataStore("shared", f"redis://127.0.0.1:{port}")
    assert error.value.hint == "the Redis that it watches is redis+sentinel://HOST:26379/SERVICE/0"


def test_a_user_without_the_right_to_info_may_connect(start_redis):
    port = start_redis("--user", "ada", "on", ">hunter2", "~vicinal:*", "+@all", "-info")
    with MetadataStore("shared", f"redis://ada:hunter2@127.0.0.1:{port}") as store:
        index_item(store, "a", 1)
        assert read_counts(store) == (1, 1)


@pytest.mark.parametrize("server", SERVERS, ids=name_of)
def test_the_version_of_a_valkey_has_its_name(start_redis, server):
    with MetadataStore("shared", f"redis://127.0.0.1:{start_redis(server=server)}") as store:
        version = ".".join(map(str, server.version))
        assert store.version() == (f"7.2.4 (Valkey {version})" if server.name == "Valkey" else version)
