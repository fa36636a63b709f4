"""Servers that tests start: free ports, waiting for one to listen, ending it; and where the repository is."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
MILVUS = ROOT / ".venv-milvus" / "bin" / "milvus-server"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def wait_for_port(port, process, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended while it started"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens on port {port} after {seconds} s")


def wait_until(true, seconds=10):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)


def end(process):
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


MILVUS_PORTS = (
    "METRICS_PORT",
    "PROXY_INTERNALPORT",
    *(f"{part}_PORT" for part in ("ROOTCOORD", "DATACOORD", "QUERYCOORD", "DATANODE", "QUERYNODE", "INDEXNODE")),
)
MILVUS_INTERVALS = {
    "PROXY_TIMETICKINTERVAL": "100",
    "DATANODE_TIMETICK_INTERVAL": "100",
    "INDEXCOORD_SCHEDULER_INTERVAL": "100",
    "QUERYCOORD_CHECKINTERVAL": "50",
    "QUERYCOORD_CHECKSEGMENTINTERVAL": "50",
    "QUERYCOORD_CHECKCHANNELINTERVAL": "50",
    "QUERYCOORD_CHECKINDEXINTERVAL": "200",
    "QUERYCOORD_CHECKHANDOFFINTERVAL": "100",
    "QUERYCOORD_DISTPULLINTERVAL": "100",
    "QUERYCOORD_TASK_RETRYINTERVAL": "100",
    "QUERYCOORD_LEADERVIEWUPDATEINTERVAL": "0.1",
    "QUERYCOORD_UPDATENEXTTARGETINTERVAL": "0.2",
}
"""How often the server looks for something to do: loading 50 rows takes 1 s, not 3 to 4, and an idle server 0.05 of a
core, not 0.03. In milliseconds, the last two in seconds."""
ETCD = """\
name: default
listen-client-urls: http://127.0.0.1:{client}
advertise-client-urls: http://127.0.0.1:{client}
listen-peer-urls: http://127.0.0.1:{peer}
initial-advertise-peer-urls: http://127.0.0.1:{peer}
initial-cluster: default=http://127.0.0.1:{peer}
"""


class Milvus:
    """A real Milvus server with a folder and ports of its own, which a test may kill and start again."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.etcd = folder / "etcd.yaml"
        self.etcd.write_text(ETCD.format(client=free_port(), peer=free_port()))
        self._start_server(MILVUS, "--data", folder / "data", "--proxy-port", str(self.port))

    def kill(self):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def start_again(self):
        """On the same data and port: by its own binary, since the launcher takes another port if a client holds on."""
        data = self.folder / "data"
        variables = {
            "DEPLOY_MODE": "STANDALONE",
            "MILVUS_RUN_DIR": str(data / "run"),
            "LD_LIBRARY_PATH": str(data / "bin"),
        }
        self._start_server(data / "bin" / "milvus", "run", "standalone", cwd=data, **variables)

    def _start_server(self, *command, cwd=None, **variables):
        """Each part has a port of its own, so that two servers that start at once do not take each other's.

        The launcher chooses the port of the metrics itself.
        """
        ports = {name: str(free_port()) for name in MILVUS_PORTS}
        environment = {**os.environ, **ports, **MILVUS_INTERVALS, "ETCD_CONFIG_PATH": str(self.etcd), **variables}
        with (self.folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, cwd=cwd, env=environment
            )
        try:
            wait_for_port(self.port, self.process, 120)
            self._await_an_answer(60)
        except BaseException:
            self.kill()
            raise

    def _await_an_answer(self, seconds):
        from pymilvus import MilvusClient

        deadline = time.monotonic() + seconds
        while True:
            try:
                MilvusClient(self.uri, timeout=5).list_collections()
                return
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
