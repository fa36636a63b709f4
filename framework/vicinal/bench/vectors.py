"""The vectors of a benchmark, read in blocks: generated ones, or those of files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vicinal.bench.config import FilesData, GeneratedData
from vicinal.errors import SourceError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["BUCKETS", "Block", "FileVectors", "GeneratedVectors", "VectorSet", "open_vector_set", "to_buckets"]

BLOCK_ROWS = 10_000
BUCKETS = 1_000
"""Each row is in one of so many buckets, by its number; a filter leaves the first of them."""
_DIRECTIONS = 16
_PLANES = 16
_SPREAD, _NOISE = 0.35, 0.05

Block = tuple[int, "np.ndarray"]
"""The number of the first row, and the vectors, of shape (n, dimension)."""


class VectorSet(Protocol):
    """Vectors and queries; ``fingerprint`` differs where any of them differs."""

    @property
    def rows(self) -> int: ...
    @property
    def dimension(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...
    def read_queries(self, count: int) -> np.ndarray: ...
    def iter_blocks(self, rows: int | None = None) -> Iterator[Block]: ...
    def read_neighbors(self, count: int) -> np.ndarray | None: ...


class GeneratedVectors:
    """Clusters that each spread along 16 directions, as embeddings do, with a little noise along all of them.

    Block i comes from the seed and i, so that every part can be generated alone, and the first rows are the same
    whatever their number. Isotropic clusters would be a poor stand-in: in 128 dimensions all members of a cluster are
    equally far from each other, and no graph or cell helps to find the nearest.
    """

    def __init__(self, data: GeneratedData) -> None:
        import numpy as np

        self._data = data
        rng = np.random.default_rng([data.seed, 0])
        width = min(_DIRECTIONS, data.dimension)
        self._centers = rng.standard_normal((data.clusters, data.dimension), dtype=np.float32)
        self._planes = rng.standard_normal((_PLANES, width, data.dimension), dtype=np.float32)
        self.rows, self.dimension = data.rows, data.dimension

    @property
    def fingerprint(self) -> str:
        """That of all sizes: the first rows are the same."""
        return _hash_text(repr(self._data.model_copy(update={"rows": 0})))

    def read_queries(self, count: int) -> np.ndarray:
        """Vectors like those of the blocks, and none of them."""
        return self._generate_vectors([self._data.seed, 1], count)

    def iter_blocks(self, rows: int | None = None) -> Iterator[Block]:
        """The first ``rows`` vectors, by default all."""
        rows = self.rows if rows is None else min(rows, self.rows)
        for start in range(0, rows, BLOCK_ROWS):
            yield start, self._generate_vectors([self._data.seed, 2, start], min(BLOCK_ROWS, rows - start))

    def read_neighbors(self, count: int) -> np.ndarray | None:
        return None

    def _generate_vectors(self, seed: Sequence[int], count: int) -> np.ndarray:
        import numpy as np

        rng = np.random.default_rng(seed)
        clusters = rng.integers(0, len(self._centers), BLOCK_ROWS)[:count]
        places = rng.standard_normal((BLOCK_ROWS, self._planes.shape[1]), dtype=np.float32)[:count]
        noise = rng.standard_normal((BLOCK_ROWS, self.dimension), dtype=np.float32)[:count]
        vectors = self._centers[clusters] + _NOISE * noise
        for plane in range(_PLANES):
            chosen = clusters % _PLANES == plane
            vectors[chosen] += _SPREAD * (places[chosen] @ self._planes[plane])
        return vectors


class FileVectors:
    """Vectors of files, in the order of the files."""

    def __init__(self, data: FilesData) -> None:
        from vicinal.toolkit.vector_files import open_vectors

        self._data = data
        self._paths = _list_files(data.vectors)
        self._counts = []
        for path in self._paths:
            with open_vectors(path, data.columns[0]) as file:
                self._counts.append(file.count)
                self.dimension = file.dimension
        self.rows = sum(self._counts)

    @property
    def fingerprint(self) -> str:
        files = [*self._paths, self._data.queries]
        return _hash_text(repr([(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]))

    def read_queries(self, count: int) -> np.ndarray:
        return self._read_head(self._data.queries, self._data.columns[1], count)

    def read_neighbors(self, count: int) -> np.ndarray | None:
        """The numbers of the queries' nearest neighbours as the data tell them, of shape (n, k)."""
        if self._data.neighbors is None:
            return None
        return self._read_head(self._data.neighbors, self._data.columns[2], count)

    def iter_blocks(self, rows: int | None = None) -> Iterator[Block]:
        """The first ``rows`` vectors, by default all."""
        import numpy as np

        from vicinal.toolkit.vector_files import open_vectors

        left, first = self.rows if rows is None else min(rows, self.rows), 0
        for path in self._paths:
            with open_vectors(path, self._data.columns[0]) as file:
                for start in range(0, min(left, file.count), BLOCK_ROWS):
                    part = file.read(start, min(start + BLOCK_ROWS, left, file.count))
                    yield first + start, np.asarray(part, np.float32)
                left, first = left - min(left, file.count), first + file.count

    def _read_head(self, path: Path, column: str, count: int) -> np.ndarray:
        import numpy as np

        from vicinal.toolkit.vector_files import open_vectors

        with open_vectors(path, column) as file:
            head: np.ndarray = file.read(0, min(count, file.count))
        return head if np.issubdtype(head.dtype, np.integer) and column != "emb" else head.astype(np.float32)


def open_vector_set(data: GeneratedData | FilesData) -> VectorSet:
    """The vectors that a benchmark's YAML names.

    Raises:
        SourceError: a file is missing, or holds no vectors.
    """
    return GeneratedVectors(data) if isinstance(data, GeneratedData) else FileVectors(data)


def to_buckets(first: int, count: int) -> np.ndarray:
    """The buckets of rows from ``first`` on, which are as good as random: neighbours in the file differ in it."""
    import numpy as np

    numbers = np.arange(first, first + count, dtype=np.uint64)
    return ((numbers * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)).astype(np.int64) % BUCKETS


def _list_files(paths: Path | Sequence[Path]) -> list[Path]:
    given = [paths] if isinstance(paths, Path) else list(paths)
    found = [file for path in given for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    if not found:
        raise SourceError("there are no files of vectors", hint="see `data` in the benchmark's YAML")
    return found


def _hash_text(text: str) -> str:
    return blake2b(text.encode(), digest_size=6).hexdigest()
