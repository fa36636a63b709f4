"""What a search through vicinal costs beyond its parts.

For each query, in an order that changes: ``Solution.search(query, limit=10)``, and the same by hand: the same
encoder object's ``decode_query`` and ``encode``, the same client's ``MilvusClient.search`` with the same parameters and
output fields, and one Redis pipeline of the ten HGETs. The overhead is the median over the queries of the difference;
the difference of the two medians, which a noisy machine moves more, stands above it. Model, index and connections are
warm for both.

texts      3,000 texts of 15 to 120 words, MiniLM; queries of 5 to 12 words.
molecules  3,000 molecules, Morgan fingerprints. On Milvus Lite, which has no binary vectors, vicinal looks at 40
           candidates at least to make the ten best exact; by hand the same 40 are fetched, but not ranked.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import common
from common import Results, median, open_solution, temporary_folder
from vicinal import Solution
from vicinal.stores.milvus_engine import Index
from vicinal.types import item_id

TARGET = 1.5
LIMIT = 10


def main() -> None:
    parser = common.create_parser(__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="texts, molecules; both by default")
    parser.add_argument("--rows", type=int, default=3_000, metavar="N", help="rows (3,000)")
    parser.add_argument("--queries", type=int, default=400, metavar="N", help="queries (400)")
    milvus = next((os.environ[name] for name in ("MILVUS_URI", "VICINAL_TEST_MILVUS") if os.environ.get(name)), None)
    parser.add_argument("--milvus", default=milvus, metavar="URI", help="a Milvus server, too")
    parser.add_argument("--profile", action="store_true", help="print what cProfile says of the searches, to stderr")
    options = parser.parse_args()
    if unknown := set(options.parts) - {"texts", "molecules"}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    results = Results(options.json)
    for milvus in dict.fromkeys([None, options.milvus]):
        engine = "Milvus server" if milvus else "Milvus Lite"
        for part in options.parts or ("texts", "molecules"):
            title = f"{engine}, {options.rows:,} {part}, {options.queries} queries one by one, in ms"
            results.add(f"{part} {engine}".replace(" ", "_").lower(), title, compare(part, milvus, options))
    results.print()


def compare(part: str, milvus: str | None, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The rows of one table: both ways step by step, and their differences."""
    rows, queries, encoder = _generate_data(part, options)
    with temporary_folder() as where:
        path = common.write_lines(where / "rows.txt", rows)
        source = f"{{type: lines, path: '{path}'}}"
        with open_solution(where, source, f"{{type: {encoder}}}", milvus=milvus) as solution:
            report = solution.ingest()
            assert report.rows == len(rows), report
            by_hand = Plain(solution)
            for query in queries[:20]:
                solution.search(query, limit=LIMIT)
                by_hand.search(query)
            mine, plain = _search_in_turns(solution, by_hand, queries)
            if options.profile:
                _profile_searches(solution, queries)
    steps = ("decode", "encode", "search", "metadata", "total")
    table: list[dict[str, Any]] = []
    for name, taken in {"vicinal": mine, "by hand": plain}.items():
        rest = [total - sum(parts) for *parts, total in zip(*(taken[step] for step in steps), strict=True)]
        row = {**{step: round(median(taken[step]), 3) for step in steps[:-1]}, "around": round(median(rest), 3)}
        table.append(
            {"": name, **row, "total": round(median(taken["total"]), 3), "quartiles": _format_quartiles(taken["total"])}
        )
    apart = {step: round(table[0][step] - table[1][step], 3) for step in (*steps[:-1], "around", "total")}
    pairs = {step: [a - b for a, b in zip(mine[step], plain[step], strict=True)] for step in steps}
    less = {step: round(median(pairs[step]), 3) for step in steps}
    met = "yes" if less["total"] <= TARGET else "no"
    return [
        *table,
        {"": "difference of medians", **apart},
        {
            "": "median of differences",
            **less,
            "quartiles": _format_quartiles(pairs["total"]),
            "target": TARGET,
            "met": met,
        },
    ]


def _generate_data(part: str, options: argparse.Namespace) -> tuple[list[str], list[str], str]:
    if part == "texts":
        return common.generate_texts(options.rows), common.generate_texts(options.queries, 5, 12, seed=11), "sentence"
    smiles = common.generate_molecules(options.rows + options.queries)
    return smiles[: options.rows], smiles[-options.queries :], "morgan"


class Plain:
    """The same search without vicinal: encoder, Milvus, Redis."""

    def __init__(self, solution: Solution) -> None:
        self.encoder, self.store = solution.encoder, solution.vectors
        self.client: Any = solution.vectors._client
        self.redis = solution.metadata
        index = Index(**solution.metadata.state()["index"])
        self.wanted = max(32, 4 * LIMIT) if solution.vectors.uses_sparse_bits else LIMIT
        self.given = {
            "collection_name": solution.vectors.alias,
            "anns_field": "vector",
            "limit": self.wanted,
            "output_fields": solution.vectors._row_format.output_fields,
            "search_params": index.search_params(self.wanted),
        }

    def search(self, query: str) -> tuple[list[str], dict[str, float]]:
        clock = [time.perf_counter()]
        segments = self.encoder.decode_query(query)
        clock.append(time.perf_counter())
        vectors = self.encoder.encode([segment.sample for segment in segments])
        if self.encoder.space.kind == "binary":
            vectors = [row["vector"] for row in self.store.vector_columns(vectors)]
        clock.append(time.perf_counter())
        hits = self.client.search(data=list(vectors), **self.given)[0]
        clock.append(time.perf_counter())
        keys = [hit["entity"]["item"] for hit in hits[:LIMIT]]
        pipe = self.redis.client.pipeline(transaction=False)
        for key in keys:
            id_ = item_id(key)
            pipe.hget(self.redis.buckets.key_of("meta", id_), id_.to_bytes(8, "big"))
        assert all(pipe.execute())
        clock.append(time.perf_counter())
        spent = [(after - before) * 1000 for before, after in pairwise(clock)]
        names = ("decode", "encode", "search", "metadata")
        return keys, {**dict(zip(names, spent, strict=True)), "total": (clock[-1] - clock[0]) * 1000}


def _search_in_turns(
    solution: Solution, by_hand: Plain, queries: Sequence[str]
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    mine: dict[str, list[float]] = {}
    plain: dict[str, list[float]] = {}

    def through_vicinal(query: str) -> list[str]:
        started = time.perf_counter()
        found = solution.search(query, limit=LIMIT)
        spent = {**found.timings_ms, "total": (time.perf_counter() - started) * 1000}
        for step, value in spent.items():
            mine.setdefault(step, []).append(value)
        return [hit.key for hit in found]

    def without(query: str) -> list[str]:
        keys, spent = by_hand.search(query)
        for step, value in spent.items():
            plain.setdefault(step, []).append(value)
        return keys

    for number, query in enumerate(queries):
        first, second = (through_vicinal, without) if number % 2 else (without, through_vicinal)
        found = {first.__name__: first(query), second.__name__: second(query)}
        assert solution.vectors.uses_sparse_bits or set(found["through_vicinal"]) == set(found["without"]), query
    return mine, plain


def _format_quartiles(values: Sequence[float]) -> str:
    ordered = sorted(values)
    return f"{ordered[len(ordered) // 4]:.2f}–{ordered[3 * len(ordered) // 4]:.2f}"


def _profile_searches(solution: Solution, queries: Sequence[str]) -> None:
    profile = cProfile.Profile()
    profile.enable()
    for query in queries:
        solution.search(query, limit=LIMIT)
    profile.disable()
    stats = pstats.Stats(profile, stream=sys.stderr)
    stats.sort_stats("tottime").print_stats(25)
    stats.sort_stats("cumulative").print_stats(45)


if __name__ == "__main__":
    main()
