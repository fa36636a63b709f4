"""A connection to a Redis by its URL."""

from __future__ import annotations

import subprocess
import time
from urllib.parse import urlsplit

import pytest

from proxy import Proxy
from redis_helpers import index_item, make_entry, make_record, read_counts
from servers import end, free_port, wait_for_port
from vicinal.errors import StoreError, StoreUnreachableError
from vicinal.stores.redis import MetadataStore
from vicinal.stores.redis_server import find_redis_server
from vicinal.types import Failure


def test_a_url_of_each_form_reaches_the_same_data(tmp_path):
    with MetadataStore("shared", str(tmp_path / "redis")) as store:
        store.set_state(by="me")
        path = store.client.config_get("unixsocket")["unixsocket"]
        with MetadataStore("shared", f"unix://{path}") as same, MetadataStore("shared", f"unix://{path}?db=1") as other:
            assert (same.state(), other.state()) == ({"by": "me"}, {})


@pytest.mark.parametrize("url", ["http://127.0.0.1:6379", "redis//x://", "redis://127.0.0.1:port/0"])
def test_an_invalid_redis_url_is_an_error(url):
    with pytest.raises(StoreUnreachableError, match="not a Redis URL"):
        MetadataStore("shared", url)


def test_a_closed_port_is_reported_at_once_and_without_the_password():
    port = free_port()
    started = time.monotonic()
    with pytest.raises(StoreUnreachableError, match=f"127.0.0.1:{port}/0 does not answer") as error:
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
            lambda: far.fail([Failure("a", "read", "x")]),
            lambda: list(far.failures()),
            lambda: far.failure_page(1),
            far.failure_count,
            lambda: far.clear_failures(["a"]),
            far.state,
            lambda: far.set_state(a=1),
            far.drop,
            far.used_bytes,
            far.version,
        ]
        for call in calls:
            with pytest.raises(StoreUnreachableError, match="does not answer"):
                call()
        proxy.restore()
        assert read_counts(far) == (1, 1)
        far.drop()


def test_a_wrong_password_is_refused_not_unreachable(tmp_path):
    port = free_port()
    command = [
        find_redis_server().path,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        tmp_path,
        "--requirepass",
        "right",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for_port(port, process, 20)
        with MetadataStore("shared", f"redis://:right@127.0.0.1:{port}") as store:
            assert store.version().split(".")[0].isdigit()
        for url in (f"redis://:wrong@127.0.0.1:{port}", f"redis://127.0.0.1:{port}"):
            with pytest.raises(StoreError, match=f"127.0.0.1:{port} refused") as error:
                MetadataStore("shared", url)
            assert not isinstance(error.value, StoreUnreachableError)
            assert "wrong@" not in str(error.value)
    finally:
        end(process)
