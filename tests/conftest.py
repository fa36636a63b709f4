"""Real stores for the tests: Milvus Lite in a folder of the test, one Milvus server and one Redis server a run."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

import encoders
from redis_servers import RunningCluster, RunningRedis
from servers import MILVUS, ROOT, Milvus
from vicinal import Solution, create_manager

# Programs that tests start and end by Ctrl-C would ignore it, as a shell makes those that it runs in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)

# numba numbers the functions that it keeps: two processes that compile at once may keep two by one number, and crash.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".pytest_cache" / "numba" / worker))

collect_ignore = ["examples"]  # test_example_plugin.py installs the example, and runs its tests


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Leave tests to `make test-long` that are ``long_on_server`` or ``long_on_cluster``, where they run there.

    Those are the Milvus server, beside Lite, and the Redis Cluster, beside one Redis.
    """
    on_lite = {_name_test(item) for item in items if _is_on(item, "lite")}
    for item in items:
        if item.get_closest_marker("long_on_cluster") and _is_on(item, "cluster"):
            item.add_marker(pytest.mark.long)
        if item.get_closest_marker("long_on_server") and _is_on(item, "server") and _name_test(item) in on_lite:
            item.add_marker(pytest.mark.long)


def _name_test(item):
    return item.path, item.cls, item.originalname


def _is_on(item, engine):
    return hasattr(item, "callspec") and engine in map(str, item.callspec.params.values())


@pytest.fixture(scope="session")
def own_milvus(tmp_path_factory):
    """A real Milvus server, started for this run on free ports and ended after it.

    None where VICINAL_TEST_MILVUS names another.
    """
    if os.environ.get("VICINAL_TEST_MILVUS"):
        yield None
        return
    if not MILVUS.exists():
        reason = "no Milvus server: `make test` installs one in .venv-milvus"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("milvus")
    server = Milvus(folder)
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def milvus_server(own_milvus):
    """The URI of a real Milvus server."""
    return own_milvus.uri if own_milvus else os.environ["VICINAL_TEST_MILVUS"]


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory):
    """The URL of a real Redis server on a free port."""
    server = RunningRedis(tmp_path_factory.mktemp("redis"))
    yield server.url
    server.end()


@pytest.fixture(scope="session")
def cluster_url(tmp_path_factory):
    """The URL of a real Redis Cluster of three servers."""
    cluster = RunningCluster(tmp_path_factory.mktemp("cluster"))
    yield cluster.url
    cluster.end()


@pytest.fixture(params=["redis", "cluster"])
def any_redis_url(request):
    """The URL of a real Redis server, then that of a Redis Cluster."""
    return request.getfixturevalue("redis_url" if request.param == "redis" else "cluster_url")


@pytest.fixture
def manager():
    """The installed plugins and the tests' own encoders."""
    manager = create_manager()
    row = manager.register(encoders, "tests")
    assert row.status == "ok", row.reason
    return manager


class Workshop:
    """Makes solutions in a folder, on one engine, and cleans up after the test."""

    def __init__(self, folder, manager, milvus, redis):
        self.folder = folder
        self.manager = manager
        self.milvus = milvus
        self.redis = redis
        self._made = []

    @property
    def embedded(self):
        return self.milvus is None

    def write(self, rows, name="items.csv"):
        path = self.folder / name
        lines = ["key,text,year", *(",".join(map(str, row)) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
        return path

    def yaml(self, name="things", encoder="{type: hashed}", source=None, extra=""):
        stores = f"stores: {{milvus: '{self.milvus}', redis: '{self.redis}'}}\n" if self.milvus else ""
        source = source or "{type: table, path: items.csv, key: key, content: text}"
        path = self.folder / f"{name}.yaml"
        path.write_text(f"name: {name}\nsource: {source}\nencoder: {encoder}\n{stores}{extra}\n")
        return path

    def solution(self, name="things", **given):
        solution = Solution.from_yaml(self.yaml(name, **given), manager=self.manager)
        self._made.append(solution)
        return solution

    def close(self):
        for solution in self._made:
            if not self.embedded:
                solution.drop()
            solution.close()


@pytest.fixture(params=["lite", "server"])
def workshop(request, tmp_path, manager):
    """Solutions on Milvus Lite with the embedded Redis, then on the servers of both."""
    if request.param == "lite":
        made = Workshop(tmp_path, manager, None, None)
    else:
        milvus = request.getfixturevalue("milvus_server")
        made = Workshop(tmp_path, manager, milvus, request.getfixturevalue("redis_url"))
    yield made
    made.close()


@pytest.fixture
def lite(tmp_path, manager):
    """Solutions on the embedded stores alone, for what does not depend on the engine."""
    made = Workshop(tmp_path, manager, None, None)
    yield made
    made.close()
