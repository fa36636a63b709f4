"""Near-equal items among many: are all planted pairs found, and no others, against a comparison of all with all?

Vectors of 128 dimensions lie in 1,000 clusters; 500 of them have a second one beside them, at a cosine of 0.955 to 1.
A plain comparison of all in double precision says which groups there are at a cosine of 0.95. Printed are, for each way

found, missed, invented   groups of those, and of ``find_duplicates``
seconds                   of ``find_duplicates``, in a process that has ingested the vectors
memory                    by how many MB that has raised the process's peak
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import common
from common import Results, open_solution, temporary_folder
from memory import read_status_mb
from vicinal import Solution, find_duplicates

DIMENSION, CLUSTERS, PAIRS, SIMILARITY = 128, 1_000, 500, 0.95


def main() -> None:
    parser = common.create_parser(__doc__)
    parser.add_argument("--rows", type=int, default=50_000, metavar="N", help="how many vectors (50,000)")
    parser.add_argument("--milvus", metavar="URI", help="a server; by default Milvus Lite")
    parser.add_argument("--no-exact", action="store_true", help="through the index alone")
    options = parser.parse_args()
    results = Results(options.json)
    with temporary_folder() as where:
        vectors = make_vectors(options.rows)
        truth = find_groups(vectors)
        np.save(where / "vectors.npy", vectors)
        lines = common.write_lines(where / "rows.txt", [str(row) for row in range(len(vectors))])
        encoder, source = f"{{type: rows, path: '{where / 'vectors.npy'}'}}", f"{{type: lines, path: '{lines}'}}"
        with open_solution(where, source, encoder, milvus=options.milvus) as solution:
            seconds = common.measure_seconds(solution.ingest)
            print(f"  {len(vectors):,} vectors ingested in {seconds:.1f} s", file=sys.stderr, flush=True)
            ways = (False,) if options.no_exact else (False, True)
            rows = [measure(solution, truth, is_exact) for is_exact in ways]
            index = solution.status()["index"]["type"]
    results.add("duplicates", f"{len(vectors):,} vectors, {len(truth):,} groups at {SIMILARITY}, index {index}", rows)
    results.print()


def make_vectors(count: int) -> np.ndarray:
    """Clustered vectors of length 1, the last 500 near to others; ``(count, dimension)`` float32."""
    rng = np.random.default_rng(common.SEED)
    centers = _scale(rng.standard_normal((CLUSTERS, DIMENSION)))
    noise = rng.standard_normal((count - PAIRS, DIMENSION)) / DIMENSION**0.5
    vectors = _scale(centers[rng.integers(0, CLUSTERS, count - PAIRS)] + 0.6 * noise)
    originals = vectors[rng.choice(len(vectors), PAIRS, replace=False)]
    aside = rng.standard_normal(originals.shape)
    aside = _scale(aside - (aside * originals).sum(axis=1, keepdims=True) * originals)
    cosines = rng.uniform(0.955, 1.0, (PAIRS, 1))
    planted = cosines * originals + np.sqrt(1 - cosines**2) * aside
    return np.concatenate([vectors, planted]).astype(np.float32)


def _scale(vectors: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def find_groups(vectors: np.ndarray) -> set[frozenset[int]]:
    """The groups that pairs of the similarity connect, by comparing all with all."""
    vectors = _scale(vectors.astype(np.float64))
    groups: dict[int, frozenset[int]] = {}
    for start in range(0, len(vectors), 1_000):
        near = np.argwhere(vectors[start : start + 1_000] @ vectors.T >= SIMILARITY)
        for one, other in near[near[:, 0] + start < near[:, 1]].tolist():
            pair = (one + start, other)
            joined = frozenset(pair).union(*(groups.get(row, ()) for row in pair))
            groups |= dict.fromkeys(joined, joined)
    return set(groups.values())


def measure(solution: Solution, truth: set[frozenset[int]], is_exact: bool) -> dict[str, Any]:
    before = read_status_mb("VmHWM")
    report = find_duplicates(solution, SIMILARITY, exact=is_exact)
    found = {frozenset(int(item.key) - 1 for item in group.items) for group in report.groups}
    return {
        "": "all with all" if is_exact else "through the index",
        "found": len(found & truth),
        "missed": len(truth - found),
        "invented": len(found - truth),
        "seconds": report.seconds,
        "memory": read_status_mb("VmHWM") - before,
    }


if __name__ == "__main__":
    main()
