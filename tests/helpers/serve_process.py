"""`vicinal serve` as a process of its own, which finds the tests' encoders as it finds any installed plugin."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx

from servers import ROOT


class Process:
    def __init__(self, process, url):
        self.process = process
        self.url = url
        self.port = int(url.rpartition(":")[2])
        self.client = httpx.Client(base_url=url, timeout=60)

    def __getattr__(self, method):
        return getattr(self.client, method)

    @property
    def streams(self):
        """How many event streams are open."""
        return int(float(re.search(r"^vicinal_event_streams (\S+)$", self.get("/metrics").text, re.M)[1]))


def environment(folder, settings):
    """An environment in which the tests' encoders are a distribution with an entry point."""
    info = folder / "vicinal_tests-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vicinal-tests\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vicinal]\ntests = encoders\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VICINAL_")}
    given = {f"VICINAL_{name.upper()}": str(value) for name, value in {"warm": 0, **settings}.items()}
    return {**kept, **given, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests" / "helpers"), str(folder)])}


@contextmanager
def process_of(yaml, files="-Sn 1024", **settings):
    """A server of this YAML file, which ends well; ``files`` is what ulimit is told before."""
    program = [sys.executable, "-c", "from vicinal.cli import main; raise SystemExit(main())"]
    command = ["sh", "-c", f'ulimit {files}; exec "$@"', "sh", *program, "serve", yaml, "--port", "0"]
    said = yaml.with_suffix(".log")
    with (
        said.open("w") as log,
        subprocess.Popen(
            command, env=environment(yaml.parent, settings), stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            line = process.stdout.readline()
            found = re.fullmatch(r"serving \S+ at (http://127\.0\.0\.1:\d+) \(Ctrl-C ends it\)\n", line)
            assert found, (line, said.read_text())
            made = Process(process, found[1])
            with made.client:
                yield made
        finally:
            process.send_signal(signal.SIGINT)
            try:
                assert process.wait(30) == 0
            finally:
                process.kill()
    assert said.read_text() == ""
