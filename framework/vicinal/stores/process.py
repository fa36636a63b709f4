"""How this process is named where another one is told that it holds a lock."""

from __future__ import annotations

import os
import socket
from pathlib import Path

__all__ = ["describe_process"]


def describe_process() -> str:
    """This process as a person would look for it."""
    try:
        words = Path("/proc/self/cmdline").read_bytes().decode(errors="replace").split("\0")
        command = " ".join([Path(words[0]).name, *(Path(words[1]).name, *words[2:])]) if len(words) > 1 else ""
    except OSError:
        command = ""
    command = " ".join(command.split())[:100]
    return f"process {os.getpid()} on {socket.gethostname()}" + (f" ({command})" if command else "")
