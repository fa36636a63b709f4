"""How fast, and in how much memory, vicinal writes vectors that exist already.

write      The whole of ``vicinal ingest`` (a .npy file is read, compared with the ledger, its rows written to Milvus
           and Redis, flushed, indexed and loaded) against a bare loop of ``MilvusClient.upsert`` in the same batches,
           which writes the same columns, flushes, builds the same index of all rows and loads it; and the loop alone.
again      A second run over the same file, stores reopened: nothing is written.
memory     Peak memory of a fresh process that ingests a quarter of the rows, and all. With a server, that is vicinal's
           own; Milvus Lite holds its rows and its index in the same process.

On Milvus Lite, or with ``--milvus`` (or MILVUS_URI) on a server. Vectors are clustered, from a seed. Contenders take
turns; a ratio compares two of the same round. Shown are medians, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from common import Results, compute_ratios, median, open_solution, run_rounds, temporary_folder
from memory import read_status_mb
from program import Program

BATCH_ROWS = 4096
TARGETS = {"ratio": 0.8, "rows/s": 10_000}
ENCODER = "{{type: vectors, dimension: {}, metric: L2}}"


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        measure_child(Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else None, sys.argv[5])
        return
    program = Program(__doc__, {"write": measure_write, "again": measure_again, "memory": measure_memory})
    program.parser.add_argument("--rows", type=int, default=50_000, metavar="N", help="vectors (50,000)")
    program.parser.add_argument("--dimension", type=int, default=128, metavar="N", help="their numbers (128)")
    program.parser.add_argument("--index", default="IVF_FLAT", metavar="TYPE", help="the index (IVF_FLAT)")
    program.parser.add_argument(
        "--milvus", default=os.environ.get("MILVUS_URI") or None, metavar="URI", help="a Milvus server"
    )
    program.run(program.parse_options())


def write_vectors(path: Path, rows: int, dimension: int, seed: int = 7) -> Path:
    """Write clustered vectors, a block at a time."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((1_000, dimension), np.float32) * 3
    written = np.lib.format.open_memmap(path, "w+", np.float32, (rows, dimension))
    for start in range(0, rows, BATCH_ROWS):
        count = min(BATCH_ROWS, rows - start)
        noise = rng.standard_normal((count, dimension), np.float32)
        written[start : start + count] = centers[rng.integers(len(centers), size=count)] + noise
    written.flush()
    return path


def describe(path: Path, dimension: int, index: str) -> tuple[str, str, str]:
    """The blocks of a YAML: the source, the encoder, and the index."""
    source = f"{{type: vectors, path: '{path}'}}"
    return source, ENCODER.format(dimension), f"index: {{type: {index}}}"


# --- write


def measure_write(options: argparse.Namespace, results: Results) -> None:
    with temporary_folder() as where:
        path = write_vectors(where / "vectors.npy", options.rows, options.dimension)
        loop_seconds: list[float] = []

        def run_bare() -> float:
            whole, loop = time_bare(options, path)
            loop_seconds.append(loop)
            return whole

        taken = run_rounds({"vicinal": lambda: time_vicinal(options, path), "bare": run_bare}, options.rounds)
    ratios = compute_ratios(taken, "bare", "vicinal")
    speeds = {name: [options.rows / each for each in times] for name, times in taken.items()}
    is_met = median(ratios) >= TARGETS["ratio"] and (
        median(speeds["vicinal"]) >= TARGETS["rows/s"] or median(speeds["bare"]) < TARGETS["rows/s"]
    )
    rows: list[dict[str, Any]] = [
        {"": "vicinal ingest", "rows/s": speeds["vicinal"], "ratio": ratios, "target": TARGETS["ratio"]},
        {"": "upsert, flush, index, load", "rows/s": speeds["bare"]},
        {"": "  upsert alone", "rows/s": [options.rows / each for each in loop_seconds]},
    ]
    rows[0]["met"] = "yes" if is_met else "no"
    where_ = options.milvus or "Milvus Lite"
    results.add("write", f"{options.rows:,} x {options.dimension} vectors on {where_}, {options.index}", rows)


def time_vicinal(options: argparse.Namespace, path: Path) -> float:
    source, encoder, index = describe(path, options.dimension, options.index)
    with (
        temporary_folder() as where,
        open_solution(where, source, encoder, milvus=options.milvus, extra=index) as solution,
    ):
        solution.open()
        started = time.perf_counter()
        report = solution.ingest()
        seconds = time.perf_counter() - started
        assert (report.new, report.rows) == (options.rows, options.rows), report
        return seconds


def time_bare(options: argparse.Namespace, path: Path) -> tuple[float, float]:
    """The seconds of a plain loop with all that makes it searchable, and of the loop."""
    from vicinal.config.models import IndexConfig
    from vicinal.stores.milvus_engine import choose_index
    from vicinal.types import Space

    space = Space(options.dimension, metric="L2")
    with open_store(options, space) as store:
        index = choose_index(IndexConfig(type=options.index), space, store.engine, options.rows)
        client, name = store._client, store.collection
        vectors = np.load(path, mmap_mode="r")
        started = time.perf_counter()
        for start in range(0, len(vectors), BATCH_ROWS):
            batch = vectors[start : start + BATCH_ROWS].tolist()
            rows = [
                {"id": row, "item": str(row), "segment": 0, "vector": vector} for row, vector in enumerate(batch, start)
            ]
            client.upsert(name, rows)
        loop = time.perf_counter() - started
        client.flush(name)
        params = client.prepare_index_params()
        build = {"params": index.params} if store.embedded else index.params
        params.add_index("vector", index_type=index.engine_type, metric_type=index.engine_metric, params=build)
        client.create_index(name, params)
        client.load_collection(name)
        # A server that merges segments meanwhile says Finished while the merged one has no index yet.
        while not store.embedded and client.describe_index(name, "vector")["pending_index_rows"]:
            time.sleep(0.2)
        whole = time.perf_counter() - started
        (found,) = client.query(name, "", output_fields=["count(*)"], consistency_level="Strong")
        assert found["count(*)"] == options.rows, found
        return whole, loop


@contextmanager
def open_store(options: argparse.Namespace, space: Any) -> Iterator[Any]:
    """An empty collection with the columns of vicinal's, dropped afterwards."""
    from vicinal.stores.milvus import Schema, VectorStore

    with temporary_folder() as where:
        location = options.milvus or str(where / "milvus.db")
        store = VectorStore(f"bare-{os.getpid()}", location, Schema(space, segmented=False, fields={}))
        store.create_collection(f"{store.alias}_v1")
        try:
            yield store
        finally:
            store.drop_collection()
            store.close()


# --- again


def measure_again(options: argparse.Namespace, results: Results) -> None:
    with temporary_folder() as where:
        path = write_vectors(where / "vectors.npy", options.rows, options.dimension)
        source, encoder, index = describe(path, options.dimension, options.index)
        with open_solution(where, source, encoder, milvus=options.milvus, extra=index) as solution:
            solution.ingest()

            def run_again() -> float:
                solution.close()
                started = time.perf_counter()
                report = solution.ingest()
                assert report.unchanged == options.rows, report
                return time.perf_counter() - started

            taken = run_rounds({"again": run_again}, options.rounds)["again"]
    rows = [{"": "again, unchanged", "seconds": taken, "rows/s": [options.rows / each for each in taken]}]
    results.add("again", f"{options.rows:,} x {options.dimension} vectors, unchanged", rows)


# --- memory


def measure_memory(options: argparse.Namespace, results: Results) -> None:
    rows: list[dict[str, Any]] = []
    with temporary_folder() as where:
        for count in (options.rows // 4, options.rows):
            path = write_vectors(where / "vectors.npy", count, options.dimension)
            command = [
                sys.executable,
                __file__,
                "--child",
                path,
                str(options.dimension),
                options.milvus or "",
                options.index,
            ]
            answers = [
                json.loads(
                    subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
                )
                for _ in range(options.rounds)
            ]
            peaks = [answer["peak"] for answer in answers]
            rows.append({"": f"{count:,} rows", "peak MB": peaks, "imported MB": [one["imported"] for one in answers]})
    results.add("memory", f"peak memory of a process that ingests, {options.milvus or 'Milvus Lite'}", rows)


def measure_child(path: Path, dimension: int, milvus: str | None, index: str) -> None:
    source, encoder, extra = describe(path, dimension, index)
    with (
        temporary_folder() as where,
        open_solution(where, source, encoder, milvus=milvus or None, extra=extra) as solution,
    ):
        solution.open()
        imported = read_status_mb("VmRSS")
        solution.ingest()
        print(json.dumps({"imported": imported, "peak": read_status_mb("VmHWM")}))


if __name__ == "__main__":
    main()
