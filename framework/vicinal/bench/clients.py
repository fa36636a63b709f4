"""Throughput of several clients, each a process of its own: threads would share one interpreter's lock."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from queue import Empty
from typing import TYPE_CHECKING, Any

from vicinal.bench.search_request import Search
from vicinal.errors import StoreError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Throughput", "measure_throughput"]

_END_SECONDS = 1.0
"""A process that has told its result is given so long to end by itself."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """Queries in a second of all clients together, and the seconds that requests took."""

    qps: float
    latencies: np.ndarray


def measure_throughput(search: Search, queries: np.ndarray, clients: int, seconds: float) -> Throughput:
    """Let so many clients search for so long, all at once; a request that has begun is waited for and counted.

    The processes are forked from one that has imported Milvus' client already: 64 of them begin within a second, not a
    minute.

    Raises:
        StoreError: a client's search fails.
    """
    import numpy as np

    from vicinal.bench.client_process import run_client

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vicinal.bench.client_process"])
    barrier, results = context.Barrier(clients), context.Queue()
    processes = [
        context.Process(target=run_client, args=(search, queries, number, seconds, barrier, results), daemon=True)
        for number in range(clients)
    ]
    try:
        for process in processes:
            process.start()
        found = list(_collect_results(results, processes))
    finally:
        for process in processes:
            if process.pid is not None:
                process.join(_END_SECONDS)
                process.kill()
    if failures := [result for result in found if isinstance(result, str)]:
        raise StoreError(f"a client's search failed: {failures[0]}")
    rates = [len(latencies) * search.batch / elapsed for elapsed, latencies in found]
    return Throughput(float(sum(rates)), np.concatenate([latencies for _, latencies in found]))


def _collect_results(results: Any, processes: Sequence[Any]) -> Iterator[Any]:
    """A result of each process.

    Raises:
        StoreError: all have ended, and one of them without a result: it was killed.
    """
    for _ in processes:
        while True:
            ended = not any(process.is_alive() for process in processes)
            try:
                yield results.get(timeout=1)
                break
            except Empty:
                if ended:
                    raise StoreError("a client's process was killed", hint="there may be too little memory") from None
