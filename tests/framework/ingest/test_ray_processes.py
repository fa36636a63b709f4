"""Ingest on a Ray of its own: a command that starts one and is ended, and a machine of a cluster that is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

import ray_helpers
from ingest_helpers import Observer, assert_consistent

TEXTS = [(f"k{number}", f"text {number} of some", number) for number in range(300)]


@pytest.mark.long
def test_a_lost_machine_costs_nothing(lite, tmp_path):
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason="ray is not installed")
    assert not cluster_utils.ray.is_initialized(), "the run would use that connection"
    lite.write(TEXTS)
    with ray_helpers.plugins_for_workers(tmp_path / "plugins"):
        cluster = cluster_utils.Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        node = cluster.add_node(num_cpus=1)
    try:
        extra = f"ingest: {{engine: ray, batch_size: 20, ray: {{address: '{cluster.address}', workers: 2}}}}"
        solution = lite.solution(encoder="{type: hashed, pause: 0.1}", extra=extra)
        observer = Observer(on_first_batch=lambda: cluster.remove_node(node, allow_graceful=False))
        lite.manager.register(observer, "observer")
        assert solution.ingest().new == len(TEXTS)
        assert_consistent(solution, len(TEXTS))
    finally:
        cluster.shutdown()


class Command:
    """Runs `vicinal ingest` on texts that take a while, in a process group of its own, as a terminal does."""

    def __init__(self, folder):
        self.env = {**os.environ, "PYTHONPATH": ray_helpers.install_plugins(folder / "plugins")}
        rows = [f"{key},{text},{year}" for key, text, year in TEXTS]
        (folder / "items.csv").write_text("\n".join(["key,text,year", *rows]) + "\n")
        self.yaml = folder / "texts.yaml"
        self.yaml.write_text(
            "name: texts\nsource: {type: table, path: items.csv, key: key, content: text}\n"
            "encoder: {type: hashed, pause: 0.6}\n"
            "ingest: {engine: ray, batch_size: 20, ray: {address: local, workers: 2}}\n"
        )

    def start(self):
        program = "import sys; from vicinal.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", program, "ingest", str(self.yaml), "--json"]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.env, stdout=pipe, stderr=pipe, text=True, start_new_session=True)

    def run(self):
        process = self.start()
        output, errors = process.communicate(timeout=170)
        return process.returncode, output, [line for line in errors.splitlines() if "network_util" not in line]


def wait_for_workers(pid):
    """The processes of a command's Ray, once its two workers have begun."""
    deadline = time.monotonic() + 120
    while len(workers := ray_helpers.find_workers(pid)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    children = psutil.Process(pid).children(recursive=True)
    return [*workers, *(child for child in children if child.name() == "raylet")]


@pytest.mark.long
def test_command_prints_its_report_and_nothing_of_ray(tmp_path):
    command = Command(tmp_path)
    status, output, errors = command.run()
    assert (status, json.loads(output)["new"], errors) == (0, len(TEXTS), [])
    assert json.loads(command.run()[1])["unchanged"] == len(TEXTS)


@pytest.mark.long
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_command_that_is_ended_leaves_no_process_and_the_next_continues(tmp_path, end):
    command = Command(tmp_path)
    process = command.start()
    started = wait_for_workers(process.pid)
    assert len(started) == 3
    time.sleep(1)
    os.killpg(process.pid, end) if end == signal.SIGINT else process.kill()
    output, errors = process.communicate(timeout=100)
    assert process.returncode == (130 if end == signal.SIGINT else -signal.SIGKILL), errors
    _, alive = psutil.wait_procs(started, timeout=30)
    assert alive == []
    status, output, errors = command.run()
    assert (status, errors) == (0, [])
    report = json.loads(output)
    assert (report["seen"], report["failed"], report["rows"]) == (len(TEXTS), 0, len(TEXTS))
