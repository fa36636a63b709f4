"""Replicas of a collection on query nodes: what is asked of Milvus, what it has, and what it cannot do."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest
from pymilvus import MilvusClient

from servers import wait_until
from vicinal.cli.manage import _describe_replicas
from vicinal.errors import StoreError, UnsupportedByEngineError
from vicinal.stores.milvus_replicas import LoadConfig, Replica, require_query_nodes
from vicinal.types import SearchRequest

ROWS = [(f"k{number}", f"text {number}", 2000 + number) for number in range(20)]
DEFAULT = "__default_resource_group"
on_the_server = pytest.mark.parametrize("workshop", ["server"], indirect=True)
EAST, WEST = Replica("east", (4,)), Replica("west", (5, 6))


@pytest.mark.parametrize(
    ("load_config", "arguments", "text"),
    [
        (LoadConfig(), {}, "1 replica"),
        (LoadConfig(2), {"replica_number": 2}, "2 replicas"),
        (LoadConfig(None, ("east",)), {"_resource_groups": ["east"]}, "1 replica in resource group east"),
        (
            LoadConfig(2, ("east", "west")),
            {"replica_number": 2, "_resource_groups": ["east", "west"]},
            "2 replicas in resource group east, west",
        ),
    ],
)
def test_what_is_asked_of_milvus(load_config, arguments, text):
    assert (load_config.to_arguments(), str(load_config)) == (arguments, text)


def test_loaded_replicas_are_compared_with_what_is_asked():
    assert LoadConfig().matches([EAST, WEST])
    assert LoadConfig(2).matches([EAST, WEST]) and not LoadConfig(1).matches([EAST, WEST])
    assert LoadConfig(2, ("west", "east")).matches([EAST, WEST])
    assert LoadConfig(2, ("east",)).matches([EAST, EAST]) and not LoadConfig(2, ("east",)).matches([EAST, WEST])


@pytest.mark.parametrize(
    ("load_config", "message"),
    [
        (LoadConfig(4), "Milvus cannot load 4 replicas: each needs a query node of its own, and there are 3"),
        (LoadConfig(1, ("north",)), "Milvus has no resource group 'north'"),
        (LoadConfig(None, ("idle",)), "resource group 'idle' has no query node"),
        (LoadConfig(2, ("west", "idle")), "resource group 'idle' has no query node"),
        (LoadConfig(2, ("east",)), r"2 replicas in resource group east: .* there is 1"),
    ],
)
def test_missing_query_nodes_are_told(load_config, message):
    nodes = {DEFAULT: 0, "east": 1, "west": 2, "idle": 0}
    with pytest.raises(StoreError, match=message) as error:
        require_query_nodes(load_config, nodes)
    assert "`index.re" in error.value.hint
    for fits in (LoadConfig(), LoadConfig(3), LoadConfig(2, ("west",)), LoadConfig(2, ("east", "west"))):
        require_query_nodes(fits, nodes)


@pytest.mark.parametrize(
    ("wanted", "groups", "loaded", "shown"),
    [
        (None, [], [], ""),
        (None, [], [("d", [1])], "1 loaded: d (query node 1)"),
        (2, [], [("d", [1, 2]), ("d", [3])], "2 loaded: d (query node 1, 2), d (query node 3)"),
        (2, [], [("d", [1])], "1 loaded: d (query node 1); the YAML asks for 2, which `vicinal ingest` applies"),
        (1, ["east"], [], "0 loaded; the YAML asks for 1 in east, which `vicinal ingest` applies"),
    ],
)
def test_status_shows_what_is_loaded_and_what_is_asked(wanted, groups, loaded, shown):
    replicas = [{"resource_group": group, "query_nodes": nodes} for group, nodes in loaded]
    assert _describe_replicas({"wanted": wanted, "resource_groups": groups, "loaded": replicas}) == shown


@pytest.mark.parametrize("index", ["{replicas: 2}", "{resource_groups: [east]}"])
def test_milvus_lite_refuses_replicas_before_any_work(lite, index):
    lite.write(ROWS)
    solution = lite.solution(extra=f"index: {index}")
    with pytest.raises(UnsupportedByEngineError, match=r"Milvus Lite 3\.\d\.\d runs in this process alone") as error:
        solution.ingest()
    assert "or set MILVUS_URI to a server" in error.value.hint
    lite.solution(extra="index: {replicas: 1}").ingest()


@on_the_server
def test_what_milvus_cannot_load_is_refused_before_anything_is_created(workshop):
    workshop.write(ROWS)
    for index, message in (
        ("{replicas: 2}", "Milvus cannot load 2 replicas: .* there is 1"),
        ("{resource_groups: [east]}", "Milvus has no resource group 'east'"),
    ):
        solution = workshop.solution(extra=f"index: {index}")
        with pytest.raises(StoreError, match=message):
            solution.ingest()
        assert not solution.vectors.has_collection()
        assert solution.status()["replicas"]["loaded"] == []


@pytest.fixture
def move_query_node(milvus_server):
    """Moves the only query node of the Milvus server into a resource group of its own, until the test ends."""
    client = MilvusClient(milvus_server)
    client.create_resource_group("east")
    transfer = client._get_connection().transfer_node
    yield lambda: transfer(DEFAULT, "east", 1)
    for name in client.list_collections():
        client.release_collection(name)
    transfer("east", DEFAULT, 1)
    client.drop_resource_group("east")
    client.close()


@pytest.mark.long
@on_the_server
def test_a_resource_group_takes_effect_with_the_next_ingest_which_encodes_nothing(workshop, move_query_node):
    workshop.write(ROWS)
    before = workshop.solution()
    before.ingest()
    solution = workshop.solution(extra="index: {replicas: 1, resource_groups: [east]}")
    with pytest.raises(StoreError, match="resource group 'east' has no query node"):
        solution.ingest()
    assert _places(solution) == [DEFAULT]
    move_query_node()
    assert solution.search("text 7", 1).hits[0].key == "k7"  # a search changes nothing
    assert _places(solution) == [DEFAULT]
    time.sleep(5)  # the default consistency lets a search miss what is younger
    with _search_all_the_time(workshop.solution(extra="index: {resource_groups: [east]}")) as answers:
        assert (report := solution.ingest()).unchanged == report.seen == len(ROWS)
    assert len(answers) > 1 and set(answers) == {"k7"}
    assert _places(solution) == ["east"]
    assert [one.search("text 7", 1).hits[0].key for one in (solution, before)] == ["k7", "k7"]


@contextmanager
def _search_all_the_time(solution):
    """What another process that serves the same YAML finds meanwhile: the key, or an error."""
    answers, is_over = [], threading.Event()

    def search():
        while not is_over.is_set():
            (result,) = solution.search_many([SearchRequest("text 7", 1)])
            answers.append(result if isinstance(result, Exception) else result.hits[0].key)

    solution.open()
    searching = threading.Thread(target=search)
    searching.start()
    try:
        wait_until(lambda: answers)
        yield answers
    finally:
        is_over.set()
        searching.join()


def _places(solution):
    """The resource group of each loaded replica, which has a query node."""
    loaded = solution.status()["replicas"]["loaded"]
    assert all(one["query_nodes"] for one in loaded)
    return [one["resource_group"] for one in loaded]
