"""A Ray of this machine whose workers have the encoders of the tests, and an encoder that kills its worker."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import psutil

from encoders import Hashed
from vicinal import hookimpl

HELPERS = Path(__file__).parent
ENTRY_POINTS = "[vicinal]\ntests = encoders\ntests-ray = ray_helpers\n"


class Deadly(Hashed):
    """Kills its process at a text that says so, and raises an error at another."""

    def encode(self, samples):
        if any("kill" in sample for sample in samples):
            os.kill(os.getpid(), signal.SIGKILL)
        if any("explode" in sample for sample in samples):
            raise ZeroDivisionError("cannot encode explode")
        return super().encode(samples)


@hookimpl
def register_encoders(encoders):
    encoders.add("deadly", "ray_helpers:Deadly", summary="for tests")


def install_plugins(folder):
    """Install the encoders of the tests for processes that get this PYTHONPATH."""
    metadata = folder / "vicinal_tests-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: vicinal-tests\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    return os.pathsep.join([str(folder), str(HELPERS), os.environ.get("PYTHONPATH", "")])


@contextlib.contextmanager
def plugins_for_workers(folder):
    """The environment of a Ray that is started in this block."""
    before = dict(os.environ)
    os.environ |= {"PYTHONPATH": install_plugins(folder), "RAY_AUTH_MODE": "disabled"}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


@contextlib.contextmanager
def run_ray(folder, cpus=2):
    """A Ray of this machine, to which runs of this process connect."""
    import ray

    with plugins_for_workers(folder):
        ray.init("local", num_cpus=cpus, include_dashboard=False, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()


def find_workers(pid=None):
    """The processes of this process that encode."""
    found = psutil.Process(pid).children(recursive=True)
    return [process for process in found if _title(process).startswith("ray::EncodeWorker")]


def _title(process):
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""
