"""How fast an ingest is whose batches two Ray workers of one core each encode, against this process alone.

texts     MiniLM on texts of 15 to 120 words, from a file of lines into embedded stores.
pictures  efficientnet_lite0 on the sample pictures, each read from many copies.

Every run is a process of its own. ``items/s`` is what is committed between the first batch and the last, without the
start of Ray, of workers and of models; ``whole`` is from the start of the run to its end, in seconds, with all of that.
On one machine the driver, which reads and writes, shares the cores with the workers; on a cluster it has its own. So
the processor time of an item is told apart: ``driver`` and ``workers``, in milliseconds. It says how many workers one
driver can keep busy, and depends little on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil

import common
from common import DATA, Results, compute_ratios, median, open_solution, temporary_folder
from program import Program
from vicinal import hookimpl

CONTENDERS = {
    "local, one core": (1, ""),
    "local, all cores": (None, ""),
    "Ray, one worker of one core": (None, "engine: ray, ray: {address: local, workers: 1}"),
    "Ray, two workers of one core": (None, "engine: ray, ray: {address: local, workers: 2}"),
}
REFERENCE = "local, one core"
BATCH = 32


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        run_child(*sys.argv[2:])
        return
    program = Program(__doc__, {"texts": measure_texts, "pictures": measure_pictures})
    program.parser.add_argument("--texts", type=int, default=6_000, metavar="N", help="texts (6,000)")
    program.parser.add_argument("--pictures", type=int, default=2_000, metavar="N", help="pictures (2,000)")
    program.run(program.parse_options())


def measure_texts(options: argparse.Namespace, results: Results) -> None:
    with temporary_folder() as where:
        path = common.write_lines(where / "texts.txt", common.generate_texts(options.texts))
        taken = _run_contenders(f"{{type: lines, path: '{path}'}}", "{type: sentence, batch_size: 32}", options.rounds)
    results.add("texts", f"{options.texts:,} texts of 15 to 120 words, MiniLM", _build_rows(taken))


def measure_pictures(options: argparse.Namespace, results: Results) -> None:
    with temporary_folder() as where:
        originals = sorted((DATA / "images").rglob("*.jpg"))
        folder = where / "pictures"
        folder.mkdir()
        for number in range(options.pictures):
            shutil.copy(originals[number % len(originals)], folder / f"{number}.jpg")
        encoder = "{type: efficientnet_lite0}"
        taken = _run_contenders(f"{{type: folder, path: '{folder}'}}", encoder, options.rounds)
    results.add("pictures", f"{options.pictures:,} pictures, efficientnet_lite0", _build_rows(taken))


def _run_contenders(source: str, encoder: str, rounds: int) -> dict[str, dict[str, list[float]]]:
    """For each contender the figures of its runs."""
    taken: dict[str, dict[str, list[float]]] = {name: {} for name in CONTENDERS}
    for number in range(rounds):
        for name in list(CONTENDERS)[:: -1 if number % 2 else 1]:
            command = [sys.executable, __file__, "--child", name, source, encoder]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            figures = json.loads(done.stdout.splitlines()[-1])
            for key, value in figures.items():
                taken[name].setdefault(key, []).append(value)
            print(f"  round {number + 1} of {rounds}: {name}, {1 / figures['steady']:.0f} items/s", file=sys.stderr)
    return taken


def _build_rows(taken: dict[str, dict[str, list[float]]]) -> list[dict[str, Any]]:
    steady = {name: each["steady"] for name, each in taken.items()}
    return [
        {
            "": name,
            "items/s": [1 / seconds for seconds in steady[name]],
            "ratio": median(compute_ratios(steady, REFERENCE, name)),
            **{key: taken[name][key] for key in ("driver", "workers", "whole")},
        }
        for name in taken
    ]


# --- in the child


class Pace:
    """When each batch was committed, how many items it had, and what processor time was taken until then."""

    def __init__(self) -> None:
        self._committed: list[tuple[int, float, float, float]] = []

    @hookimpl
    def batch_written(self, new: int) -> None:
        self._committed.append((new, time.perf_counter(), time.process_time(), _measure_workers()))

    def per_item(self) -> dict[str, float]:
        """Seconds, and milliseconds of processors, of an item between the first batch and the last."""
        items = sum(new for new, *_ in self._committed[1:])
        first, last = self._committed[0], self._committed[-1]
        seconds, driver, workers = ((last[column] - first[column]) / items for column in (1, 2, 3))
        return {"steady": seconds, "driver": 1000 * driver, "workers": 1000 * workers}


def _measure_workers() -> float:
    """Processor time that Ray's workers have taken, in seconds."""
    children = psutil.Process().children(recursive=True)
    workers = [child for child in children if "ray::EncodeWorker" in " ".join(child.cmdline())]
    return sum(sum(worker.cpu_times()[:2]) for worker in workers)


def run_child(name: str, source: str, encoder: str) -> None:
    """Ingest once, and print the figures."""
    cores, ingest = CONTENDERS[name]
    if cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
        os.environ["OMP_NUM_THREADS"] = str(cores)
    with (
        temporary_folder() as where,
        open_solution(where, source, encoder, extra=f"ingest: {{batch_size: {BATCH}, {ingest}}}") as solution,
    ):
        pace = Pace()
        solution.manager.register(pace, "pace")
        whole = _measure(solution.ingest)
        print(json.dumps({**pace.per_item(), "whole": whole}))


def _measure(ingest: Callable[[], Any]) -> float:
    reports: list[Any] = []
    seconds = common.measure_seconds(lambda: reports.append(ingest()))
    assert reports[0].failed == 0 and reports[0].new == reports[0].rows, reports[0]
    return seconds


if __name__ == "__main__":
    main()
