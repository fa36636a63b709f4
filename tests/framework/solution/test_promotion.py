"""Promotion: all that is indexed is copied to other stores without encoding, proved, continued, and copied back."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from sample_solution import ITEMS, ROWS, nonzero_findings
from vicinal import Item, VicinalError
from vicinal.errors import NothingIndexedError, StoreBusyError, StoreMismatchError, UnsupportedByEngineError
from vicinal.solution.handover import require_replaceable, require_writable
from vicinal.solution.promotion.promotion import Promotion
from vicinal.solution.promotion.proof import Pair, Proof
from vicinal.types import Failure, item_id

MANY = [(f"k{number}", f"text {number} of many", 2000 + number) for number in range(60)]


def refuse(*_):
    raise AssertionError("nothing is to be encoded")


def read_all(solution):
    """All that both stores hold of a solution: rows, ledger, records, added ids, failures and what was learnt."""
    space, metadata = solution.encoder.space, solution.metadata
    rows = {}
    solution._searcher.get()  # which loads the collection
    for part in solution.vectors.iter_rows(solution.vectors.stored_columns):
        for row in part:
            vector = row.pop("vector")
            row.pop("ones", None)
            rows[row["id"]] = (bits_of(vector, space), tuple(sorted(row.items())))
    items = {}
    for entries, records in metadata.iter_ledger_and_records():
        items |= {id_: (entry, records[id_]) for id_, entry in entries.items()}
    return (
        rows,
        items,
        sorted(metadata.list_manual()),
        sorted(map(str, metadata.iter_failures())),
        metadata.fitted_state.load(),
        metadata.read_reports(),
        {name: metadata.state()[name] for name in ("items", "rows", "truncated", "signature", "fields", "created")},
    )


def bits_of(vector, space):
    if isinstance(vector, dict):
        bits = np.zeros(space.dimension, np.uint8)
        bits[list(vector)] = 1
        return np.packbits(bits).tobytes()
    return b"".join(vector) if isinstance(vector[0], bytes) else np.asarray(vector, np.float32).tobytes()


def describe_promotion(solution):
    """What ``status`` says of a promotion; the other Milvus without this machine's name."""
    found = solution.status()["promotion"]
    return found["state"], found["milvus"].rpartition(" on ")[0], found["written_since"]


def open_other(lite, name, milvus, redis, **given):
    """The solution of this name with other stores."""
    before = lite.milvus, lite.redis
    lite.milvus, lite.redis = str(milvus), str(redis)
    try:
        return lite.solution(name, **given)
    finally:
        lite.milvus, lite.redis = before


@pytest.fixture
def other(tmp_path):
    """The folder of other embedded stores."""
    return tmp_path / "other"


FIELDS = "fields: {year: int64}"


@pytest.mark.parametrize(
    ("encoder", "extra"),
    [
        ("words", FIELDS),
        ("letters", ""),
        pytest.param("learner", FIELDS + "\nindex: {type: HNSW, params: {M: 8}}", marks=pytest.mark.long),
    ],
)
def test_promotion_to_a_server_and_back_copies_everything(
    lite, milvus_server, redis_url, other, monkeypatch, encoder, extra
):
    lite.write([(key, text + " and more", year) for key, text, year in ROWS])
    block, name = f"{{type: {encoder}}}", f"promoted-{encoder}"
    home = lite.solution(name, encoder=block, extra=extra)
    home.ingest()
    home.add(Item("by hand", "words that the source does not have", "", {"year": "7"}))
    home.metadata.add_failures([Failure("broken", "decode", "no text", "x", "2026-11-26T00:00:00+00:00")])
    home.metadata.keep_report("evaluation", b"{}")
    expected = read_all(home)
    assert len(expected[1]) == ITEMS + 1
    monkeypatch.setattr(type(home.encoder), "encode", refuse)

    away = open_other(lite, name, milvus_server, redis_url, encoder=block, extra=extra)
    try:
        report = home.promote(milvus_server, redis_url)
        assert report.proof.find_difference() == ""
        assert (report.copied, report.unchanged, report.copied_rows, report.resumed) == (
            ITEMS + 1, 0, len(expected[0]), False,
        )  # fmt: skip
        assert (report.proof.queries, report.proof.same_top_10) == (100, 100)
        assert read_all(away) == expected
        assert nonzero_findings(away.check())["consistent"]
        here, there = (one.search(f"@{ROWS[7][0]}") for one in (home, away))
        assert [hit.similarity for hit in there] == pytest.approx([hit.similarity for hit in here], abs=1e-6)

        back = open_other(lite, name, other / "milvus.db", other / "redis", encoder=block, extra=extra)
        returned = away.promote(str(other / "milvus.db"))
        assert returned.proof.vectors.target == report.proof.vectors.source
        assert returned.proof.metadata.target == report.proof.metadata.source
        assert read_all(back) == expected
        assert (away.ingest().unchanged, back.ingest().unchanged) == (ITEMS, ITEMS)
    finally:
        away.drop()
        away.close()
        lite._made.remove(away)


def test_a_second_promotion_copies_what_has_changed_since(lite, other):
    lite.write(MANY)
    home = lite.solution(encoder="{type: words}")
    home.ingest()
    first = home.promote(str(other / "milvus.db"))
    assert (first.copied, first.resumed) == (60, False)
    home.remove(["k1", "k2"])
    home.add(Item("k3", "fewer words", "", {}))
    home.add(Item("new", "all new words are here", "", {}))
    again = home.promote(str(other / "milvus.db"), queries=0)
    assert (again.proof.queries, again.proof.find_difference()) == (0, "")
    assert (again.copied, again.removed, again.unchanged, again.resumed) == (2, 2, 57, True)
    copy = open_other(lite, "things", other / "milvus.db", other / "redis", encoder="{type: words}")
    assert read_all(copy) == read_all(home)
    assert nonzero_findings(copy.check())["consistent"]


def test_an_interrupted_promotion_is_continued(lite, other, monkeypatch):
    lite.write(MANY)
    home = lite.solution(encoder="{type: words}")
    home.ingest()
    monkeypatch.setattr("vicinal.solution.promotion.copier._MAX_BATCH_ITEMS", 10)

    copied_before = []

    def interrupt(done):
        assert (done["unchanged"], done["total"]) == (0, 60)
        copied_before.append(done["copied"])
        if done["copied"] >= 20:
            assert home.interrupt()

    with pytest.raises(KeyboardInterrupt):
        home.promote(str(other / "milvus.db"), on_progress=interrupt)
    copy = open_other(lite, "things", other / "milvus.db", other / "redis", encoder="{type: words}")
    count = copy.metadata.state()["items"]
    assert 20 <= count == copied_before[-1] < 40
    for write in (copy.ingest, copy.reindex, lambda: copy.promote(str(other / "third.db"), str(other / "third"))):
        with pytest.raises(
            StoreBusyError, match=r"is being promoted to these stores from .*, and not all of it is here"
        ):
            write()
    with pytest.raises(StoreBusyError, match="not all of it is here"):
        copy.release()
    assert describe_promotion(copy) == ("incomplete", home.config.stores.milvus, None)
    assert describe_promotion(home) == ("begun", copy.config.stores.milvus, None)
    copy.close()
    assert home.ingest().unchanged == 60
    assert home.status()["promotion"] is None
    report = home.promote(str(other / "milvus.db"))
    assert (report.resumed, report.copied, report.unchanged) == (True, 60 - count, count)
    assert read_all(copy) == read_all(home)
    assert describe_promotion(copy) == ("copied", home.config.stores.milvus, False)
    assert describe_promotion(home) == ("copied", copy.config.stores.milvus, False)
    assert copy.ingest().unchanged == 60
    copy.remove(["k1"])
    assert describe_promotion(copy) == ("copied", home.config.stores.milvus, True)


def test_what_is_written_meanwhile_is_in_the_copy(lite, other, monkeypatch):
    lite.write(MANY)
    home = lite.solution()
    home.ingest()
    monkeypatch.setattr("vicinal.solution.promotion.copier._MAX_BATCH_ITEMS", 10)
    written = []

    def write(done):
        if written:
            return
        written.append(done["copied"])
        home.remove(["k0", "k59"])
        home.add(Item("k5", "changed meanwhile", "", {}))
        home.add(Item("new", "added meanwhile", "", {}))
        assert len(home.search("text 7 of many", limit=3)) == 3
        with pytest.raises(StoreBusyError, match="'things' is being promoted by"):
            home.ingest()

    report = home.promote(str(other / "milvus.db"), on_progress=write)
    assert 0 < written[0] < 20
    assert report.proof.items.source == 59
    copy = open_other(lite, "things", other / "milvus.db", other / "redis")
    assert read_all(copy) == read_all(home)
    assert home.metadata.promotion_log.read(0) == []


def test_what_is_written_during_the_proof_is_proved_again(lite, other, monkeypatch):
    lite.write(MANY)
    home = lite.solution()
    home.ingest()
    proofs = []
    prove = Promotion._prove_copy

    def prove_and_write(promotion):
        proofs.append(prove(promotion))
        if len(proofs) == 1:
            thread = threading.Thread(target=home.add, args=(Item("late", "written during the proof", "", {}),))
            thread.start()
            thread.join(30)
        return proofs[-1]

    monkeypatch.setattr(Promotion, "_prove_copy", prove_and_write)
    report = home.promote(str(other / "milvus.db"))
    assert [proof.items.source for proof in proofs] == [60, 61]
    assert report.proof is proofs[1]


def test_a_difference_is_told_and_nothing_is_handed_over(lite, other):
    lite.write(MANY)
    home = lite.solution()
    home.ingest()
    home.vectors.upsert_rows([{"id": 5, "item": "nobody's", "segment": 0, "vector": np.ones(16, np.float32)}])
    home.vectors.wait_until_visible()
    with pytest.raises(
        StoreMismatchError, match="the copy is not what is here: rows differ: 61 here, 60 there"
    ) as error:
        home.promote(str(other / "milvus.db"), hand_over=True)
    assert error.value.hint.startswith("`vicinal check FILE`")
    assert home.check(repair=True).orphan_vectors == 1
    assert home.promote(str(other / "milvus.db")).copied == 0


def test_a_promotion_whose_lock_expired_notices_that_others_wrote(lite, other):
    lite.write(MANY[:5])
    home = lite.solution()
    home.ingest()
    with pytest.raises(StoreBusyError, match="another process has written to 'things' while this one was suspended"):
        home.promote(str(other / "milvus.db"), on_progress=lambda _: home.metadata.promotion_log.clear())
    assert home.promote(str(other / "milvus.db")).resumed


def test_missing_vectors_are_told(lite, other):
    lite.write(MANY)
    home = lite.solution()
    home.ingest()
    home.vectors.delete_rows([item_id("k7")])
    with pytest.raises(StoreMismatchError, match="1 items lack vectors or metadata here: k7"):
        home.promote(str(other / "milvus.db"))


def test_after_the_hand_over_the_old_stores_are_only_searched(lite, other):
    lite.write(MANY)
    home = lite.solution()
    home.ingest()
    report = home.promote(str(other / "milvus.db"), hand_over=True)
    assert report.handed_over
    assert describe_promotion(home) == ("moved", str(other / "milvus.db"), None)
    for write in (home.ingest, home.reindex, lambda: home.remove(["k1"]), lambda: home.add(Item("a", "b", "", {}))):
        with pytest.raises(StoreMismatchError, match=r"'things' was promoted to .*milvus\.db .* take its writes now"):
            write()
    assert home.search("text 7 of many", limit=1)[0].key == "k7"
    with pytest.raises(StoreMismatchError, match="take its writes now"):
        home.promote(str(other / "third.db"), str(other / "third"))
    assert home.promote(str(other / "milvus.db")).unchanged == 60
    assert describe_promotion(home) == ("moved", str(other / "milvus.db"), None)
    copy = open_other(lite, "things", other / "milvus.db", other / "redis")
    copy.remove(["k7"])
    home.close()
    back = copy.promote(home.config.stores.milvus, home.config.stores.redis, hand_over=True)
    assert (back.removed, back.copied, back.unchanged) == (1, 0, 59)
    copy.close()
    assert home.remove(["k8"]) == 1
    with pytest.raises(StoreMismatchError, match="take its writes now"):
        copy.remove(["k9"])
    assert (copy.release(), copy.release()) == (True, False)
    assert copy.remove(["k9"]) == 1


def test_a_target_with_other_or_newer_data_is_refused(lite, other):
    lite.write(MANY)
    home = lite.solution()
    home.ingest()
    home.promote(str(other / "milvus.db"))
    copy = open_other(lite, "things", other / "milvus.db", other / "redis")
    copy.remove(["k1"])
    copy.close()
    with pytest.raises(
        StoreMismatchError, match="has items of 'things' that were written after it was copied"
    ) as error:
        home.promote(str(other / "milvus.db"))
    assert error.value.hint.startswith("promote from there to here")
    third = open_other(lite, "things", other / "third.db", other / "third")
    third.ingest()
    third.close()
    with pytest.raises(StoreMismatchError, match="has 60 items of a solution called 'things' that were not copied"):
        home.promote(str(other / "third.db"), str(other / "third"))
    assert third.check().consistent


def test_what_cannot_be_copied_is_refused_before_the_work(lite, other, monkeypatch):
    lite.write(MANY)
    home = lite.solution()
    with pytest.raises(NothingIndexedError):
        home.promote(str(other / "milvus.db"))
    home.ingest()
    for milvus, redis, reason in (
        (home.config.stores.milvus, str(other), "the vectors are in .* already"),
        (str(other / "milvus.db"), home.config.stores.redis, "says what Milvus has now"),
        ("http://localhost:19530", "", "says what Milvus has now"),
        ("localhost:19530", "", "--to must be a path ending in .db, .* did you mean http://localhost:19530"),
        (str(other / "milvus.db"), "localhost:6379", "--redis must be a folder, or a URL"),
    ):
        with pytest.raises(VicinalError, match=reason):
            home.promote(milvus, redis)
    monkeypatch.setattr("vicinal.stores.milvus_engine.MilvusEngine.index_types", lambda *_: {"IVF_FLAT"})
    with pytest.raises(UnsupportedByEngineError):
        home.promote(str(other / "milvus.db"))
    monkeypatch.undo()
    assert home.promote(str(other / "milvus.db")).resumed is False
    assert home.remove(["k1"]) == 1


def test_the_same_redis_by_another_name_is_recognized(lite, other):
    lite.write(MANY[:5])
    home = lite.solution()
    home.ingest()
    with pytest.raises(VicinalError, match="says what Milvus has now"):
        home.promote(str(other / "milvus.db"), f"unix://{home.metadata._embedded.socket}")
    assert home.check().consistent


@pytest.mark.long
def test_the_same_milvus_by_another_name_is_recognized(lite, other, milvus_server):
    lite.write(MANY[:5])
    home = open_other(lite, "served", milvus_server, other / "redis")
    home.ingest()
    host, same = ("127.0.0.1", "localhost") if "127.0.0.1" in milvus_server else ("localhost", "127.0.0.1")
    try:
        with pytest.raises(VicinalError, match=f"the vectors are in .*{same}.* already"):
            home.promote(milvus_server.replace(host, same), str(other / "redis2"))
    finally:
        home.drop()


SAME = Pair(1, 1)
PROOF = Proof(SAME, SAME, SAME, SAME, SAME, SAME, 100, 100, Pair(1.0, 1.0), False, 0.1)


@pytest.mark.parametrize(
    ("given", "difference", "warning"),
    [
        ({}, "", ""),
        ({"metadata": Pair("a", "b")}, "metadata differ: a here, b there", ""),
        ({"same_top_10": 98}, "the 10 nearest differ for 2 of 100 stored vectors", ""),
        ({"recall": Pair(0.96, 0.95)}, "", ""),
        ({"recall": Pair(0.96, 0.8)}, "", "the index finds 80.0% of the 10 nearest there, 96.0% here; `vicinal tune`"),
        ({"recall": Pair(0.96, 0.4)}, "the index finds 40.0% of the 10 nearest there, 96.0% here", ""),
        ({"recall": Pair(1.0, 0.99), "is_exact": True}, "the index finds 99.0% of the 10 nearest there", ""),
        ({"recall": Pair(1.0, 0.0), "queries": 0, "same_top_10": 0}, "", ""),
    ],
)
def test_a_proof_says_what_differs(given, difference, warning):
    proof = replace(PROOF, **given)
    assert proof.find_difference().startswith(difference) and bool(proof.find_difference()) == bool(difference)
    assert difference or "".join(proof.list_warnings()).startswith(warning)
    assert difference or bool(proof.list_warnings()) == bool(warning)


def test_states_say_who_may_write():
    here = {"owner": "a1", "milvus": "a.db on pod-1", "redis": "a on pod-1"}
    moved = {**here, "milvus": "a.db on pod-2", "redis": "a on pod-2"}
    require_writable({"items": 3, "twin": {**here, "revision": 4}}, "x")
    assert not require_replaceable({}, "x", "there", here)
    assert not require_replaceable({"items": 0, "revision": 9}, "x", "there", here)
    assert require_replaceable({"items": 3, "revision": 4, "twin": {**here, "revision": 4}}, "x", "there", here)
    assert require_replaceable({"items": 0, "promotion": here}, "x", "there", moved)
    for state in (
        {"items": 3, "revision": 5, "twin": {**here, "revision": 4}},
        {"items": 3, "revision": 4, "twin": {**here, "owner": "b2", "revision": 4}},
        {"items": 3, "promotion": {**here, "owner": "b2"}},
        {"items": 3},
    ):
        with pytest.raises(StoreMismatchError):
            require_replaceable(state, "x", "there", here)


def test_a_solution_without_an_owner_is_known_by_its_stores():
    here = {"owner": "", "milvus": "http://a", "redis": "redis://a"}
    assert require_replaceable({"items": 3, "promotion": here}, "x", "there", here)
    with pytest.raises(StoreMismatchError):
        require_replaceable({"items": 3, "promotion": {**here, "redis": "redis://b"}}, "x", "there", here)
