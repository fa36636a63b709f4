"""The map of a solution's items: computed in the background, and kept until the collection changes."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from vicinal.errors import NothingIndexedError
from vicinal.quality.colors import color_by, find_fields
from vicinal.quality.kept_reports import Version, read_version
from vicinal.quality.map.item_map import ItemMap, build_map
from vicinal.quality.map.projection_process import ProjectionProcess
from vicinal.server.jobs import Jobs
from vicinal.solution.solution import Solution

__all__ = ["Maps"]

_MAX_POINTS = 2_000
_MAX_FIELDS = 12


class Maps:
    """The newest map of one solution. Its items are read on a thread, and placed by another process."""

    def __init__(self, solution: Solution, jobs: Jobs) -> None:
        self._solution = solution
        self._jobs = jobs
        self._pool = ThreadPoolExecutor(1, f"vicinal-map-{solution.name}")
        self._project = ProjectionProcess()
        self._lock = threading.Lock()
        self._building: Future[tuple[Version, dict[str, Any]]] | None = None
        self._version: Version | None = None
        self._latest: dict[str, Any] | None = None

    def get(self) -> dict[str, Any] | None:
        """The newest map as JSON shows it, None while the first one is computed; a missing or old one is computed anew.

        While a job writes, an old one is left as it is.

        Raises:
            NothingIndexedError: fewer than two items are indexed.
        """
        state = self._solution.metadata.state()
        if (items := int(state.get("items", 0))) < 2:
            found = "one item" if items else "nothing"
            raise NothingIndexedError(f"{found} is indexed in {self._solution.name!r}", hint="a map takes two items")
        with self._lock:
            return self._get_latest(read_version(state))

    def _get_latest(self, version: Version) -> dict[str, Any] | None:
        if self._building is not None and self._building.done():
            building, self._building = self._building, None
            self._version, self._latest = building.result()
        is_current = self._latest is not None and version == self._version
        if not is_current and self._building is None and not (self._latest and self._jobs.is_active):
            self._building = self._pool.submit(self._build_map, version)
        return None if self._latest is None else {**self._latest, "is_current": is_current}

    def close(self) -> None:
        """End what is being computed."""
        self._project.close()
        self._pool.shutdown(cancel_futures=True)

    def _build_map(self, version: Version) -> tuple[Version, dict[str, Any]]:
        built = build_map(self._solution, limit=_MAX_POINTS, thumbnails=False, projector=self._project)
        return version, _to_json(built)


def _to_json(built: ItemMap) -> dict[str, Any]:
    fields = [color_by(name, built.metadata) for name in list(find_fields(built.metadata))[:_MAX_FIELDS]]
    return {
        **{name: value for name, value in built.to_dict().items() if name not in ("color", "thumbnails", "seed")},
        "summary": built.summary,
        "fields": [
            {"name": one.field, "kind": one.kind, "categories": one.categories, "values": one.values} for one in fields
        ],
        "points": [
            {"key": key, "label": label, "x": round(float(x), 4), "y": round(float(y), 4)}
            for key, label, (x, y) in zip(built.keys, built.labels, built.coordinates, strict=True)
        ],
    }
