"""Replicas of `vicinal serve` behind a real nginx, and clients that search and write through it."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager, suppress
from importlib.util import module_from_spec, spec_from_file_location

import httpx

from serve_process import make_plugin_environment
from servers import ROOT, free_port, wait_for_port, wait_until

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
_spec = spec_from_file_location("render_nginx", ROOT / "deploy" / "render_nginx.py")
render_nginx = module_from_spec(_spec)
_spec.loader.exec_module(render_nginx)


class Replica:
    """`vicinal serve` of one YAML file on a free port."""

    def __init__(self, yaml, log, **settings):
        self.address = f"127.0.0.1:{free_port()}"
        program = "from vicinal.cli import main; raise SystemExit(main())"
        command = [sys.executable, "-c", program, "serve", yaml, "--port", self.address.rpartition(":")[2]]
        with log.open("w") as file:
            self.process = subprocess.Popen(
                command, env=make_plugin_environment(yaml.parent, settings), stdout=file, stderr=file
            )

    def get(self, path):
        return httpx.get(f"http://{self.address}{path}", timeout=30)

    def wait_until_ready(self, seconds=90):
        def is_ready():
            assert self.process.poll() is None, "the replica ended while it started"
            with suppress(httpx.HTTPError):
                return self.get("/readyz").status_code == 200

        wait_until(is_ready, seconds)

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def run_replicas(yaml, count, **settings):
    """So many replicas, all ready, while the block runs."""
    replicas = [Replica(yaml, yaml.with_name(f"replica-{number}.log"), **settings) for number in range(count)]
    try:
        for replica in replicas:
            replica.wait_until_ready()
        yield replicas
    finally:
        for replica in replicas:
            if replica.process.poll() is None:
                replica.end(signal.SIGKILL)


class Nginx:
    """A real nginx by the rendered `deploy/nginx.conf`, in a folder of its own."""

    def __init__(self, folder, replicas):
        folder.mkdir()
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        addresses = [replica.address for replica in replicas]
        (folder / "nginx.conf").write_text(render_nginx.render(f"127.0.0.1:{self.port}", addresses))
        with (folder / "error.log").open("w") as log:
            self.process = subprocess.Popen(
                [NGINX, "-p", folder, "-c", "nginx.conf", "-e", "stderr"], stdout=log, stderr=log
            )
        wait_for_port(self.port, self.process, 20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)

    def read_log(self):
        """The requests so far; `tried` has the addresses of the replicas."""
        lines = [json.loads(line) for line in (self.folder / "access.log").read_text().splitlines()]
        return [{**line, "tried": line["tried"].split(", ")} for line in lines]


class Clients:
    """Clients on one event loop: each keeps a connection, and asks again once it has its answer."""

    def __init__(self, port, solution):
        self._port = port
        self._base = f"/api/{solution}"
        self._is_stopped = False
        self.searches = 0
        self.failed = []
        """What a search got that is not 200 with the right first hit, or the error of its connection."""
        self.written = []
        """The keys that were added."""
        self.refused = Counter()
        """Statuses of writes that were not 2xx and were tried again."""

    async def search_on(self, first, texts):
        """Search for text N, which item kN has, again and again."""
        connection = None
        number = first
        while not self._is_stopped:
            number = (number + 7) % texts
            try:
                connection = connection or await asyncio.open_connection("127.0.0.1", self._port)
                body = {"query": f"text {number}", "limit": 3}
                status, answer = await self._post(connection, "/search", body)
                if status != 200 or answer["hits"][0]["key"] != f"k{number}":
                    self.failed.append((time.monotonic(), status, answer))
            except (OSError, asyncio.IncompleteReadError) as error:
                self.failed.append((time.monotonic(), type(error).__name__, str(error)))
                connection = None
            self.searches += 1
        if connection:
            await _close(connection)

    async def write_on(self, name):
        """Add items, one after another; what is refused is sent again, as a client does that gets `Retry-After`."""
        connection = await asyncio.open_connection("127.0.0.1", self._port)
        number = 0
        while not self._is_stopped:
            key = f"{name}-{number}"
            status, _ = await self._post(connection, "/items", {"key": key, "content": f"written {key}"})
            if status < 300:
                self.written.append(key)
                number += 1
                await asyncio.sleep(0.05)
            else:
                self.refused[status] += 1
                await asyncio.sleep(0.2)
        await _close(connection)

    def stop(self):
        self._is_stopped = True

    async def _post(self, connection, path, body):
        reader, writer = connection
        data = json.dumps(body).encode()
        head = f"POST {self._base}{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        top = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", top, re.I)[1])
        return int(top.split()[1]), json.loads(await reader.readexactly(length))


async def _close(connection):
    connection[1].close()
    await connection[1].wait_closed()
