"""The throughput that `vicinal bench` tells, against a bare loop over `MilvusClient.search` in as many processes.

    MILVUS_URI=http://127.0.0.1:19530 .venv/bin/python benchmarks/bench_clients.py

Both take turns on one collection of a server. Target: 0.95.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import common
from vicinal.bench.clients import measure_throughput
from vicinal.bench.collection import BenchCollection
from vicinal.bench.config import GeneratedData
from vicinal.bench.search_request import Search
from vicinal.bench.vectors import GeneratedVectors
from vicinal.config.models import IndexConfig
from vicinal.stores.milvus_engine import choose_index
from vicinal.types import Space

ROWS, DIMENSION, LIMIT = 50_000, 128, 10
BARE = """
import sys, time
import numpy as np
from pymilvus import MilvusClient
uri, name, path, seconds = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
queries = np.load(path)
client = MilvusClient(uri)
params = {"metric_type": "L2", "params": {"ef": 64}}
client.search(name, data=[queries[0]], limit=10, search_params=params)
print("ready", flush=True)
sys.stdin.readline()
count, started = 0, time.perf_counter()
while time.perf_counter() - started < seconds:
    client.search(name, data=[queries[count % len(queries)]], limit=10, search_params=params)
    count += 1
print(count / (time.perf_counter() - started), flush=True)
"""


def measure_bare_loop(uri: str, name: str, queries: Path, clients: int, seconds: float) -> float:
    """Queries a second of so many bare processes, which begin together."""
    command = [sys.executable, "-c", BARE, uri, name, str(queries), str(seconds)]
    environment = {**os.environ, "MILVUS_URI": ""}
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(clients)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    rates = [float(process.stdout.readline()) for process in processes]
    for process in processes:
        process.wait()
    return sum(rates)


def main() -> None:
    parser = common.create_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="turns of each (3)")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="of a turn (5)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16], metavar="N", help="processes (1 4 16)")
    options = parser.parse_args()
    uri = os.environ.get("MILVUS_URI") or sys.exit("set MILVUS_URI to a server")
    vectors = GeneratedVectors(GeneratedData(type="generated", rows=ROWS, dimension=DIMENSION))
    queries = vectors.read_queries(1_000)
    results = common.Results(options.json)
    with TemporaryDirectory() as folder, BenchCollection("clients", DIMENSION, uri, token=None, timeout=30) as stored:
        np.save(Path(folder) / "queries.npy", queries)
        prepare(stored, vectors)
        rows = []
        for clients in options.clients:
            index = choose(stored)
            search = Search(uri, "", stored.name, LIMIT, index.search_params(LIMIT))
            contenders = {
                "vicinal bench": lambda clients=clients, search=search: (
                    measure_throughput(search, queries, clients, options.seconds).qps
                ),
                "bare loop": lambda clients=clients: measure_bare_loop(
                    uri, stored.name, Path(folder) / "queries.npy", clients, options.seconds
                ),
            }
            taken = common.run_rounds(contenders, options.rounds)
            ratios = [ours / bare for ours, bare in zip(taken["vicinal bench"], taken["bare loop"], strict=True)]
            met = "yes" if common.median(ratios) >= 0.95 else "no"
            rows.append({"": f"{clients} clients", **taken, "vicinal / it": ratios, "target": 0.95, "met": met})
        stored.drop()
    results.add("clients", f"Queries a second, {ROWS:,} vectors of {DIMENSION}, HNSW", rows)
    results.print()


def choose(stored: BenchCollection):
    config = IndexConfig(type="HNSW", metric="L2", params={"M": 16, "efConstruction": 100}, search={"ef": 64})
    return choose_index(config, Space(DIMENSION, "float", "L2"), stored.engine, ROWS)


def prepare(stored: BenchCollection, vectors: GeneratedVectors) -> None:
    stored.recreate()
    for first, block in vectors.iter_blocks():
        stored.insert(first, block, 10_000)
    stored.flush()
    started = time.perf_counter()
    stored.build_index(choose(stored))
    stored.load()
    print(f"  indexed in {time.perf_counter() - started:.1f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
