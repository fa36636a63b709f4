"""The connection to a Ray cluster for one run, which keeps Ray's own output away from the terminal.

ray is imported when a run uses it, and not before.
"""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vicinal.config.ray_config import RayConfig, find_missing_ray
from vicinal.errors import DependencyError, VicinalError

__all__ = ["RaySession", "require_ray"]

_CONNECT_SECONDS = 5.0


def require_ray() -> None:
    """Check that ray is installed.

    Raises:
        DependencyError: it is not.
    """
    if command := find_missing_ray():
        raise DependencyError("ingest.engine: ray needs the package ray, which is not installed", hint=command)


class RaySession:
    """A connection to Ray; what this session has started or connected to ends with ``close``.

    A program that has called ``ray.init`` itself keeps its connection.
    """

    def __init__(self, config: RayConfig) -> None:
        """Connect.

        Raises:
            DependencyError: ray is not installed.
            VicinalError: there is no cluster at the address, or none can be started.
        """
        require_ray()
        import ray

        self.ray: Any = ray
        self._is_own = not ray.is_initialized()
        if self._is_own:
            self._connect(config.address)

    def close(self) -> None:
        """Disconnect; a Ray that was started for this session ends."""
        if self._is_own:
            with _keep_sigterm_handler():
                self.ray.shutdown()
            self.ray._private.worker._worker_logs_enabled = True

    def _connect(self, address: str) -> None:
        if address not in ("auto", "local"):
            _require_reachable(address)
        logging.getLogger("ray").setLevel(logging.ERROR)
        self.ray._private.worker._worker_logs_enabled = False  # else a lost worker is reported on stdout
        try:
            with _keep_sigterm_handler():
                self.ray.init(
                    None if address == "auto" else address,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
        except Exception as error:  # of any class: a node that does not start in time is a plain Exception
            raise VicinalError(
                f"Ray cannot be used (ingest.ray.address: {address}): {error}",
                hint="`ray status` shows a cluster; `address: local` starts a Ray for the run",
            ) from error


def _require_reachable(address: str) -> None:
    """Check that something listens there; Ray itself would try for a minute.

    Raises:
        VicinalError: nothing does.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise VicinalError(
            f"no Ray cluster responds at {address} (ingest.ray.address): {error}",
            hint="`ray start --head` starts one there; `ingest.ray.address: local` starts a Ray for the run",
        ) from error


@contextmanager
def _keep_sigterm_handler() -> Iterator[None]:
    """Ray replaces the handler of SIGTERM, which is the program's."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
