"""Recommendation at the size of the largest MovieLens: 25 million interactions of 162,000 users with 59,000 items.

The interactions are generated, in MovieLens' format: each user has two of forty tastes, and takes two thirds of the
films from these and a third from all, the popular ones more often. They are made in a temporary folder (0.6 GB); a
process of its own then ingests the films, which learns first. Printed are

read, learn, ingest      seconds, and the ingest without the first two in items a second
peak memory              of that process, with Milvus Lite in it and Redis beside it
state                    what is kept of the interactions in Redis, and how large Redis is as a whole
a list                   milliseconds of ``search("user:N", limit=10)`` for random users, one after another
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv

import common
from common import Results, median, temporary_folder
from memory import read_status_mb
from vicinal import Solution

TASTES = 40
USERS_AT_ONCE = 2_000
MAX_STATE_MB, MAX_LIST_MS = 300.0, 5.0
_USER_SPREAD = 1.2
"""Of the logarithms of how many films users have rated; the sum is then about the number that is asked for."""
_DUPLICATES = 1.42
"""How many more films are drawn than are distinct."""


def main() -> None:
    parser = common.create_parser(__doc__)
    parser.add_argument("--interactions", type=int, default=25_000_000, metavar="N", help="about so many (25,000,000)")
    parser.add_argument("--users", type=int, default=162_000, metavar="N", help="(162,000)")
    parser.add_argument("--items", type=int, default=59_000, metavar="N", help="(59,000)")
    parser.add_argument("--lists", type=int, default=1_000, metavar="N", help="users that are asked for (1,000)")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.child, options.users, options.lists)))
        return
    results = Results(options.json)
    with temporary_folder() as where:
        made = write_movielens(where, options.interactions, options.users, options.items)
        command = [sys.executable, __file__, "--child", str(where), "--users", str(options.users)]
        done = subprocess.run([*command, "--lists", str(options.lists)], check=True, stdout=subprocess.PIPE, text=True)
        figures = json.loads(done.stdout.splitlines()[-1])
    title = f"{made:,} interactions of {options.users:,} users with {options.items:,} items"
    results.add("recommend_scale", title, build_rows(figures, options.items))
    results.print()


def build_rows(figures: dict[str, Any], items: int) -> list[dict[str, Any]]:
    """A row for each figure; lists are shown as their median and range."""
    middle, slow = median(figures["list_ms"]), float(np.percentile(figures["list_ms"], 95))
    state = figures["state_mb"]
    return [
        {"": "read and learn, s", "figure": figures["fit_s"]},
        {"": "ingest of the items, s", "figure": figures["ingest_s"]},
        {"": "items a second", "figure": items / figures["ingest_s"]},
        {"": "peak memory, MB", "figure": figures["peak_mb"]},
        {"": "state, MB", "figure": state, "target": MAX_STATE_MB, "met": "yes" if state < MAX_STATE_MB else "no"},
        {"": "Redis, MB", "figure": figures["redis_mb"]},
        {"": "first list of a new process, s", "figure": figures["first_s"]},
        {"": "a list, ms", "figure": middle, "target": MAX_LIST_MS, "met": "yes" if middle < MAX_LIST_MS else "no"},
        {"": "a list, 95th percentile, ms", "figure": slow},
    ]


def write_movielens(folder: Path, interactions: int, users: int, items: int) -> int:
    """Write ``ratings.csv`` and ``movies.csv``; returns how many ratings there are."""
    rng = np.random.default_rng(common.SEED)
    tastes = rng.integers(0, TASTES, items)
    weights = 1 / np.arange(20, items + 20)
    rng.shuffle(weights)
    groups = [np.flatnonzero(tastes == taste) for taste in range(TASTES)]
    draws = rng.lognormal(4.3, _USER_SPREAD, users)
    draws = np.maximum(20, draws * interactions * _DUPLICATES / draws.sum()).astype(int)
    common.write_lines(
        folder / "movies.csv",
        ["movieId,title,genres", *(f"{item + 1},Film {item + 1} (2000),Genre{tastes[item]}" for item in range(items))],
    )
    written = 0
    schema = pa.schema({"userId": pa.int64(), "movieId": pa.int64(), "rating": pa.float64(), "timestamp": pa.int64()})
    with csv.CSVWriter(folder / "ratings.csv", schema, write_options=csv.WriteOptions(quoting_style="none")) as writer:
        for first in range(0, users, USERS_AT_ONCE):
            block = [
                draw_films(rng, number, weights, [groups[taste] for taste in rng.integers(0, TASTES, 2)])
                for number in draws[first : first + USERS_AT_ONCE]
            ]
            owners = np.repeat(np.arange(first, first + len(block)), [len(films) for films in block])
            films = np.concatenate(block)
            columns = [owners + 1, films + 1, rng.integers(1, 11, len(films)) / 2, 10**9 + np.arange(len(films))]
            writer.write_table(pa.table(columns, schema=schema))
            written += len(films)
    return written


def draw_films(rng: np.random.Generator, number: int, weights: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """About ``number`` films, a third of them from all and a third from each group, by their weights; none twice."""
    drawn = []
    for group in (np.arange(len(weights)), *groups):
        bounds = np.cumsum(weights[group])
        drawn.append(group[np.searchsorted(bounds, rng.random(number // 3) * bounds[-1])])
    return np.unique(np.concatenate(drawn))


def measure(folder: Path, users: int, lists: int) -> dict[str, Any]:
    """Learn, ingest and ask, in this process."""
    file = folder / "films.yaml"
    file.write_text(
        f"name: films\nsource: {{type: movielens, path: '{folder}'}}\n"
        f"encoder: {{type: als, interactions: {{path: '{folder}'}}}}\nfields: {{genre: varchar(64)}}\n"
    )
    with Solution.from_yaml(file) as solution:
        fit_s = common.measure_seconds(solution.fit)
        ingest_s = common.measure_seconds(solution.ingest)
        peak_mb = read_status_mb("VmHWM")
        state_mb = len(solution.metadata.fitted_state.load()) / 1e6
        redis_mb = solution.metadata.call("info", "memory")["used_memory"] / 1e6
    started = time.perf_counter()
    with Solution.from_yaml(file) as solution:
        solution.search("user:1")
        first_s = time.perf_counter() - started
        queries = [f"user:{user}" for user in np.random.default_rng(1).integers(1, users + 1, lists)]
        list_ms = [1_000 * common.measure_seconds(lambda query=query: solution.search(query)) for query in queries]
    return {
        "fit_s": fit_s, "ingest_s": ingest_s, "peak_mb": peak_mb, "state_mb": state_mb, "redis_mb": redis_mb,
        "first_s": first_s, "list_ms": list_ms,
    }  # fmt: skip


if __name__ == "__main__":
    main()
