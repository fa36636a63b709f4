"""``project_vectors`` in a process of its own: UMAP compiles and computes for seconds, and threads would wait."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from vicinal.quality.map.projection import Method, Projection, project_vectors
from vicinal.types import Metric

__all__ = ["ProjectionProcess"]

_VECTORS, _RESULT = "vectors.npy", "result.npz"
_NICENESS = 5


class ProjectionProcess:
    """Called as ``project_vectors``, it starts a process that computes the same at low priority, and waits for it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    def __call__(self, vectors: np.ndarray, metric: Metric, seed: int = 0, method: Method | None = None) -> Projection:
        """
        Raises:
            RuntimeError: the process failed, or was ended by ``close``.
        """
        with TemporaryDirectory(prefix="vicinal-map-") as folder:
            np.save(Path(folder, _VECTORS), vectors)
            arguments = [folder, metric, str(seed), method or ""]
            with self._lock:
                if self._is_closed:
                    raise RuntimeError("no map is computed any more: the process is closed")
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", __name__, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                )
            with self._process:
                try:
                    _, errors = self._process.communicate()
                except BaseException:  # an interrupted caller leaves no process behind
                    self._process.kill()
                    raise
            if code := self._process.returncode:
                raise RuntimeError(f"the map's process ended with code {code}: {errors.decode(errors='replace')}")
            with np.load(Path(folder, _RESULT)) as result:
                neighbors, kept = int(result["neighbors"]), float(result["neighbors_kept"])
                return Projection(result["coordinates"], str(result["method"]), neighbors, kept)  # type: ignore[arg-type]

    def close(self) -> None:
        """End the process that is running, and start no other."""
        with self._lock:
            self._is_closed = True
            if self._process is not None:
                self._process.kill()


def _run_projection(folder: Path, metric: Metric, seed: str, method: Method | None) -> None:
    os.nice(_NICENESS)
    placed = project_vectors(np.load(folder / _VECTORS), metric, int(seed), method)
    np.savez(
        folder / _RESULT,
        coordinates=placed.coordinates,
        method=placed.method,
        neighbors=placed.neighbors,
        neighbors_kept=placed.neighbors_kept,
    )


if __name__ == "__main__":
    _run_projection(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] or None)  # type: ignore[arg-type]
