"""What an index is under load: many clients, many queries in a request, and filters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vicinal.bench.clients import measure_throughput
from vicinal.bench.collection import BenchCollection
from vicinal.bench.config import BenchConfig
from vicinal.bench.measure import measure_latency, measure_recall, summarize_latencies
from vicinal.bench.search_request import Search
from vicinal.bench.truth import Truth
from vicinal.stores.milvus_engine import Index

__all__ = ["LoadMeasurement"]


@dataclass(frozen=True, slots=True)
class LoadMeasurement:
    """Measurements of a loaded index; each returns what is recorded of it, by VectorDBBench's names where it has one.

    Milvus Lite answers within this process, so its clients reach it as they would a server.
    """

    collection: BenchCollection
    config: BenchConfig
    truth: Truth
    rows: int
    say: Callable[[str], None]

    def clients(self, index: Index) -> dict[str, Any]:
        """Queries in a second of 1 to 64 clients."""
        rows: list[dict[str, Any]] = []
        for clients in self.config.clients:
            rows.append({"clients": clients, **self._search_for_a_while(index, clients, 1)})
            self.say(f"{index.type}, {clients} clients: {rows[-1]['qps']:,.0f} queries/s, p99 {rows[-1]['p99']:.1f} ms")
        return {
            "qps": max(row["qps"] for row in rows),
            "conc_num_list": [row["clients"] for row in rows],
            "conc_qps_list": [row["qps"] for row in rows],
            "conc_latency_avg_list": [row["avg"] for row in rows],
            "conc_latency_p95_list": [row["p95"] for row in rows],
            "conc_latency_p99_list": [row["p99"] for row in rows],
        }

    def batches(self, index: Index) -> dict[str, Any]:
        """Queries in a second of one client that sends 1 to 1,000 in a request."""
        rows: list[dict[str, Any]] = []
        longest = 2 * self.config.seconds
        milliseconds = 0.0  # of a query, in the batch before
        for batch in self.config.batches:
            if (expected := milliseconds * batch / 1000) > longest:
                rows.append({"batch": batch, "unknown": f"a request would take {expected:.0f} s"})
                continue
            rows.append({"batch": batch, **self._search_for_a_while(index, 1, batch)})
            milliseconds = rows[-1]["p50"] / batch
            self.say(f"{index.type}, {batch:,} queries in a request: {rows[-1]['qps']:,.0f} queries/s")
        return {"batches": rows}

    def filters(self, index: Index) -> dict[str, Any]:
        """Recall and latency where a filter leaves a part of the rows."""
        rows: list[dict[str, Any]] = []
        limit = self.config.limit
        for share in self.config.filters:
            recall = measure_recall(self.collection, index, self.truth, limit, self.rows, share)
            latency = measure_latency(self.collection, index, self.truth.queries, limit, self.config.seconds, share)
            rows.append({"share": share, "recall": recall, "latency_ms": latency})
            self.say(
                f"{index.type}, filter of {share:.0%}: recall@{limit} {recall['value']:.4f}, p50 {latency['p50']} ms"
            )
        return {"filters": rows}

    def _search_for_a_while(self, index: Index, clients: int, batch: int) -> dict[str, Any]:
        limit = self.config.limit
        address, token = self.collection.address, self.config.stores.token or ""
        search = Search(address, token, self.collection.name, limit, index.search_params(limit), batch=batch)
        found = measure_throughput(search, self.truth.queries, clients, self.config.seconds)
        return {"qps": round(found.qps, 1), **summarize_latencies(found.latencies)}
