"""Encoders that learn from a solution's items: once, and the same for every process that opens the solution."""

import subprocess
import sys

import numpy as np
import pytest

from servers import ROOT
from vicinal import Solution, VicinalError
from vicinal.errors import NothingIndexedError, StoreMismatchError
from vicinal.plugin.state import hash_state, pack_state, unpack_state

pytestmark = pytest.mark.long_on_server

ROWS = [(f"k{number}", f"common word{number} rest{number % 3}", number) for number in range(30)]


@pytest.fixture
def learning(workshop):
    workshop.write(ROWS)
    return workshop.solution("learning", encoder="{type: learner}")


def test_the_first_ingest_fits_and_the_next_does_not(learning):
    learning.ingest()
    learnt = learning.metadata.fitted_state.read_hash()
    assert learning.encoder.state_hash == learnt
    assert learning.encoder.fitted_signature == f"learner/1/fit={learnt}"
    assert learning.metadata.state()["signature"] == learning.encoder.fitted_signature
    assert learning.search("word7", limit=1)[0].key == "k7"
    assert learning.ingest().unchanged == 30
    assert learning.metadata.fitted_state.read_hash() == learnt


def test_what_was_learnt_stays_when_items_come_and_go(learning, workshop):
    learning.ingest()
    learnt = learning.metadata.fitted_state.read_hash()
    workshop.write([*ROWS[1:], ("new", "word0 common", 1)])
    report = learning.ingest(prune=True)
    assert (report.new, report.removed, report.unchanged) == (1, 1, 29)
    assert learning.metadata.fitted_state.read_hash() == learnt


def test_another_process_has_the_same(learning, workshop):
    learning.ingest()
    expected = [hit.key for hit in learning.search("word3 rest1", limit=5)]
    path = workshop.folder / "learning.yaml"
    learning.close()
    script = (
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT / 'tests' / 'helpers')!r})\n"
        "import encoders\nfrom vicinal import Solution, create_manager\n"
        "manager = create_manager()\nmanager.register(encoders, 'tests')\n"
        f"with Solution.from_yaml({str(path)!r}, manager=manager) as things:\n"
        "    print(*(hit.key for hit in things.search('word3 rest1', limit=5)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.stderr, done.stdout.split()) == ("", expected)


@pytest.mark.parametrize("workshop", ["server"], indirect=True)
def test_one_that_is_open_takes_over_what_another_learnt(learning, workshop, manager):
    """As a server does, whose solution is filled by another process."""
    with Solution.from_yaml(workshop.folder / "learning.yaml", manager=manager) as other:
        with pytest.raises(NothingIndexedError):
            other.search("word3")
        learning.ingest()
        assert other.search("word3", limit=1)[0].key == "k3"
        assert other.encoder.state_hash == learning.encoder.state_hash


def test_fit_learns_anew_where_nothing_is_indexed(learning, workshop):
    report = learning.fit()
    assert report == {**report, "solution": "learning", "items": 30, "hash": learning.encoder.state_hash}
    first = report["hash"]
    workshop.write(ROWS[:10])
    second = learning.fit()
    assert (second["items"], second["hash"] != first) == (10, True)
    workshop.write(ROWS)
    learning.ingest()
    assert learning.metadata.fitted_state.read_hash() == second["hash"], "ingest fits only where nothing was learnt"


def test_fit_is_refused_where_items_are_indexed_by_what_was_learnt(learning):
    learning.ingest()
    with pytest.raises(
        StoreMismatchError, match="'learning' holds 30 items, indexed by what its encoder learnt"
    ) as error:
        learning.fit()
    assert "`vicinal reindex`" in error.value.hint
    learning.drop()
    assert learning.metadata.fitted_state.read_hash() is None
    learning.fit()
    assert learning.ingest().new == 30


def test_an_encoder_that_does_not_learn_cannot_be_fitted(lite):
    lite.write(ROWS)
    with pytest.raises(VicinalError, match="encoder 'hashed' does not learn"):
        lite.solution().fit()


def test_a_source_from_which_nothing_can_be_learnt_is_an_error(lite):
    lite.write([])
    with pytest.raises(VicinalError, match="the encoder cannot learn from this source: there are no words"):
        lite.solution("empty", encoder="{type: learner}").ingest()


def test_a_state_of_megabytes_is_kept_in_pieces(lite):
    lite.write(ROWS)
    things = lite.solution()
    state = {"noise": np.random.default_rng(1).random(400_000), "names": np.array(["a", "ü"])}
    data = pack_state(state)
    assert len(data) > 2 * 1024 * 1024
    things.metadata.fitted_state.save(data, hash_state(state))
    found = unpack_state(things.metadata.fitted_state.load())
    assert hash_state(found) == hash_state(state) == things.metadata.fitted_state.read_hash()
    assert found["names"].tolist() == ["a", "ü"]
    assert things.metadata.call("keys", "vicinal:things:fit*") == [b"vicinal:things:fit"]


def test_an_export_brings_what_was_learnt_with_it(learning, workshop, tmp_path):
    learning.ingest()
    learnt, expected = learning.encoder.state_hash, [hit.key for hit in learning.search("word3 rest1", limit=30)]
    learning.export(tmp_path / "out.parquet")
    learning.drop()
    workshop.write(ROWS[:1])
    assert learning.import_(tmp_path / "out.parquet").new == 30
    assert learning.metadata.fitted_state.read_hash() == learnt
    assert [hit.key for hit in learning.search("word3 rest1", limit=30)] == expected


def test_an_export_of_other_learning_is_not_read_into_a_filled_solution(learning, workshop, tmp_path):
    learning.ingest()
    learning.export(tmp_path / "out.parquet")
    learning.drop()
    workshop.write(ROWS[:10])
    learning.ingest()
    with pytest.raises(StoreMismatchError, match=r"were made by encoder learner/1/fit=\w+, not by learner/1/fit="):
        learning.import_(tmp_path / "out.parquet")
