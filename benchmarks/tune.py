"""Whether ``vicinal tune`` ends with an index that is good enough, and nearly as quick as the best there is.

It stores clustered vectors, tunes with several seeds, and asks each choice with queries that were never near the
collection: recall on them has to reach the target. A sweep over all types, build parameters and efforts then shows the
quickest index that reaches it; the choice's latency, timed in turn with that one's, is to be within 20%.

    benchmarks/tune.py --rows 20000                      # on Milvus Lite
    benchmarks/tune.py --rows 200000 --milvus URI        # on a server
    benchmarks/tune.py --fashion-mnist                   # Debian's package dataset-fashion-mnist
"""

from __future__ import annotations

import gzip
import sys
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from common import Results, create_parser, measure_seconds, open_solution, temporary_folder, write_lines
from vicinal import Encoder, Segment, Solution, Space, hookimpl, tune
from vicinal.config.indexes import INDEXES
from vicinal.quality.tuning.latency import measure_latency
from vicinal.quality.tuning.queries import QuerySet
from vicinal.quality.tuning.shadow import ShadowCollection
from vicinal.quality.tuning.truth import Truth, read_truth
from vicinal.quality.tuning.variants import exact_index, list_neighbors, list_variants, reorder_more
from vicinal.stores.milvus_engine import Index

FASHION = Path("/usr/share/datasets/fashion-mnist")
UNSEEN = 2_000
LIMIT = 10
STEP = 1.25
vectors = np.zeros((0, 1), np.float32)
"""What is stored: the content of an item is the number of a row."""


class Rows(Encoder):
    """The row of ``vectors`` of an item's number."""

    samples_are_text = True
    encode_batch_size = 2_000

    @property
    def space(self) -> Space:
        return Space(vectors.shape[1], "float", "L2")

    @property
    def signature(self) -> str:
        return f"rows/{vectors.shape[1]}"

    def decode(self, item: Any) -> list[Segment]:
        return [Segment(int(item.content))]

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        return vectors[list(samples)]


@hookimpl
def register_encoders(encoders: Any) -> None:
    encoders.add("array", f"{__name__}:Rows", summary="of the benchmarks: rows of an array")


@dataclass(frozen=True)
class Setting:
    """An index with its effort, and how long a search takes."""

    index: Index
    milliseconds: float


def make_clusters(rows: int, dimension: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors around centres of unequal size, and others of the same kind to ask with."""
    rng = np.random.default_rng(seed)
    count = max(8, rows // 200)
    centres = rng.standard_normal((count, dimension)).astype(np.float32)
    shares = rng.pareto(1.5, count) + 0.05
    owners = rng.choice(count, rows + UNSEEN, p=shares / shares.sum())
    spread = rng.uniform(0.3, 0.9, count).astype(np.float32)
    noise = rng.standard_normal((rows + UNSEEN, dimension)).astype(np.float32)
    made = centres[owners] + spread[owners, None] * noise
    return made[:rows], made[rows:]


def read_fashion(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """60,000 pictures of clothes of 28 x 28 pixels, and 2,000 of the 10,000 to ask with."""

    def read(name: str) -> np.ndarray:
        with gzip.open(folder / f"{name}-images-idx3-ubyte.gz") as file:
            return np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784).astype(np.float32)

    return read("train"), read("t10k")[:UNSEEN]


class Examiner:
    """Knows the true neighbours of queries that are in no collection, and asks indexes with them."""

    def __init__(self, solution: Solution, shadow: ShadowCollection, unseen: np.ndarray) -> None:
        self._shadow = shadow
        queries = QuerySet("log", list(unseen), unseen, None)
        truths, _ = read_truth(solution, queries, LIMIT, {"": None}, shadow.add_rows)
        shadow.seal_rows(exact_index(solution, shadow.rows))
        self._truth: Truth = truths[""]
        self._queries = queries

    def ask_all(self, index: Index) -> float:
        """The recall over all unseen queries."""
        self._shadow.set_search(index)
        found = self._shadow.search(self._queries.vectors, LIMIT)
        return float(self._truth.compute_recalls(0, found).mean())

    def time(self, index: Index) -> float:
        self._shadow.set_search(index)
        vectors = self._queries.vectors
        return measure_latency(
            lambda vector: self._shadow.search([vector], LIMIT), vectors, rounds=5, calls=60, seconds=1.0
        ).p50


def list_builds(solution: Solution, rows: int) -> list[Index]:
    """Each type with its default build parameters, and with a quarter to four times as many cells or edges."""
    found: dict[str, Index] = {}
    for index in list_variants(solution, rows, LIMIT, ()):
        around = [index]
        for _ in range(2):
            around += [other for one in around for other in list_neighbors(one, {})]
        found |= {f"{one.type} {one.params}": one for one in around}
    return list(found.values())


def sweep(examiner: Examiner, shadow: ShadowCollection, builds: Sequence[Index], target: float) -> list[Setting]:
    """For each build, and for each number of candidates to reorder, the least effort that reaches the target."""
    found: list[Setting] = []
    seen: set[str] = set()
    for index in builds:
        built = shadow.build(index)
        if f"{built.type} {built.params}" in seen:
            continue
        seen.add(f"{built.type} {built.params}")
        searched: Index | None = built
        while searched is not None:
            if setting := find_least_effort(examiner, searched, target):
                found.append(Setting(setting, examiner.time(setting)))
                log(f"sweep: {describe(setting)}, {found[-1].milliseconds:.2f} ms")
            searched = reorder_more(searched, LIMIT)
    return found


def find_least_effort(examiner: Examiner, index: Index, target: float) -> Index | None:
    """The least effort of a grid by steps of a quarter that reaches the target; None where none does.

    Recall grows with the effort, so the grid is halved again and again.
    """
    effort = INDEXES[index.type].search_effort
    grid = [LIMIT if effort in INDEXES[index.type].at_least_limit else 1]
    while (more := max(grid[-1] + 1, int(grid[-1] * STEP))) <= int(index.params.get("nlist", 4_096)):
        grid.append(more)
    settings = [replace(index, search={**index.search, effort: value}) for value in grid]
    place = bisect_left(settings, True, key=lambda setting: examiner.ask_all(setting) >= target)
    return settings[place] if place < len(settings) else None


def describe(index: Index) -> str:
    return f"{index.type} {dict(index.params)} {dict(index.search)}"


def log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def to_index(solution: Solution, report: Any) -> Index:
    exact = exact_index(solution, report.rows)
    chosen = report.chosen
    return replace(
        exact, type=chosen.type, engine_type=chosen.type, params=dict(chosen.params), search=dict(chosen.search)
    )


def time_in_turn(
    examiner: Examiner, shadow: ShadowCollection, settings: Sequence[Index], rounds: int
) -> list[list[float]]:
    """Milliseconds of each setting in each round; an index is built anew in each."""
    times: list[list[float]] = [[] for _ in settings]
    for _ in range(rounds):
        for taken, setting in zip(times, settings, strict=True):
            shadow.build(setting)
            taken.append(examiner.time(setting))
    return times


def main() -> None:
    global vectors
    parser = create_parser(__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--seeds", type=int, default=10, help="how often to tune")
    parser.add_argument("--first-seed", type=int, default=0, help="of those, since ten may take hours")
    parser.add_argument("--rounds", type=int, default=3, help="of timing the choices and the best of the sweep in turn")
    parser.add_argument("--milvus", metavar="URI", help="a server; by default Milvus Lite")
    parser.add_argument(
        "--fashion-mnist", nargs="?", type=Path, const=FASHION, metavar="DIR", help=f"the pictures in DIR, or {FASHION}"
    )
    parser.add_argument("--no-sweep", action="store_true", help="only tune, and ask each choice")
    parser.add_argument("--defaults-only", action="store_true", help="tune with default build parameters alone")
    arguments = parser.parse_args()
    if arguments.fashion_mnist:
        vectors, unseen = read_fashion(arguments.fashion_mnist)
    else:
        vectors, unseen = make_clusters(arguments.rows, arguments.dimension, 7)
    results = Results(arguments.json)
    with temporary_folder() as folder:
        write_lines(folder / "rows.txt", [str(number) for number in range(len(vectors))])
        source = f"{{type: lines, path: {folder / 'rows.txt'}}}"
        with open_solution(
            folder, source, "{type: array}", milvus=arguments.milvus, plugin=sys.modules[__name__]
        ) as solution:
            log(f"stored in {measure_seconds(solution.ingest):.0f} s")
            run(solution, unseen, arguments, results)
    results.print()


def run(solution: Solution, unseen: np.ndarray, arguments: Any, results: Results) -> None:
    reports = []
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    for seed in seeds:
        report = tune(solution, arguments.recall, seed=seed, defaults_only=arguments.defaults_only, on_step=log)
        log(f"seed {seed}: {report.chosen.describe()}, {report.reason}; {report.seconds:.0f} s")
        reports.append(report)
    with ShadowCollection(solution) as shadow:
        examiner = Examiner(solution, shadow, unseen)
        choices = [to_index(solution, report) for report in reports]
        different = {describe(index): index for index in choices}
        recalls = {}
        for name, index in different.items():
            shadow.build(index)
            recalls[name] = examiner.ask_all(index)
        rows = [
            {
                "seed": seed,
                "chosen": describe(index),
                "recall on unseen queries": recalls[describe(index)],
                "target": arguments.recall,
                "met": "yes" if recalls[describe(index)] >= arguments.recall else "no",
                "tuning s": report.seconds,
            }
            for seed, index, report in zip(seeds, choices, reports, strict=True)
        ]
        results.add("tune", f"{report.rows:,} rows on {report.engine}, recall@{LIMIT} {arguments.recall}", rows)
        if arguments.no_sweep:
            return
        swept = sorted(
            sweep(examiner, shadow, list_builds(solution, shadow.rows), arguments.recall),
            key=lambda setting: setting.milliseconds,
        )
        exact = exact_index(solution, shadow.rows)
        best = [exact, *(setting.index for setting in swept[:3])]
        times = time_in_turn(examiner, shadow, [*best, *different.values()], arguments.rounds)
        add_latencies(results, best, list(different.values()), times)


def add_latencies(
    results: Results, best: Sequence[Index], choices: Sequence[Index], times: Sequence[Sequence[float]]
) -> None:
    """The choices against the quickest of the sweep, by the least of each one's times."""
    quickest = min(min(taken) for taken in times[: len(best)])
    rows = []
    for place, (index, taken) in enumerate(zip([*best, *choices], times, strict=True)):
        is_choice = place >= len(best)
        rows.append(
            {
                "": "chosen" if is_choice else "exact" if not place else "sweep",
                "index": describe(index),
                "ms": list(taken),
                "against the best": min(taken) / quickest,
                **({"target": 1.2, "met": "yes" if min(taken) <= 1.2 * quickest else "no"} if is_choice else {}),
            }
        )
    results.add("latency", "median latency of one client, in turn", rows)


if __name__ == "__main__":
    main()
