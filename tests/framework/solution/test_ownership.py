"""Two solutions of one name on one Milvus, each with its own Redis; and one whose Redis has lost its data."""

from __future__ import annotations

import pytest

from vicinal import Item, Solution
from vicinal.config.models import StoresConfig
from vicinal.errors import StoreMismatchError
from vicinal.solution.ownership import describe_home, require_owned
from vicinal.stores.milvus import StoredCollection

pytestmark = pytest.mark.long_on_server

ROWS = [(f"k{number}", f"text {number}", 2000 + number) for number in range(5)]
NAME = "owned"


@pytest.fixture
def make(workshop, request):
    """Makes solutions of one name: ``first`` and ``second`` on one Milvus, each with a Redis of its own."""
    opened = []

    def make(which, encoder="{type: hashed}"):
        for other in opened:
            other.close()  # an embedded Milvus is for one process, and for one solution in it
        folder = workshop.folder / which
        folder.mkdir(exist_ok=True)
        milvus = workshop.milvus or workshop.folder / "shared.db"
        redis = "redis" if workshop.embedded else workshop.redis.replace("/0", "/1" if which == "first" else "/2")
        source = f"{{type: table, path: {workshop.folder / 'items.csv'}, key: key, content: text}}"
        path = folder / "a.yaml"
        path.write_text(
            f"name: {NAME}\nsource: {source}\nencoder: {encoder}\nstores: {{milvus: '{milvus}', redis: '{redis}'}}\n"
        )
        opened.append(Solution.from_yaml(path, manager=workshop.manager))
        return opened[-1]

    yield make
    for which in ("first", "second"):
        solution = make(which)
        solution.vectors.drop_collection()
        solution.vectors.drop_physical_collection(f"{solution.vectors.alias}_v1")
        solution.metadata.client.flushdb()
    solution.close()


def keys_of(solution):
    return sorted(hit.key for hit in solution.search("text 1", limit=10))


def test_a_second_solution_of_one_name_is_refused_and_changes_nothing(make, workshop):
    workshop.write(ROWS)
    make("first").ingest()
    workshop.write([("other", "another text", 1)])
    second = make("second")
    for use in (
        second.ingest,
        lambda: second.add(Item("mine", "my text")),
        lambda: second.remove(["k1"]),
        lambda: second.check(repair=True),
        second.build_index,
        second.drop,
    ):
        with pytest.raises(StoreMismatchError, match=f"has the data of another solution called '{NAME}'") as error:
            use()
        assert error.value.hint.startswith("give this solution another name, or set REDIS_URL")
    assert second.metadata.state() == {}
    assert second.metadata.client.keys("*:state") == []

    first = make("first")
    assert keys_of(first) == ["k0", "k1", "k2", "k3", "k4"]
    assert first.check().to_dict()["rows"] == 5
    assert first.drop() == 5
    assert make("second").ingest().new == 1


def test_a_second_solution_that_has_a_state_finds_nothing_in_the_firsts_collection(make, workshop):
    workshop.write(ROWS)
    second = make("second")
    second.ingest()
    second.vectors.drop_collection()  # as by the first one's administrator
    make("first").ingest()
    second = make("second")
    for use in (lambda: second.search("text 1"), second.ingest, second.drop):
        with pytest.raises(StoreMismatchError, match="of another solution"):
            use()
    assert keys_of(make("first")) == ["k0", "k1", "k2", "k3", "k4"]


def test_a_collection_that_another_one_left_without_its_alias_is_refused(make, workshop):
    workshop.write(ROWS)
    first = make("first")
    first.ingest()
    first.vectors._client.drop_alias(first.vectors.alias)
    with pytest.raises(StoreMismatchError, match="of another solution"):
        make("second").ingest()


def test_a_collection_from_before_owners_belongs_to_the_state_that_names_it(make, workshop):
    workshop.write(ROWS)
    first = make("first")
    first.ingest()
    nobody = {"vicinal.owner": "", "vicinal.home": ""}
    first.vectors._client.alter_collection_properties(f"{first.vectors.alias}_v1", nobody)
    first.metadata.call("hdel", f"vicinal:{NAME}:state", "owner")
    with pytest.raises(StoreMismatchError, match="of another solution"):
        make("second").ingest()
    first = make("first")
    assert (first.ingest().unchanged, keys_of(first)) == (5, ["k0", "k1", "k2", "k3", "k4"])
    assert first.drop() == 5


# --- a state that is lost


def test_rows_of_a_solution_whose_redis_was_flushed_are_orphans(make, workshop):
    workshop.write(ROWS)
    things = make("first")
    things.ingest()
    things.metadata.client.flushdb()
    things = make("first")
    report = things.check()
    assert (report.items, report.rows, report.orphan_vectors) == (0, 5, 5)
    workshop.write(ROWS[:2])
    assert things.ingest().new == 2
    assert things.check().orphan_vectors == 3
    things.check(repair=True)
    assert (things.check().orphan_vectors, things.vectors.count_rows()) == (0, 2)
    assert keys_of(things) == ["k0", "k1"]


def test_a_flushed_solution_of_another_encoder_is_refused(make, workshop):
    workshop.write(ROWS)
    things = make("first")
    things.ingest()
    things.metadata.client.flushdb()
    with pytest.raises(StoreMismatchError, match="built by another encoder or with other fields") as error:
        make("first", encoder="{type: hashed, dimension: 8}").ingest()
    assert error.value.hint.startswith("change the YAML back, or d")
    assert make("first").ingest().new == 5


@pytest.mark.parametrize(
    ("redis", "is_known"),
    [
        ("/home/ada/.vicinal/redis", True),
        ("unix:///run/redis.sock", True),
        ("redis://:hunter2@localhost:6379/0", True),
        ("redis://127.0.0.1:6379/0", True),
        ("redis://redis:6379/0", False),
        ("rediss://:hunter2@cache.example.com/1", False),
    ],
)
def test_a_lost_state_is_known_by_a_redis_on_this_machine_alone(redis, is_known):
    """A host's name may mean another Redis to another solution, as ``redis`` does in every docker compose project."""
    stores = StoresConfig(milvus="http://milvus", redis=redis)
    collection = StoredCollection("vicinal_a_v1", "one", describe_home(redis), {})
    assert "hunter2" not in collection.home
    if is_known:
        require_owned(collection, {}, "a", stores)
    else:
        with pytest.raises(StoreMismatchError, match=f"whose Redis is {collection.home}"):
            require_owned(collection, {}, "a", stores)
