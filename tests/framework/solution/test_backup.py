"""Backups: what they hold, that they are whole or none, and that they restore to the same solution elsewhere."""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import numpy as np
import orjson
import pytest

from sample_solution import CONSISTENT, ITEMS, ROWS, SEGMENTS, begin_write, nonzero_findings
from vicinal import back_up, restore
from vicinal.errors import (
    DependencyError,
    NothingIndexedError,
    StoreBusyError,
    StoreError,
    StoreMismatchError,
    VicinalError,
)
from vicinal.solution import item_export
from vicinal.solution import restore as restore_module
from vicinal.solution.backup_target import BackupTarget
from vicinal.solution.restore import describe_backups
from vicinal.types import Item, item_id


def backup_folder(report, workshop):
    folder = workshop.folder / "backups" / report.path.partition("/backups/")[2]
    assert folder.is_dir()
    return folder


def describe_hits(solution, query, **options):
    """What a search finds, with what is stored of each hit."""
    hits = solution.search(query, limit=ITEMS, **options)
    return [(hit.key, round(hit.similarity, 6), hit.uri, hit.metadata, hit.content, hit.segment) for hit in hits]


def assert_vectors_are_of(solution, texts):
    """Check that every segment has the vector that the encoder makes of its word, and that there are no others."""
    words = {item_id(key, number): word for key, text in texts.items() for number, word in enumerate(text.split())}
    rows = [row["id"] for batch in solution.vectors.iter_rows(["id"]) for row in batch]
    assert sorted(rows) == sorted(words)
    stored = solution.vectors.fetch_vectors(rows)
    encoded = solution.encoder.encode(list(words.values()))
    np.testing.assert_allclose([stored[id_] for id_ in words], encoded, atol=1e-6)


@pytest.fixture
def home(lite):
    """An indexed solution with a failure, and an item that was added by hand."""
    lite.write([*ROWS, ("broken", "w1", "no year")])
    solution = lite.solution(encoder="{type: words}", extra="fields: {year: int64}")
    solution.ingest()
    solution.add(Item("by hand", "w7n0 w8n0", metadata={"year": 1}))
    return solution


def test_a_backup_restores_elsewhere_to_the_same(lite, home):
    report = back_up(home, str(lite.folder / "backups"))
    assert (report.items, report.rows, report.failures, report.incomplete) == (ITEMS + 1, SEGMENTS + 2, 1, 0)
    home.metadata.keep_report("tuning", b'{"recall":0.9}')
    report = back_up(home, str(lite.folder / "backups"))
    folder = backup_folder(report, lite)
    assert sorted(path.name for path in folder.iterdir()) == [
        "failures.jsonl",
        "items.parquet",
        "manifest.json",
        "solution.yaml",
        "state.json",
    ]
    away = lite.solution("away", encoder="{type: words}", extra="fields: {year: int64}")
    restored = restore(away, str(folder))
    assert (restored.items, restored.rows, restored.failures, restored.written, restored.consistent) == (
        ITEMS + 1,
        SEGMENTS + 2,
        1,
        ITEMS + 1,
        True,
    )
    assert nonzero_findings(away.check()) == {**CONSISTENT, "items": ITEMS + 1, "rows": SEGMENTS + 2}
    for query, options in ((ROWS[7][1], {}), (ROWS[8][1], {"filter": "year > 2050"})):
        assert describe_hits(away, query, **options) == describe_hits(home, query, **options)
    assert away.failures() == home.failures()
    assert away.metadata.read_reports() == {"tuning": b'{"recall":0.9}'}
    assert away.metadata.state()["created"] == home.metadata.state()["created"]
    assert away.metadata.state()["restoring"] is None
    again = away.ingest(prune=True)
    assert (again.unchanged, again.failed, again.removed) == (ITEMS, 1, 0)


def test_the_manifest_says_what_the_files_hold(lite, home):
    folder = backup_folder(back_up(home, str(lite.folder / "backups")), lite)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert manifest["vicinal_backup"] == 1
    assert (manifest["solution"], manifest["signature"]) == ("things", home.encoder.fitted_signature)
    assert (manifest["items"], manifest["rows"], manifest["failures"]) == (ITEMS + 1, SEGMENTS + 2, 1)
    assert set(manifest["versions"]) == {"vicinal", "milvus", "redis"}
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}
    assert manifest["files"] == {
        name: {"size": len(data), "sha256": sha256(data).hexdigest()} for name, data in files.items()
    }
    assert files["solution.yaml"] == (lite.folder / "things.yaml").read_bytes()
    state = orjson.loads(files["state.json"])["state"]
    assert (state["items"], state["fields"]) == (ITEMS + 1, {"year": "int64"})
    assert not {"physical", "owner", "milvus", "yaml"} & set(state)


def test_other_places_that_fsspec_knows(lite, home):
    report = back_up(home, "memory://somewhere/backups")
    assert report.path.startswith("memory://")
    assert "/somewhere/backups/things/" in report.path
    away = lite.solution("away", encoder="{type: words}")
    assert restore(away, report.path).items == ITEMS + 1
    assert nonzero_findings(away.check()) == {**CONSISTENT, "items": ITEMS + 1, "rows": SEGMENTS + 2}


def test_places_that_cannot_be_written_to(lite, home, monkeypatch):
    (lite.folder / "file").write_text("")
    with pytest.raises(VicinalError, match=r"cannot write to .*/file/below: Not a directory"):
        back_up(home, str(lite.folder / "file" / "below"))
    for place, problem in (
        ("nowhere://bucket", "nowhere://bucket: Protocol not known: nowhere"),
        ("ftp://user:secret@127.0.0.1:9/x", r"cannot open ftp://…@127\.0\.0\.1:9/x: Connection refused"),
        ("github://x", r"cannot open github://x: .*missing 2 required positional arguments"),
        (" ", "the place for backups is empty"),
    ):
        with pytest.raises(VicinalError, match=problem):
            back_up(home, place)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(DependencyError, match="s3:// needs a package that is not installed") as error:
        back_up(home, "s3://bucket/folder")
    assert error.value.hint == "pip install s3fs"


def test_what_is_pending_is_left_out_and_no_older_backup_is_removed(lite, home):
    place = str(lite.folder / "backups")
    back_up(home, place)
    begin_write(home)
    report = back_up(home, place, keep=1)
    assert (report.items, report.incomplete, report.removed) == (ITEMS, 1, [])
    assert report.warnings == [
        "1 items were being written, or lack vectors, and are not in the backup, so that no older one was removed;"
        " `vicinal check` tells more"
    ]
    assert len(BackupTarget(place).list_backups("things")) == 2


def test_there_is_no_backup_of_what_is_dropped_meanwhile(lite, home):
    with pytest.raises(StoreError, match="'things' was dropped meanwhile; no backup was made"):
        back_up(home, str(lite.folder / "backups"), on_progress=lambda done, total: home.drop())
    assert list((lite.folder / "backups" / "things").iterdir()) == []


def test_what_a_reindex_replaces_meanwhile_is_backed_up_anew(lite, home):
    replaced = []

    def replace(done, total):
        if not replaced:
            replaced.append(home.reindex(from_stored=True))

    report = back_up(home, str(lite.folder / "backups"), on_progress=replace)
    assert (report.items, report.incomplete) == (ITEMS + 1, 0)
    assert len(list((lite.folder / "backups" / "things").iterdir())) == 1


def test_a_backup_that_is_broken_off_is_none(lite, home):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(home, str(lite.folder / "backups"), on_progress=interrupt)
    assert list((lite.folder / "backups" / "things").iterdir()) == []

    first = backup_folder(back_up(home, str(lite.folder / "backups")), lite)
    second = backup_folder(back_up(home, str(lite.folder / "backups")), lite)
    newest = max(first, second)
    target = BackupTarget(str(lite.folder / "backups"))
    manifest = (newest / "manifest.json").read_bytes()
    for rest in (manifest[:-2], b""):
        (newest / "manifest.json").write_bytes(rest)
        assert [folder.path for folder in target.list_backups("things")] == [str(min(first, second))]
    (newest / "manifest.json").write_bytes(manifest.replace(b'"vicinal_backup": 1', b'"vicinal_backup": 2'))
    with pytest.raises(VicinalError, match="is of format 2, and this version of vicinal reads format 1"):
        target.list_backups("things")


def test_keep_removes_old_backups_and_what_was_broken_off_long_ago(lite, home):
    things = lite.folder / "backups" / "things"
    yesterday = datetime.now(UTC) - timedelta(days=1, minutes=1)
    for begun in (yesterday, datetime.now(UTC)):
        (things / f"{begun:%Y%m%dT%H%M%S}.000Z-ab12").mkdir(parents=True)
        (things / f"{begun:%Y%m%dT%H%M%S}.000Z-ab12" / "items.parquet").write_text("a part")
    (things / "of somebody else").mkdir()
    place = str(lite.folder / "backups")
    assert [back_up(home, place, keep=2).removed for _ in range(2)] == [
        [str(things / f"{yesterday:%Y%m%dT%H%M%S}.000Z-ab12")],
        [],
    ]
    oldest = sorted(folder.path for folder in BackupTarget(place).list_backups("things"))[0]
    assert back_up(home, place, keep=2).removed == [oldest]
    assert len(BackupTarget(place).list_backups("things")) == 2
    assert (things / "of somebody else").is_dir()
    with pytest.raises(VicinalError, match="keep must be at least 1"):
        back_up(home, place, keep=0)


@pytest.mark.parametrize("name", ["items.parquet", "failures.jsonl", "state.json", "solution.yaml"])
def test_a_damaged_backup_is_refused_before_anything_is_changed(lite, home, name):
    folder = backup_folder(back_up(home, str(lite.folder / "backups")), lite)
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(VicinalError, match=f"is damaged: {name} is not what was written: its SHA-256 differs"):
        restore(home, str(folder), replace=True)
    (folder / name).unlink()
    with pytest.raises(VicinalError, match=f"is damaged: {name} is missing"):
        restore(home, str(folder), replace=True)
    assert home.status()["items"] == ITEMS + 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"items": "many"}, "is damaged: manifest.json is not what was written"),
        ({"files": {}}, "is damaged: manifest.json is not what was written"),
        ({"vicinal_backup": 2}, "is of format 2, and this version of vicinal reads format 1"),
        (None, "is damaged: it was not written to its end"),
    ],
)
def test_a_backup_whose_manifest_cannot_be_read_is_refused(lite, home, change, problem):
    place = lite.folder / "backups"
    older, newer = (backup_folder(back_up(home, str(place)), lite) for _ in range(2))
    manifest = newer / "manifest.json"
    if change is None:
        manifest.unlink()
    else:
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | change))
    with pytest.raises(VicinalError, match=problem):
        restore(home, str(newer), replace=True)
    is_newer = "format" in problem
    listed = [(one["path"], one["items"], bool(one["problem"])) for one in describe_backups("things", str(place))]
    assert listed == [(str(older), ITEMS + 1, False), *([(str(newer), None, True)] if is_newer else [])]
    if is_newer:
        with pytest.raises(VicinalError, match=problem):
            restore(home, str(place), replace=True)
    else:
        assert restore(home, str(place), replace=True).path == str(older)
    assert home.status()["items"] == ITEMS + 1


def test_what_is_there_is_replaced_only_where_that_is_said(lite, home):
    place = str(lite.folder / "backups")
    back_up(home, place)
    before = describe_hits(home, ROWS[7][1])
    home.remove(["k7"])
    home.add(Item("new", ROWS[7][1], metadata={"year": 1}))
    with pytest.raises(StoreMismatchError, match="'things' holds 121 items already") as error:
        restore(home, place)
    assert error.value.hint == "--replace removes them first; or restore into a solution of another name"
    assert restore(home, place, replace=True).items == ITEMS + 1
    assert describe_hits(home, ROWS[7][1]) == before


def test_backups_of_another_encoder_or_with_other_fields_are_refused(lite, home):
    place = back_up(home, str(lite.folder / "backups")).path
    other = lite.solution("other", encoder="{type: hashed}")
    with pytest.raises(StoreMismatchError, match=r"were made by encoder words.*, not by hashed") as error:
        restore(other, place, replace=True)
    assert error.value.hint == "restore it with the YAML file that it holds, solution.yaml"
    fields = lite.solution("fields", encoder="{type: words}", extra="fields: {year: int64, label: varchar(9)}")
    with pytest.raises(VicinalError, match=r"does not fit the YAML: field 'label' has no value") as error:
        restore(fields, place)
    assert error.value.hint == "the backup was made with other `fields`; solution.yaml in it has them"
    assert (other.status()["items"], fields.status()["items"]) == (0, 0)


def test_a_restore_that_is_broken_off_continues(lite, home, monkeypatch):
    monkeypatch.setattr(item_export, "_BATCH_SIZE", 50)
    place = back_up(home, str(lite.folder / "backups")).path
    away = lite.solution("away", encoder="{type: words}")

    def interrupt(done, total):
        if done > 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(away, place, on_progress=interrupt)
    items = away.status()["items"]
    assert 60 < items < ITEMS
    for copy in (
        lambda: back_up(away, str(lite.folder / "backups")),
        lambda: away.promote(str(lite.folder / "other.db")),
        lambda: away.reindex(from_stored=True),
    ):
        with pytest.raises(StoreBusyError, match="'away' is being restored, and not all of it is here yet"):
            copy()
    assert away.status()["restoring"] == place.rpartition("/")[2]
    other = back_up(home, str(lite.folder / "backups")).path
    with pytest.raises(StoreMismatchError, match=f"holds {items} items already"):
        restore(away, other)
    progress = []
    report = restore(away, place, on_progress=lambda done, total: progress.append((done, total)))
    assert (report.written, report.items, report.consistent) == (ITEMS + 1 - items, ITEMS + 1, True)
    assert progress[-1] == (ITEMS + 1, ITEMS + 1)
    assert away.status()["restoring"] is None


def test_a_restore_is_not_mixed_with_what_another_process_has_just_written(lite, home, monkeypatch):
    place = back_up(home, str(lite.folder / "backups")).path
    away = lite.solution("away", encoder="{type: words}", extra="fields: {year: int64}")

    def prepare_and_let_another_write(*arguments, **options):
        prepare(*arguments, **options)
        away.ingest(limit=3)

    prepare = restore_module._prepare_solution
    monkeypatch.setattr(restore_module, "_prepare_solution", prepare_and_let_another_write)
    with pytest.raises(StoreBusyError, match="another process has begun to fill 'away'"):
        restore(away, place)
    assert (away.status()["items"], away.status()["restoring"]) == (3, None)


def test_what_an_encoder_learnt_is_restored(lite):
    lite.write(ROWS)
    home = lite.solution(encoder="{type: learner}")
    home.ingest()
    place = back_up(home, str(lite.folder / "backups")).path
    away = lite.solution("away", encoder="{type: learner}")
    assert restore(away, place).consistent
    assert away.encoder.fitted_signature == home.encoder.fitted_signature
    assert describe_hits(away, "@k7") == describe_hits(home, "@k7")
    lite.write(ROWS[:50])
    refitted = lite.solution("refitted", encoder="{type: learner}")
    refitted.ingest()
    assert refitted.encoder.fitted_signature != home.encoder.fitted_signature
    assert restore(refitted, place, replace=True).items == ITEMS
    assert describe_hits(refitted, "@k7") == describe_hits(home, "@k7")
    items = backup_folder(back_up(home, str(lite.folder / "backups")), lite) / "items.parquet"
    items.write_bytes(items.read_bytes()[:1_000])
    with pytest.raises(VicinalError, match=r"is damaged: items\.parquet is not what was written"):
        restore(away, str(items.parent), replace=True)


def test_there_is_nothing_to_back_up_or_restore(lite, home):
    empty = lite.solution("empty")
    with pytest.raises(NothingIndexedError, match="nothing is indexed in 'empty' yet"):
        back_up(empty, str(lite.folder / "backups"))
    back_up(home, str(lite.folder / "backups"))
    with pytest.raises(VicinalError, match="there is no backup of 'empty' in ") as error:
        restore(empty, str(lite.folder / "backups"))
    assert "it holds: things." in error.value.hint
    with pytest.raises(VicinalError, match="there is no backup of 'empty' in /nowhere"):
        restore(empty, "/nowhere")


@pytest.mark.long_on_server
def test_a_backup_taken_during_an_ingest_restores_to_a_consistent_solution(workshop):
    """Every item of it is as it was before that ingest or as it is after it, and is found like that."""
    workshop.write(ROWS)
    block = "{type: words, pause: 0.02, batch_size: 10}"
    home = workshop.solution(encoder=block)
    home.ingest()
    changed = [(key, text + " more" if number % 2 else text, year) for number, (key, text, year) in enumerate(ROWS)]
    changed += [(f"new{number}", f"w{number}n0 new", 1) for number in range(60)]
    workshop.write(changed)
    run = threading.Thread(target=home.ingest)
    run.start()
    places = []
    while run.is_alive():
        places.append(back_up(home, str(workshop.folder / "backups")).path)
    run.join()
    versions = {key: {text} for key, text, _ in changed}
    for key, text, _ in ROWS:
        versions[key].add(text)
    between = 0
    for number, place in enumerate(places[:3]):
        away = workshop.solution(f"away{number}", encoder=block)
        report = restore(away, place)
        assert report.consistent
        assert nonzero_findings(away.check()) == {"items": report.items, "rows": report.rows, "consistent": True}
        texts = {record.key: record.content for batch in away.metadata.iter_records() for record in batch.values()}
        assert set(texts) >= {key for key, _, _ in ROWS}
        assert all(text in versions[key] for key, text in texts.items())
        assert_vectors_are_of(away, texts)
        between += texts != dict(row[:2] for row in ROWS) and texts != dict(row[:2] for row in changed)
        again = away.ingest()
        assert (again.new, again.failed) == (len(changed) - len(texts), 0)
        assert describe_hits(away, "w7n0 more") == describe_hits(home, "w7n0 more")
    assert between


@pytest.mark.long
def test_a_backup_restores_to_a_cluster_of_redis_and_back(lite, home, cluster_url):
    place = str(lite.folder / "backups")
    away = lite.solution("away", encoder="{type: words}", extra=f"stores: {{redis: '{cluster_url}'}}")
    assert restore(away, back_up(home, place).path).consistent
    away.ingest()  # without fields, what could not be indexed at home can be here
    begin_write(away)
    assert back_up(away, place, keep=1).incomplete == 1
    away.ingest()
    back = lite.solution("back", encoder="{type: words}")
    report = restore(back, back_up(away, place).path)
    assert (report.items, report.rows, report.consistent) == (ITEMS + 2, SEGMENTS + 3, True)
    assert describe_hits(back, ROWS[7][1]) == describe_hits(away, ROWS[7][1])
    away.drop()
