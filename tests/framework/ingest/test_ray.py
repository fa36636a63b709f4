"""Ingest on a Ray of two workers: the same rows, ids and failures as by this process, whatever happens to a worker."""

from __future__ import annotations

import importlib
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import ray_helpers
from encoders import Hashed
from ingest_helpers import ListSource, Observer, assert_consistent, make_items
from redis_helpers import merge_parts
from servers import ROOT
from vicinal import Item
from vicinal.config import check_config
from vicinal.config.ray_config import RayConfig
from vicinal.errors import DependencyError, PluginError, VicinalError
from vicinal.ingest import ray_pool
from vicinal.toolkit.vectors import min_cosine

RAY = "ingest: {engine: ray, batch_size: 20, ray: {workers: 2}}"
LOCAL = "ingest: {batch_size: 20}"
TEXTS = [(f"k{number}", f"text {number} of some", number) for number in range(300)]
FAULTY = [
    ("b1", "a bad text", 1),
    ("b2", "it may crash a decoder", 1),
    ("b3", "will spoil its batch", 1),
    ("b4", "no year", ""),
]


@pytest.fixture(scope="module")
def ray_cluster(tmp_path_factory):
    pytest.importorskip("ray", reason="ray is not installed")
    with ray_helpers.run_ray(tmp_path_factory.mktemp("ray")):
        yield


@pytest.fixture
def on_ray(ray_cluster, lite):
    """Solutions whose runs have two workers; their encoders are installed there."""
    assert lite.manager.register(ray_helpers, "tests-ray").status == "ok"
    return lite


def read_all(solution, *columns):
    """All that a run leaves in both stores."""
    rows = {row["id"]: row for part in solution.vectors.iter_rows(["id", "item", *columns]) for row in part}
    vectors = solution.vectors.fetch_vectors(sorted(rows))
    failures = sorted((found.key, found.stage, found.message) for found in solution.failures())
    counts = {name: solution.metadata.state()[name] for name in ("items", "rows")}
    records, ledger = merge_parts(solution.metadata.iter_records()), merge_parts(solution.metadata.iter_ledger())
    return (
        rows,
        {id_: np.asarray(vector).tolist() for id_, vector in vectors.items()},
        failures,
        counts,
        records,
        ledger,
    )


# --- without a Ray


def test_a_run_says_how_to_install_ray_and_a_search_does_without(lite, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    lite.write(TEXTS[:5])
    solution = lite.solution(extra=RAY)
    yaml = lite.folder / "things.yaml"
    assert check_config(yaml, lite.manager, for_ingest=True) == (
        None,
        [f'{yaml}:4:10: ingest.engine: ray is not installed; pip install "vicinal[ray]"'],
    )
    with pytest.raises(DependencyError, match=r"ingest\.engine: ray needs the package ray") as error:
        solution.ingest()
    assert error.value.hint == 'pip install "vicinal[ray]"'
    solution.close()
    with lite.solution(extra=LOCAL) as local:
        local.ingest()
    assert solution.search("text 1 of some")[0].key == "k1"


def test_an_unreachable_cluster_is_an_error_and_a_run_without_changes_needs_none(lite):
    lite.write(TEXTS[:50])
    with lite.solution(extra=LOCAL) as local:
        local.ingest()
    solution = lite.solution(extra="ingest: {engine: ray, ray: {address: 'localhost:1'}}")
    assert solution.ingest().unchanged == 50
    lite.write(TEXTS[:51])
    with pytest.raises(VicinalError, match=r"no Ray cluster responds at localhost:1 \(ingest.ray.address\)"):
        solution.ingest()
    assert_consistent(solution, 50)


@pytest.mark.parametrize("address", ["auto", "local", "head:6379", "10.0.0.1:6379", "[::1]:6379"])
def test_address_of_a_cluster(address):
    assert RayConfig(address=address).address == address


@pytest.mark.parametrize("address", ["", "head", "ray://head:10001", "http://head:6379", "user:pw@head:6379"])
def test_what_is_no_address_of_a_cluster(address):
    with pytest.raises(ValueError, match="must be"):
        RayConfig(address=address)


# --- with a Ray


@pytest.mark.long
@pytest.mark.parametrize(
    ("encoder", "hybrid", "failed"),
    [("hashed", False, 4), ("hashed", True, 4), ("words", False, 2), ("learner", False, 1)],
)
def test_rows_ids_and_failures_are_those_of_the_local_engine(on_ray, encoder, hybrid, failed):
    on_ray.write([*TEXTS[:150], *FAULTY, *TEXTS[150:]])
    given = {"encoder": f"{{type: {encoder}}}", "source": "{type: table, path: items.csv, key: key, content: text}"}
    fields = f"fields: {{year: int64}}\nhybrid: {str(hybrid).lower()}\n"
    local = on_ray.solution("local", **given, extra=fields + LOCAL)
    remote = on_ray.solution("remote", **given, extra=fields + RAY)
    expected, found = local.ingest().to_dict(), remote.ingest().to_dict()
    differing = {"solution", "seconds", "items_per_second"}
    assert {name: found[name] for name in found if name not in differing} == {
        name: expected[name] for name in expected if name not in differing
    }
    assert expected["failed"] == failed
    columns = ["text"] if hybrid else []
    assert read_all(remote, *columns) == read_all(local, *columns)
    assert remote.ingest().unchanged == found["new"]


SAMPLES = ROOT / "configs" / "data"
TEXT_SOLUTION = (f"{{type: table, path: '{SAMPLES}/qa.csv', key: id, content: question}}", "{type: sentence}")
PICTURE_SOLUTION = ("{type: folder, path: pictures}", "{type: efficientnet_lite0}")


@pytest.mark.long
@pytest.mark.all_encoders
@pytest.mark.parametrize(("source", "encoder"), [TEXT_SOLUTION, PICTURE_SOLUTION], ids=["texts", "pictures"])
def test_texts_pictures_and_a_broken_file_by_real_encoders(on_ray, source, encoder):
    shutil.copytree(SAMPLES / "images", on_ray.folder / "pictures")
    (on_ray.folder / "pictures" / "broken.jpg").write_bytes(b"no picture")
    local, remote = (
        on_ray.solution(name, source=source, encoder=encoder, extra=f"ingest: {{{engine}batch_size: 16}}")
        for name, engine in (("local", ""), ("remote", "engine: ray, ray: {workers: 2}, "))
    )
    assert local.ingest().failed == remote.ingest().failed == (0 if "sentence" in encoder else 1)
    (rows, vectors, *others), (remote_rows, remote_vectors, *remote_others) = read_all(local), read_all(remote)
    assert (remote_rows, remote_others) == (rows, others)
    matrices = [np.array([found[id_] for id_ in sorted(rows)]) for found in (vectors, remote_vectors)]
    assert min_cosine(*matrices) > 0.9999, "threads of one core sum in another order"


@pytest.mark.long
@pytest.mark.parametrize("kills", [1, 2])
def test_a_lost_worker_costs_nothing(on_ray, kills):
    on_ray.write([*TEXTS, *FAULTY[:3]])
    local = on_ray.solution("local", extra=LOCAL)
    local.ingest()
    killed = []

    class Killer:
        @ray_helpers.hookimpl
        def batch_written(self):
            for worker in ray_helpers.find_workers()[: 0 if killed else kills]:
                worker.send_signal(signal.SIGKILL)
                killed.append(worker.pid)

    on_ray.manager.register(Killer(), "killer")
    remote = on_ray.solution("remote", encoder="{type: hashed, pause: 0.05}", extra=RAY)
    assert remote.ingest().new == len(TEXTS)
    assert len(killed) == kills
    assert read_all(remote) == read_all(local)


@pytest.mark.long
def test_an_item_that_kills_every_worker_is_a_failure(on_ray):
    on_ray.write([*TEXTS[:30], ("deadly", "kill it", 1), *TEXTS[30:60]])
    solution = on_ray.solution(
        encoder="{type: deadly}", extra="ingest: {engine: ray, batch_size: 4, ray: {workers: 2}}"
    )
    assert solution.ingest().new == 60
    (failure,) = solution.failures()
    assert (failure.key, failure.stage) == ("deadly", "encode")
    assert failure.message.startswith("each worker that read it was lost")
    assert_consistent(solution, 60)


@pytest.mark.long
def test_interrupted_run_is_continued_by_the_next(on_ray):
    on_ray.write(TEXTS)
    solution = on_ray.solution(encoder="{type: hashed, pause: 0.1}", extra=RAY)
    observer = Observer(on_first_batch=lambda: solution.interrupt())
    on_ray.manager.register(observer, "observer")
    with pytest.raises(KeyboardInterrupt):
        solution.ingest()
    done = solution.metadata.state()["items"]
    assert 20 <= done <= 140, "what the workers had is written, and no more is sent"
    report = solution.ingest()
    assert (report.new, report.unchanged) == (len(TEXTS) - done, done)
    assert_consistent(solution, len(TEXTS))


@pytest.mark.long
def test_runs_of_a_thread_and_a_reindex_use_the_workers(on_ray):
    workers = []

    class Counter:
        @ray_helpers.hookimpl
        def batch_written(self):
            workers.append(len(ray_helpers.find_workers()))

    on_ray.manager.register(Counter(), "counter")
    on_ray.write(TEXTS[:40])
    solution = on_ray.solution(encoder="{type: learner}", extra=RAY)
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(solution.ingest).result().new == 40
    assert solution.reindex().seen == 40
    assert len(workers) == 4 and min(workers) > 0
    assert solution.search("text 7 of some")[0].key == "k7"


@pytest.mark.long
def test_broken_encoder_ends_the_run_with_its_own_error(on_ray):
    solution = on_ray.solution(encoder="{type: deadly}", extra=RAY)
    solution.source = ListSource([Item(f"x{number}", "explode") for number in range(100)])
    with pytest.raises(ZeroDivisionError, match="cannot encode explode") as error:
        solution.ingest()
    assert error.value.__notes__[0] == "raised by encoder Deadly in encode"
    assert "ray_helpers.py" in error.value.__notes__[1], "where on the worker it was raised"
    assert solution.failures() == []
    solution.source = ListSource([*make_items(100), Item("x", "explode")])
    assert solution.ingest().failed == 1
    assert_consistent(solution, 100)


# --- what workers lack


@pytest.mark.long
def test_encoder_of_a_worker_must_have_the_same_signature(on_ray, monkeypatch):
    on_ray.write(TEXTS)
    solution = on_ray.solution(extra=RAY)
    monkeypatch.setattr(Hashed, "signature", "hashed/2")
    with pytest.raises(PluginError) as error:
        solution.ingest()
    assert "makes other vectors there: its signature is hashed/16/, here hashed/2" in str(error.value)
    assert str(error.value).startswith("worker ")
    assert error.value.hint == "install the same versions of vicinal, of its plugins and of their models on all workers"
    assert solution.failures() == []
    assert_consistent(solution, 0)


class Elsewhere(Hashed):
    pass


@ray_helpers.hookimpl
def register_encoders(encoders):
    encoders.add("elsewhere", f"{__name__}:Elsewhere")


@pytest.mark.long
def test_plugin_must_be_installed_on_the_workers(on_ray):
    on_ray.manager.register(sys.modules[__name__], "elsewhere")
    on_ray.write(TEXTS)
    with pytest.raises(PluginError, match=r"worker .*: unknown encoder 'elsewhere'"):
        on_ray.solution(encoder="{type: elsewhere}", extra=RAY).ingest()


@pytest.mark.long
def test_vicinal_must_be_installed_on_the_workers(on_ray, tmp_path, monkeypatch):
    """A module that is here alone stands for vicinal, which the workers of this machine have."""
    (tmp_path / "only_here.py").write_text("class Worker:\n    def prepare(self, settings): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(ray_pool, "EncodeWorker", importlib.import_module("only_here").Worker)
    on_ray.write(TEXTS)
    reason = (
        "vicinal cannot be imported on a worker of the Ray cluster: ModuleNotFoundError: No module named 'only_here'"
    )
    with pytest.raises(PluginError, match=reason):
        on_ray.solution(extra=RAY).ingest()


@pytest.mark.long
def test_file_that_workers_do_not_see_is_a_failure_that_says_so(on_ray, monkeypatch):
    monkeypatch.chdir(on_ray.folder)
    (on_ray.folder / "here.txt").write_text("a b c")  # the workers' current folder is another one
    (on_ray.folder / "there.txt").write_text("a b c")
    solution = on_ray.solution(encoder="{type: alphabet}", extra=RAY)
    solution.source = ListSource(
        [Item("seen", on_ray.folder / "there.txt"), Item("unseen", Path("here.txt")), Item("gone", Path("gone.txt"))]
    )
    assert solution.ingest().failed == 2
    reasons = {found.key: found.message for found in solution.failures()}
    assert reasons["unseen"].endswith("has no such file; all workers need the files under the same paths")
    assert reasons["gone"].startswith("FileNotFoundError")


@pytest.mark.long
def test_no_worker_fits(on_ray):
    on_ray.write(TEXTS)
    solution = on_ray.solution("auto", extra="ingest: {engine: ray, ray: {num_gpus: 1}}")
    with pytest.raises(
        VicinalError, match="no worker fits into the Ray cluster: one needs CPU 1, GPU 1; the cluster has CPU 2, GPU 0"
    ):
        solution.ingest()
    solution = on_ray.solution("one", extra="ingest: {engine: ray, ray: {workers: 1, num_gpus: 1, start_timeout: 2}}")
    with pytest.raises(VicinalError, match="no worker was ready within 2 s: one needs CPU 1, GPU 1"):
        solution.ingest()
