"""The exact neighbours of a benchmark's queries, also among the rows that its filters leave; found once, and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicinal.bench.config import BenchConfig
from vicinal.bench.vectors import BUCKETS, VectorSet, to_buckets
from vicinal.toolkit.atomic_files import open_replacing

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Truth", "find_truth", "measure_agreement"]

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Truth:
    """Queries, and the ids and distances of their exact neighbours, for each share of the rows; nearest first.

    ``ids`` and ``distances`` are of shape (n, k); -1 and infinity where there are fewer.
    """

    queries: np.ndarray
    ids: Mapping[float, np.ndarray]
    distances: Mapping[float, np.ndarray]

    def save(self, path: Path) -> None:
        """Write it in one step, so that a killed process leaves no half of it."""
        import numpy as np

        arrays: dict[str, Any] = {"queries": self.queries}
        for share in self.ids:
            arrays |= {f"ids {share!r}": self.ids[share], f"distances {share!r}": self.distances[share]}
        with open_replacing(path) as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> Truth:
        import numpy as np

        with np.load(path, allow_pickle=False) as file:
            shares = [name.removeprefix("ids ") for name in file.files if name.startswith("ids ")]
            ids = {float(share): file[f"ids {share}"] for share in shares}
            distances = {float(share): file[f"distances {share}"] for share in shares}
            return cls(file["queries"], ids, distances)


def find_truth(
    vectors: VectorSet, rows: int, config: BenchConfig, limit: int, folder: Path, progress: Progress
) -> Truth:
    """The truth of the first ``rows`` vectors: read from the folder, or found in one pass over them.

    A pass over 1,000,000 vectors of 128 numbers for 1,000 queries and three filters takes about a minute of two cores.
    """
    parts = [vectors.fingerprint, rows, config.data.metric, config.queries, limit, *config.filters]
    path = folder / f"truth-{'-'.join(map(str, parts))}.npz"
    if not path.exists():
        _compute_truth(vectors, rows, config, limit, progress).save(path)
    return Truth.load(path)


def _compute_truth(vectors: VectorSet, rows: int, config: BenchConfig, limit: int, progress: Progress) -> Truth:
    import numpy as np

    from vicinal.toolkit.nearest import NearestNeighbors

    queries, metric, filters = config.queries, config.data.metric, config.filters
    asked = vectors.read_queries(queries)
    nearest = {share: NearestNeighbors(asked, limit, metric) for share in (1.0, *filters)}
    for first, block in vectors.iter_blocks(rows):
        ids, buckets = np.arange(first, first + len(block)), to_buckets(first, len(block))
        for share, found in nearest.items():
            kept = buckets < share * BUCKETS
            found.add(ids[kept], block[kept])
        progress("exact neighbours found in", first + len(block), rows)
    return Truth(
        asked,
        {share: found.ids for share, found in nearest.items()},
        {share: found.distances for share, found in nearest.items()},
    )


def measure_agreement(truth: Truth, given: np.ndarray) -> float:
    """Which share of the neighbours that the data tell are the ones found: a wrong metric or a cut file shows here."""
    import numpy as np

    count, limit = min(len(given), len(truth.queries)), min(given.shape[1], truth.ids[1.0].shape[1])
    found = truth.ids[1.0][:count, :limit]
    return float(
        np.mean([len(np.intersect1d(*pair)) / limit for pair in zip(found, given[:count, :limit], strict=True)])
    )
