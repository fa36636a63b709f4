"""Encrypted connections to a Redis, to one that Sentinels watch, and to a Redis Cluster."""

from __future__ import annotations

import shutil
import subprocess

import pytest
import redis

from redis_helpers import index_item, read_counts
from redis_servers import SERVERS, RunningRedis
from servers import wait_until
from vicinal.errors import StoreUnreachableError
from vicinal.stores.redis import MetadataStore


def has_tls(server):
    linked = subprocess.run(["ldd", server.path], capture_output=True, text=True, check=False).stdout
    return "libssl" in linked


@pytest.fixture
def start(tmp_path):
    """Starts a server that takes encrypted connections alone; gives it."""
    server = next(filter(has_tls, SERVERS), None)
    if server is None or not shutil.which("openssl"):
        pytest.skip("no redis-server with TLS, or no openssl: apt-get install redis-server openssl")
    files = [str(tmp_path / name) for name in ("key.pem", "cert.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", files[0], "-out", files[1]]
    subprocess.run(command, check=True, capture_output=True)
    tls = ["--tls-key-file", files[0], "--tls-cert-file", files[1], "--tls-ca-cert-file", files[1]]
    started = []

    def start(*options):
        (folder := tmp_path / str(len(started))).mkdir()
        options = [*options, *tls, "--tls-auth-clients", "no"]
        started.append(RunningRedis(folder, *options, server=server, tls=True))
        return started[-1]

    yield start
    for one in started:
        one.end()


def require_encrypted(url, certificate):
    with MetadataStore("things", f"{url}?ssl_ca_certs={certificate}") as store:
        index_item(store, "a", 1)
        assert read_counts(store) == (1, 1)
    for without_certificate_or_tls in (url, url.replace("rediss", "redis")):
        with pytest.raises(StoreUnreachableError):
            MetadataStore("things", without_certificate_or_tls)


def test_a_redis(start, tmp_path):
    require_encrypted(start().url, tmp_path / "cert.pem")


def test_a_redis_that_sentinels_watch(start, tmp_path):
    master = start()
    config = tmp_path / "sentinel.conf"
    config.write_text(f"sentinel monitor mymaster 127.0.0.1 {master.port} 1\ntls-replication yes\n")
    sentinel = start(str(config), "--sentinel")
    with redis.Redis(port=sentinel.port, ssl=True, ssl_ca_certs=str(tmp_path / "cert.pem")) as client:
        wait_until(lambda: client.sentinel_masters()["mymaster"]["flags"] == "master")
    require_encrypted(f"rediss+sentinel://127.0.0.1:{sentinel.port}/mymaster", tmp_path / "cert.pem")


def test_a_cluster(start, tmp_path):
    node = start("--cluster-enabled", "yes", "--tls-cluster", "yes")
    with redis.Redis(port=node.port, ssl=True, ssl_ca_certs=str(tmp_path / "cert.pem")) as client:
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        wait_until(lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok")
    require_encrypted(f"rediss+cluster://127.0.0.1:{node.port}", tmp_path / "cert.pem")
