"""What a client's process does. Its imports are made once, in the process from which all clients are forked."""

from __future__ import annotations

import time
from threading import BrokenBarrierError
from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal.stores.milvus_client import import_client
from vicinal.toolkit.slices import iter_slices

if TYPE_CHECKING:
    from vicinal.bench.search_request import Search

__all__ = ["run_client"]

import_client()
from pymilvus import MilvusClient  # noqa: E402 - after what it would read from the environment

_WAIT_SECONDS = 120.0


def run_client(search: Search, queries: np.ndarray, number: int, seconds: float, barrier: Any, results: Any) -> None:
    """Connect, wait for the others, search; put (seconds, latencies), or an error's text, into ``results``."""
    try:
        client = MilvusClient(search.address, token=search.token)
        requests = _make_requests(queries, search.batch, number)
        _send_request(client, search, requests[0])
        barrier.wait(_WAIT_SECONDS)
        results.put(_search_for_seconds(client, search, requests, seconds))
    except BrokenBarrierError:
        results.put("another client failed")
    except Exception as error:
        barrier.abort()
        results.put(f"{type(error).__name__}: {str(error)[:300]}")


def _search_for_seconds(
    client: MilvusClient, search: Search, requests: list[Any], seconds: float
) -> tuple[float, np.ndarray]:
    latencies: list[float] = []
    started = now = time.perf_counter()
    while now - started < seconds:
        _send_request(client, search, requests[len(latencies) % len(requests)])
        before, now = now, time.perf_counter()
        latencies.append(now - before)
    return now - started, np.array(latencies)


def _send_request(client: MilvusClient, search: Search, vectors: Any) -> None:
    client.search(
        search.collection, data=vectors, limit=search.limit, filter=search.filter, search_params=dict(search.params)
    )


def _make_requests(queries: np.ndarray, batch: int, number: int) -> list[Any]:
    """The queries in an order of this client's own, so many for each request; fewer ones are repeated."""
    order = np.random.default_rng(number).permutation(len(queries))
    order = np.resize(order, max(len(order) // batch, 1) * batch)
    return [list(queries[part]) for part in iter_slices(order, batch)]
