"""`vicinal serve` in a process of its own, in which the tests' encoders are an installed plugin."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx

from servers import ROOT


class ServerProcess:
    """A running server, and an HTTP client of it."""

    def __init__(self, process, url, log_file):
        self.process = process
        self.log_file = log_file
        self.url = url
        self.port = int(url.rpartition(":")[2])
        self.http = httpx.Client(base_url=url, timeout=60)

    def __getattr__(self, method):
        return getattr(self.http, method)

    @property
    def open_streams(self):
        """The number of open event streams."""
        return int(float(re.search(r"^vicinal_event_streams (\S+)$", self.get("/metrics").text, re.M)[1]))


def make_plugin_environment(folder, settings):
    """Return environment variables with which the tests' encoders are a distribution with an entry point."""
    info = folder / "vicinal_tests-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vicinal-tests\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vicinal]\ntests = encoders\ntest-files = file_encoders\n")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("VICINAL_")}
    variables = {f"VICINAL_{name.upper()}": str(value) for name, value in {"preload_models": 0, **settings}.items()}
    return {**inherited, **variables, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests" / "helpers"), str(folder)])}


@contextmanager
def run_server_process(yaml, ulimit="-Sn 1024", log_pattern="", **settings):
    """Serve this YAML file while the block runs; the process must exit with 0 and log what the pattern says."""
    program = [sys.executable, "-c", "from vicinal.cli import main; raise SystemExit(main())"]
    command = ["sh", "-c", f'ulimit {ulimit}; exec "$@"', "sh", *program, "serve", yaml, "--port", "0"]
    log_file = yaml.with_suffix(".log")
    with (
        log_file.open("w") as log,
        subprocess.Popen(
            command, env=make_plugin_environment(yaml.parent, settings), stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            line = process.stdout.readline()
            found = re.fullmatch(r"serving \S+ at (http://127\.0\.0\.1:\d+) \(Ctrl-C stops it\)\n", line)
            assert found, (line, log_file.read_text())
            server = ServerProcess(process, found[1], log_file)
            with server.http:
                yield server
        finally:
            process.send_signal(signal.SIGINT)
            try:
                assert process.wait(30) == 0
            finally:
                process.kill()
    assert re.fullmatch(log_pattern, log_file.read_text(), re.S)
