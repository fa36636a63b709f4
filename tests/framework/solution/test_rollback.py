"""What a reindex replaces is kept by choice, and brought back in one step."""

from __future__ import annotations

import pytest

from generation_helpers import stored
from ingest_helpers import assert_consistent
from vicinal import Item, Solution, VicinalError
from vicinal.solution import reindexable

pytestmark = pytest.mark.long_on_server

ROWS = [(f"k{number}", f"text {number}", 2000) for number in range(40)]
NEW = "{type: hashed, salt: new, dimension: 8}"


@pytest.fixture
def things(workshop):
    workshop.write(ROWS)
    solution = workshop.solution()
    solution.ingest()
    return solution


def answers(solution):
    return [[(hit.key, hit.distance, hit.metadata) for hit in solution.search(f"text {number}")] for number in (3, 90)]


def test_a_replaced_generation_that_is_kept_comes_back_in_one_step(things, workshop, manager):
    before = answers(things)
    workshop.yaml(encoder=NEW)
    workshop.write([*ROWS, ("more", "text 90", 1)])
    things.reindex(keep=True)
    after = answers(things)
    assert after != before
    status = things.status()
    assert (status["generation"], status["items"]) == (2, 41)
    previous = status["previous"]
    assert (previous["generation"], previous["items"], previous["signature"]) == (1, 40, "hashed/16/")
    report = things.rollback()
    assert (report["generation"], report["items"], report["previous"]["generation"]) == (1, 40, 2)
    assert report["warnings"] == [
        "the YAML does not describe what is searched now, built by 'hashed/16/': put it back, or every new process"
        " refuses it"
    ]
    assert answers(things) == before
    assert things.vectors.find_collection(things.vectors.alias).physical == "vicinal_things_v1"
    workshop.yaml()
    if not workshop.embedded:
        with Solution.from_yaml(workshop.folder / "things.yaml", manager=manager) as other:
            assert answers(other) == before
    workshop.yaml(encoder=NEW)
    assert things.rollback()["warnings"] == []
    assert answers(things) == after
    assert things.drop_old()
    assert not things.drop_old()
    assert stored(things) == (["vicinal_things_v2"], {"live", "g2:state", "g2:ledger", "g2:meta"})


def test_what_is_written_after_the_swap_is_there_after_a_rollback(things, workshop):
    workshop.yaml(encoder=NEW)
    things.reindex(keep=True)
    things.add(Item("mine", "a text of mine"))
    things.remove(["k3"])
    things.rollback()
    assert things.search("a text of mine", limit=1)[0].key == "mine"
    assert "k3" not in {hit.key for hit in things.search("text 3", limit=100)}
    assert_consistent(things, 40)
    things.add(Item("later", "a later text"))
    things.rollback()
    assert {"mine", "later"} <= {hit.key for hit in things.search("text 3", limit=100)}
    assert_consistent(things, 41)


def test_only_one_generation_is_kept_and_the_next_reindex_replaces_it(things):
    things.reindex(keep=True)
    things.reindex(keep=True)
    assert (things.status()["generation"], things.status()["previous"]["generation"]) == (3, 2)
    assert stored(things)[0] == ["vicinal_things_v2", "vicinal_things_v3"]
    things.rollback()
    things.reindex(keep=True)
    assert (things.status()["generation"], things.status()["previous"]["generation"]) == (4, 2)
    assert stored(things)[0] == ["vicinal_things_v2", "vicinal_things_v4"]
    things.reindex()
    assert things.status()["previous"] is None
    assert len(stored(things)[0]) == 1
    with pytest.raises(VicinalError, match="nothing is kept that 'things' could be rolled back to"):
        things.rollback()


@pytest.mark.parametrize("keep", [True, False])
def test_a_swap_that_is_not_finished_is_finished_by_the_next_writer(things, keep, monkeypatch):
    things.reindex(keep=True)
    calls, finish = [], reindexable.finish_replacement

    def stop(*given):
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        finish(*given)

    monkeypatch.setattr(reindexable, "finish_replacement", stop)
    with pytest.raises(KeyboardInterrupt):
        things.reindex(keep=keep)
    monkeypatch.undo()
    things.add(Item("mine", "a text of mine"))
    assert stored(things)[0] == (["vicinal_things_v2"] if keep else []) + ["vicinal_things_v3"]
    assert (things.status()["previous"] is not None) == keep


def test_drop_removes_what_is_kept_too(things):
    things.reindex(keep=True)
    things.drop()
    assert stored(things) == ([], set())


@pytest.mark.parametrize("workshop", ["server"], indirect=True)
def test_who_is_open_elsewhere_follows_a_changed_yaml_and_its_rollback(things, workshop, manager):
    """While the YAML is edited it takes the encoder and the fields that the state has kept, as after a rollback."""
    before = answers(things)
    workshop.yaml(encoder=NEW, extra="fields: {year: int64}")
    with Solution.from_yaml(workshop.folder / "things.yaml", manager=manager) as other:
        other.reindex(keep=True)
        (workshop.folder / "things.yaml").write_text("name: [things")
        assert answers(things) == answers(other) != before
        assert things.search("text 3", limit=1, filter="year == 2000")[0].key == "k3"
        other.rollback()
    assert answers(things) == before
    assert things.config.fields == {}


def test_stored_contents_stand_for_a_source_that_is_gone(things, workshop):
    things.add(Item("mine", "a text of mine"))
    (workshop.folder / "items.csv").unlink()
    workshop.yaml(encoder=NEW)
    report = things.reindex(from_stored=True)
    assert (report.new, report.rows) == (41, 41)
    assert things.search("text 7", limit=1)[0].key == "k7"
    assert things.status()["encoder"]["signature"] == "hashed/8/new"
    workshop.write(ROWS)
    assert things.ingest(prune=True).unchanged == 40, "versions of the source are kept, and so is what was added"
    assert_consistent(things, 41)


def test_what_is_not_stored_is_not_lost(lite):
    lite.write(ROWS)
    solution = lite.solution()
    solution.ingest()
    solution.add(Item("bytes", b"not a text"))
    with pytest.raises(VicinalError, match="1 items cannot be indexed anew by what is stored of them"):
        solution.reindex(from_stored=True)
    assert [failure.key for failure in solution.failures()] == ["bytes"]
    assert solution.status()["items"] == 41
    assert solution.drop_new()
    assert not solution.drop_new()
    assert solution.failures() == []
