"""Items that clients add and remove while a reindex goes on are in what it puts in place."""

from __future__ import annotations

import threading

import pytest

from ingest_helpers import assert_consistent
from vicinal import Item, ItemError, Solution, VicinalError, hookimpl
from vicinal.solution import reindexable
from vicinal.types import item_id

pytestmark = pytest.mark.long_on_server

ROWS = [(f"k{number}", f"text {number}", 2000) for number in range(60)]


class DuringReindex:
    """Calls each of some functions once while a reindex goes on, after its batches."""

    def __init__(self, *work):
        self.work = list(work)
        self.errors = []
        self._is_working = False

    @hookimpl
    def batch_written(self, new):
        if new and self.work and not self._is_working:
            self._is_working = True  # what is written by that is a batch, too
            try:
                self.work.pop(0)()
            except BaseException as error:
                self.errors.append(error)
            self._is_working = False


@pytest.fixture
def during(manager):
    """Has some functions called during the next reindex; they must not fail."""
    watchers = []

    def during(*work):
        watchers.append(DuringReindex(*work))
        manager.register(watchers[-1], f"during-{len(watchers)}")
        return watchers[-1]

    yield during
    assert [watcher.errors for watcher in watchers] == [[]] * len(watchers)


@pytest.fixture
def things(workshop):
    workshop.write(ROWS)
    solution = workshop.solution(extra="ingest: {batch_size: 20}")
    solution.ingest()
    return solution


def nearest(solution, text):
    hit = solution.search(text, limit=1)[0]
    return hit.key, round(hit.similarity, 3)


def test_what_is_written_meanwhile_is_in_what_is_put_in_place(things, during):
    things.add(Item("gone", "added before and removed meanwhile"))
    watcher = during(
        lambda: things.add(Item("mine", "a text of mine")),
        lambda: [things.remove(["k7", "gone"]), things.add(Item("k8", "other than in the source"))],
        lambda: things.add(Item("mine", "another text of mine")),
    )
    assert things.reindex().failed == 0
    assert watcher.work == []
    assert things.status()["generation"] == 2
    assert nearest(things, "another text of mine") == ("mine", 1.0)
    assert nearest(things, "other than in the source") == ("k8", 1.0)
    keys = {hit.key for hit in things.search("text 1", limit=100)}
    assert keys == {"mine", *(key for key, _, _ in ROWS)} - {"k7"}
    assert sorted(things.metadata.list_manual()) == sorted(map(item_id, ["mine", "k8"]))
    assert_consistent(things, 60)
    assert things.metadata.write_log.read(0) == []
    assert things.add(Item("mine", "another text of mine")) == "unchanged"


def test_a_removed_item_that_the_source_has_stays_removed(things, during):
    during(lambda: things.remove(["k3"]))
    things.reindex()
    assert "k3" not in {hit.key for hit in things.search("text 3", limit=100)}
    assert things.ingest().new == 1, "the next ingest adds it again, since the source still has it"


class Killed(BaseException):
    """The process ends here, as far as the stores can tell."""


def kill_at(monkeypatch, module, name, *, thread=None):
    call = getattr(module, name)

    def kill_own_thread(*args, **kwargs):
        if thread is None or thread == threading.get_ident():
            raise Killed
        return call(*args, **kwargs)

    monkeypatch.setattr(module, name, kill_own_thread)


@pytest.mark.parametrize("moment", ["learn_state", "note_replaced", "the first batch"])
def test_a_killed_reindex_and_the_one_after_it_lose_no_write(things, moment, monkeypatch, during):
    work = [lambda: things.add(Item("mine", "a text of mine")), lambda: things.remove(["k7"])]
    watcher = during(*work)
    if moment == "the first batch":
        kill_at(monkeypatch, reindexable.CatchUp, "run")
    else:
        kill_at(monkeypatch, reindexable, moment)
    with pytest.raises(Killed):
        things.reindex()
    monkeypatch.undo()
    left, watcher.work = watcher.work, []
    for one in left:
        one()
    things.add(Item("between", "added between the two"))
    report = things.reindex()
    assert (report.failed, things.status()["generation"]) == (0, 2)
    found = {hit.key for hit in things.search("text 1", limit=100)}
    if moment == "learn_state":  # before anything was begun; the source still has what was removed
        assert found == {"mine", "between", *(key for key, _, _ in ROWS)}
    else:
        assert found == {"mine", "between", *(key for key, _, _ in ROWS)} - {"k7"}
    assert sorted(things.metadata.list_manual()) == sorted(map(item_id, ["mine", "between"]))
    assert_consistent(things, len(found))


@pytest.mark.parametrize("step", ["begin", "upsert_rows", "commit"])
def test_a_writer_that_is_killed_leaves_no_half_of_an_item(things, step, monkeypatch, during):
    def write():
        store = things.vectors if step == "upsert_rows" else things.metadata
        with monkeypatch.context() as patch, pytest.raises(Killed):
            kill_at(patch, type(store), step, thread=threading.get_ident())  # the reindex writes in another one
            things.add(Item("mine", "a text of mine"))

    during(write)
    things.reindex()
    assert_consistent(things, 60 if step == "begin" else 61)


def test_an_item_that_the_new_encoder_cannot_read_is_not_lost(lite, during):
    lite.write(ROWS)
    old = lite.solution(extra="ingest: {batch_size: 20}")
    old.ingest()
    lite.yaml(encoder="{type: letters}", extra="ingest: {batch_size: 20}")
    during(lambda: old.add(Item("mine", "x")))
    with pytest.raises(VicinalError, match="1 items that were added by hand cannot be indexed anew: mine"):
        old.reindex()
    assert nearest(old, "x") == ("mine", 1.0)
    old.remove(["mine"])
    assert old.reindex().rows == 60
    assert old.status()["encoder"]["signature"] == "letters"


def test_several_clients_write_at_once(things, during):
    """They wait for one another, and for the moments of a reindex that locks them out."""
    errors = []

    def write(number):
        try:
            for part in range(8):
                things.add(Item(f"c{number}-{part}", f"of client {number} the {part}th"))
        except Exception as error:
            errors.append(error)

    clients = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    during(*(client.start for client in clients))
    things.reindex()
    for client in clients:
        client.join()
    assert errors == []
    assert_consistent(things, 60 + 24)


@pytest.mark.parametrize("workshop", ["server"], indirect=True)
def test_another_process_writes_by_the_old_encoder_while_one_reindexes_by_a_new_one(things, workshop, manager, during):
    workshop.yaml(encoder="{type: hashed, salt: new}", extra="ingest: {batch_size: 20}")
    with Solution.from_yaml(workshop.folder / "things.yaml", manager=manager) as other:
        assert other.config.encoder.params.salt == "new"
        during(lambda: things.add(Item("mine", "a text of mine")))
        other.reindex()
        assert nearest(other, "a text of mine") == ("mine", 1.0)
    assert nearest(things, "a text of mine") == ("mine", 1.0)
    assert things.encoder.signature == "hashed/16/new"
    things.add(Item("later", "a later text"))
    assert nearest(things, "a later text") == ("later", 1.0)


def test_an_item_that_cannot_be_added_changes_nothing(things, during):
    def add():
        with pytest.raises(ItemError):
            things.add(Item("mine", "a bad text"))

    during(add)
    assert things.reindex().rows == 60
