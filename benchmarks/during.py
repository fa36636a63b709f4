"""How long searches take during an ingest run, as on a server that indexes new items.

300 texts of 40 to 120 words are indexed; then 2,000 more are, by the same encoder (MiniLM), while queries are
searched one at a time, or 16 in one batch, as a server batches them. The same is measured on an idle solution.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `vicinal serve` does; numpy reads it when it is imported

import common
from common import Results, temporary_folder
from vicinal import Solution
from vicinal.types import SearchRequest

PAUSE = 0.02
WORDS = (40, 120)


def main() -> None:
    parser = common.create_parser(__doc__)
    parser.add_argument("--texts", type=int, default=2_000, metavar="N", help="texts that the run indexes (2,000)")
    options = parser.parse_args()
    queries = common.generate_texts(500, 5, 12, seed=11)
    table = []
    for size in (1, 16):
        with temporary_folder() as where:
            path = common.write_lines(where / "rows.txt", common.generate_texts(300, *WORDS))
            with common.open_solution(where, f"{{type: lines, path: '{path}'}}", "{type: sentence}") as solution:
                solution.ingest()
                idle = _measure_searches(solution, queries, size, _make_deadline(5.0))
                common.write_lines(
                    path, common.generate_texts(300, *WORDS) + common.generate_texts(options.texts, *WORDS, seed=5)
                )
                run = threading.Thread(target=solution.ingest)
                began = time.perf_counter()
                run.start()
                time.sleep(0.5)  # until it encodes
                busy = _measure_searches(solution, queries, size, lambda run=run: not run.is_alive())
                run.join()
                took = time.perf_counter() - began
        for name, taken in (("nothing else", idle), (f"a run of {took:.0f} s", busy)):
            table.append({"queries at once": size, "beside": name, "searches": len(taken), **_summarize(taken)})
        print(f"  {size} at once: done", file=sys.stderr, flush=True)
    results = Results(options.json)
    results.add("during", f"Searches while {options.texts:,} texts are indexed, in ms", table)
    results.print()


def _measure_searches(solution: Solution, queries: Sequence[str], size: int, ended: Callable[[], bool]) -> list[float]:
    taken: list[float] = []
    solution.search_many([SearchRequest(query) for query in queries[:size]])
    while not ended():
        start = len(taken) * size % (len(queries) - size)
        at = time.perf_counter()
        solution.search_many([SearchRequest(query) for query in queries[start : start + size]])
        taken.append((time.perf_counter() - at) * 1000)
        time.sleep(PAUSE)
    return taken


def _make_deadline(seconds: float) -> Callable[[], bool]:
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() > end


def _summarize(taken: Sequence[float]) -> dict[str, float]:
    ordered = sorted(taken)
    return {"p50": ordered[len(ordered) // 2], "p90": ordered[len(ordered) * 9 // 10], "longest": ordered[-1]}


if __name__ == "__main__":
    main()
