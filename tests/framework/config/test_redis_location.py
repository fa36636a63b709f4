"""Which locations of Redis a solution may have, and what is said of the others."""

from __future__ import annotations

import pytest
import redis
from redis.connection import parse_url

from minimal_config import MINIMAL_YAML
from vicinal.config.redis_location import redis_location_problem
from vicinal.config.redis_nodes import RedisNodes

pytestmark = pytest.mark.usefixtures("no_stores_in_the_environment")

FORMS = (
    "must be a folder, or a URL such as redis://HOST:6379/0, rediss://HOST:6379/0, unix:///PATH,"
    " redis+sentinel://HOST:26379,HOST2:26379/SERVICE/0 or redis+cluster://HOST:6379,HOST2:6379"
)
ENCODE = "must have the characters @ : / ? # % of a password percent-encoded, and a port from 1 to 65535"
DATABASE = "must name the database by its number, as redis://HOST:6379/0"
SOCKET = "must have the socket's path after three slashes, as unix:///run/redis.sock"
SERVICE = (
    "must name the service that the Sentinels watch, and the database by its number, as"
    " redis+sentinel://HOST:26379,HOST2:26379/SERVICE/0"
)
ONE_DATABASE = "must have no database but 0, as redis+cluster://HOST:6379,HOST2:6379: a Redis Cluster has no other"
HOSTS = (
    "must name its hosts, with a comma between two, as redis+sentinel://HOST:26379,HOST2:26379/SERVICE/0"
    " or redis+cluster://HOST:6379,HOST2:6379"
)
OF_CLUSTER = "client_name, health_check_interval, password, socket_connect_timeout, socket_timeout, username"
KNOWN = "client_name, db, health_check_interval, password, socket_connect_timeout, socket_timeout, username"


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("localhost:7777", f"{FORMS}, did you mean redis://localhost:7777?"),
        ("redis.example.com:6379/0", f"{FORMS}, did you mean redis://redis.example.com:6379/0?"),
        ("redis:6379", f"{FORMS}, did you mean redis://redis:6379?"),
        ("[::1]:6379", f"{FORMS}, did you mean redis://[::1]:6379?"),
        (":6379", f"{FORMS}, did you mean redis://localhost:6379?"),
        ("localhost", f"{FORMS}, did you mean redis://localhost?"),
        ("127.0.0.1", f"{FORMS}, did you mean redis://127.0.0.1?"),
        ("localhost:7777,password=hunter2", FORMS),
        ("host:6379:0", FORMS),
        ("//host/0", FORMS),
        ("redis:/host:6379/0", FORMS),
        ("unix:/run/redis.sock", FORMS),
        (":hunter2@host:6379", FORMS),
        ("ada:hunter2@host", FORMS),
        ("http://host:6379", FORMS),
        ("REDIS://host:6379/0", FORMS),
        ("redis-sentinel://host:26379/0", FORMS),
        ("redis+cluster:/host:6379", FORMS),
        ("host:6379,host2:6379", FORMS),
        ("redis+sentinel://host:26379", SERVICE),
        ("redis+sentinel://host:26379/0", SERVICE),
        ("redis+sentinel://host:26379/my master", SERVICE),
        ("redis+sentinel://host:26379/mymaster/zero", SERVICE),
        ("redis+sentinel://host,:26379/mymaster", HOSTS),
        ("redis+sentinel:///mymaster", HOSTS),
        ("redis+cluster://", HOSTS),
        ("redis+cluster://host,,host2", HOSTS),
        ("redis+cluster://host, host2", HOSTS),
        (
            "redis+cluster://:hunter2@host,:hunter2@host2",
            f"{ENCODE}, and user and password once, before the first host",
        ),
        (
            "redis://host,host2:6379/0",
            HOSTS.replace("name its hosts, with a comma between two, as", "have one host; several are those of"),
        ),
        ("ada:hun/ter2@host", FORMS),
        ("redis+cluster://host:6379/1", ONE_DATABASE),
        ("redis+cluster://host:port", ENCODE),
        ("redis+cluster://host:6379,host2:0", ENCODE),
        ("redis+cluster://[,host", ENCODE),
        ("redis+cluster://:hun/ter2@host,host2", ENCODE),
        ("redis+sentinel://host/mymaster?sentinel_password=hun@ter2", ENCODE),
        ("redis+cluster://host?db=1", f"must not have the parameter db; known: {OF_CLUSTER}"),
        (
            "redis+cluster://host?sentinel_password=x",
            f"must not have the parameter sentinel_password; known: {OF_CLUSTER}",
        ),
        ("redis+sentinel://host/m?sentinel_password=", "must have another value of the parameter sentinel_password"),
        (
            "redis+cluster://host?ssl_cert_reqs=none",
            "must begin with rediss+cluster:// for the parameter ssl_cert_reqs",
        ),
        ("redis//host://x", FORMS),
        ("valkey://host:6379/0", f"{FORMS}; a Valkey's has these schemes, too"),
        ("redis://host/abc", DATABASE),
        ("redis://host/0/1", DATABASE),
        ("redis://host/-1", DATABASE),
        ("redis://host:port/0", ENCODE),
        ("redis://host:0/0", ENCODE),
        ("redis://host:99999/0", ENCODE),
        ("redis://[", ENCODE),
        ("redis://:hun/ter2@host/0", ENCODE),
        ("redis://ada:hun?ter2@host/0", ENCODE),
        ("redis://ada:hun#ter2@host/0", ENCODE),
        ("redis://host/0?password=hun@ter2", ENCODE),
        ("redis://host/0#1", ENCODE),
        ("unix://", SOCKET),
        ("unix://run/redis.sock", SOCKET),
        ("redis://host/0?foo=bar", f"must not have the parameter foo; known: {KNOWN}"),
        ("redis://host/0?decode_responses=True", f"must not have the parameter decode_responses; known: {KNOWN}"),
        ("redis://host/0?protocol=3", f"must not have the parameter protocol; known: {KNOWN}"),
        ("redis://host/0?Hunter2", f"must not have parameters of other names; known: {KNOWN}"),
        ("redis://host/0?ssl_cert_reqs=none", "must begin with rediss:// for the parameter ssl_cert_reqs"),
        ("redis://host?db=one", "must have another value of the parameter db"),
        ("redis://host?socket_timeout=soon", "must have another value of the parameter socket_timeout"),
        ("rediss://host?ssl_check_hostname=maybe", "must have another value of the parameter ssl_check_hostname"),
        ("redis://host?password=", "must have another value of the parameter password"),
        ("redis://host:6379/0\n", "must not begin or end with a space or a line break"),
    ],
)
def test_a_location_that_is_none_is_found_at_its_place(problems, monkeypatch, location, problem):
    monkeypatch.setenv("LOCATION", location)
    assert problems(MINIMAL_YAML + "stores:\n  redis: ${LOCATION}\n") == [f"a.yaml:5:3: stores.redis: {problem}"]
    monkeypatch.setenv("REDIS_URL", location)
    assert problems(MINIMAL_YAML) == [f"a.yaml:1:1: stores.redis: REDIS_URL {problem}"]
    assert "unter2" not in problem


@pytest.mark.parametrize(
    "location",
    [
        "redis://host",
        "redis://host/",
        "redis://host:6379/15",
        "redis:///0",
        "redis://[::1]:6379/0",
        "redis://ada:hun%40ter2@host:6379/0",
        "redis://:hunter2@host",
        "rediss://host:6380/0",
        "unix:///run/redis.sock",
        "unix:///run/at@home/redis.sock",
        "unix://ada:hunter2@/run/redis.sock",
    ],
)
def test_a_url_is_a_location(config, monkeypatch, location):
    monkeypatch.setenv("REDIS_URL", location)
    assert config(MINIMAL_YAML).stores.redis == location
    redis.Redis.from_url(location).connection_pool.make_connection()


@pytest.mark.parametrize(
    "location",
    [
        "redis+sentinel://host/mymaster",
        "redis+sentinel://host:26379,host2:26379,host3:26380/my-master.1/3",
        "redis+sentinel://ada:hun%40ter2@host,[::1]:26379/mymaster?sentinel_username=bob&sentinel_password=x",
        "rediss+sentinel://host/mymaster?ssl_ca_certs=/etc/ca.pem&ssl_cert_reqs=required&socket_timeout=10",
        "redis+cluster://host",
        "redis+cluster://host:7000,host2:7001/0",
        "redis+cluster://:hunter2@host:7000/",
        "rediss+cluster://host?ssl_check_hostname=false",
    ],
)
def test_a_url_of_several_servers_is_a_location(config, monkeypatch, location):
    monkeypatch.setenv("REDIS_URL", location)
    assert config(MINIMAL_YAML).stores.redis == location


def test_the_parts_of_a_url_of_sentinels():
    nodes = RedisNodes.parse(
        "rediss+sentinel://ada:hun%40ter2@one,two:5,[::1]:6/mymaster/3"
        "?sentinel_password=a%26b&socket_timeout=7&client_name=c"
    )
    assert nodes.addresses == [("one", 26379), ("two", 5), ("::1", 6)]
    assert (nodes.service, nodes.is_cluster) == ("mymaster", False)
    shared = {"socket_timeout": 7.0, "client_name": "c"}
    server, sentinel = map(parse_url, (nodes.server_url, nodes.sentinel_url))
    for options in (server, sentinel):
        assert options.pop("connection_class") is redis.SSLConnection
        assert options.pop("host") == "one"
    assert server == {"username": "ada", "password": "hun@ter2", "db": 3, **shared}
    assert sentinel == {"password": "a&b", **shared}


def test_the_parts_of_a_url_of_a_cluster():
    nodes = RedisNodes.parse("redis+cluster://:hunter2@one:7000,two/0?client_name=c")
    assert nodes.is_cluster
    assert nodes.addresses == [("one", 7000), ("two", 6379)]
    assert parse_url(nodes.server_url) == {"host": "one", "port": 7000, "password": "hunter2", "client_name": "c"}


@pytest.mark.parametrize(
    "parameter",
    [
        "client_name=vicinal",
        "db=3",
        "health_check_interval=30",
        "password=hunter2",
        "socket_connect_timeout=2.5",
        "socket_timeout=10",
        "username=ada",
    ],
)
@pytest.mark.parametrize("url", ["redis://host", "rediss://host", "unix:///run/redis.sock"])
def test_the_client_knows_each_parameter(url, parameter):
    assert redis_location_problem(f"{url}?{parameter}") == ""
    name, value = parameter.split("=")
    client = redis.Redis.from_url(f"{url}?{parameter}")
    client.connection_pool.make_connection()
    assert str(client.connection_pool.connection_kwargs[name]).removesuffix(".0") == value


@pytest.mark.parametrize(
    "parameter",
    [
        "ssl_ca_certs=/etc/ca.pem",
        "ssl_ca_path=/etc/ca",
        "ssl_cert_reqs=none",
        "ssl_certfile=/etc/me.pem",
        "ssl_check_hostname=false",
        "ssl_keyfile=/etc/me.key",
        "ssl_password=hunter2",
    ],
)
def test_the_client_knows_each_parameter_of_tls(parameter):
    assert redis_location_problem(f"rediss://host?{parameter}") == ""
    redis.Redis.from_url(f"rediss://host?{parameter}").connection_pool.make_connection()


@pytest.mark.parametrize("location", ["redis", "./my redis", "/data/redis:1", "./redis:1", "a@b", "C", "host.name"])
def test_other_locations_are_folders(config, tmp_path, location):
    assert config(f"{MINIMAL_YAML}stores: {{redis: '{location}'}}\n").stores.redis == str(tmp_path / location)
