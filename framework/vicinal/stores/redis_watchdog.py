"""Shuts an embedded redis-server down when no process uses it any more, even if the last one was killed with -9.

``embedded_redis`` runs this file as a script beside each server. It waits in the kernel for the lock that all users
share, which a killed process gives up as well, so that it takes no processor time, and 5 MB of memory. As a script
it has no path to installed packages and starts in 10 ms, so it imports nothing but the standard library.
"""

from __future__ import annotations

import fcntl
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["connect_to_socket", "shut_down_server", "try_lock"]

_RETRY_SECONDS = 5.0


def shut_down_when_unused(users: int, start: int, path: str) -> None:
    """Wait until no process holds the lock ``users``, and shut the server down.

    Args:
        users: a file descriptor of the lock that all users share.
        start: a file descriptor of the lock that a process holds while it becomes a user or ends being one.
        path: the server's socket.
    """
    while True:
        fcntl.flock(users, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_UN)
        fcntl.flock(start, fcntl.LOCK_EX)
        unused = try_lock(users)
        if unused and shut_down_server(path):
            return
        fcntl.flock(users, fcntl.LOCK_UN)
        fcntl.flock(start, fcntl.LOCK_UN)
        if unused:
            time.sleep(_RETRY_SECONDS)  # it cannot write its data, or hangs


def try_lock(file: int) -> bool:
    """Lock a file exclusively unless another process has it locked; tell whether it is locked now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def shut_down_server(path: str, timeout: float = 10.0) -> bool:
    """Have the server write its data and end; tell whether none runs any more."""
    try:
        connection = connect_to_socket(path)
    except OSError:
        return True
    with connection:
        connection.settimeout(timeout)
        try:
            connection.sendall(b"SHUTDOWN\r\n")
            refused = connection.recv(1024)  # it closes the connection, or says why it does not end
        except TimeoutError:
            return False
        except OSError:
            refused = b""
    if not refused:
        Path(path).unlink(missing_ok=True)
    return not refused


def connect_to_socket(path: str) -> socket.socket:
    """Connect to a unix socket.

    Raises:
        OSError: no process listens there.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        shut_down_when_unused(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
