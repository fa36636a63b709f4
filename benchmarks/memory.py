"""Peak memory of a fresh process that ingests few or many rows; the part ``memory`` of ingest.py.

Every figure is of the process that holds vicinal and, in it, Milvus Lite; Redis is a process of its own and left out.
The peak is VmHWM, the high-water mark of a process's own memory. (``ru_maxrss`` says the same, but Linux lets a process
inherit it from the one that started it.) The child runs this file with ``--child``.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import common
from common import Results, median, open_solution, temporary_folder

TARGET = 1.15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--memory-rows", type=int, nargs="+", default=[10_000, 60_000], metavar="N", help="memory: rows"
    )
    parser.add_argument(
        "--real", action="store_true", help="memory: with MiniLM and texts of 3 to 12 words, too (slow)"
    )
    parser.add_argument("--memory-rounds", type=int, default=1, metavar="N", help="memory: processes of each size (1)")


def measure_memory(options: argparse.Namespace, results: Results) -> None:
    """A table for each encoder: peaks, and where the memory was at each step."""
    with temporary_folder() as where:
        sizes = sorted(options.memory_rows)
        for encoder, (low, high) in {"hashing": (15, 120), **({"sentence": (3, 12)} if options.real else {})}.items():
            path = where / f"{encoder}.txt"
            rows = common.generate_texts(sizes[-1], low, high)
            found: dict[int, list[dict[str, Any]]] = {size: [] for size in sizes}
            for number in range(options.memory_rounds):
                for size in sizes[:: -1 if number % 2 else 1]:
                    common.write_lines(path, rows[:size])
                    found[size].append(_run_child(path, encoder))
                    peak = found[size][-1]["peak"]
                    print(f"  memory, {encoder}, {size:,} rows: peak {peak:.0f} MB", file=sys.stderr, flush=True)
            results.add(
                f"memory_{encoder}",
                f"Memory in MB, encoder {encoder}, lines of {low} to {high} words",
                _build_rows(found),
            )


def _build_rows(found: dict[int, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    least = median([each["peak"] for each in next(iter(found.values()))])
    rows = []
    for size, each in found.items():
        row: dict[str, Any] = {"rows": f"{size:,}", "peak": [one["peak"] for one in each]}
        ratio = median(row["peak"]) / least
        row |= {"ratio": ratio, "target": TARGET, "met": "yes" if ratio <= TARGET else "no"} if rows else {}
        steps = dict.fromkeys(name for one in each for name in one["steps"])
        row |= {name: [one["steps"][name] for one in each] for name in steps}
        rows.append(row)
    return rows


def _run_child(path: Path, encoder: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", str(path), encoder]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


# --- in the child


def read_status_mb(name: str) -> float:
    """A figure of /proc/self/status in MB."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def measure_ingest(path: Path, encoder: str) -> None:
    steps = {"imported": read_status_mb("VmRSS")}
    with (
        temporary_folder() as where,
        open_solution(where, f"{{type: lines, path: '{path}'}}", f"{{type: {encoder}}}") as solution,
    ):
        samples = [
            segment.sample for text in common.generate_texts(64) for segment in solution.encoder.decode_query(text)
        ]
        solution.encoder.encode(samples)
        steps["model"] = read_status_mb("VmRSS")
        store = solution.vectors
        flush, load = store.flush, store.load_collection

        def flushed() -> None:
            steps.update({"written": read_status_mb("VmRSS"), "peak so far": read_status_mb("VmHWM")})
            flush()
            steps["flushed"] = read_status_mb("VmRSS")

        def loaded(**given: Any) -> None:
            load(**given)
            steps["indexed, loaded"] = read_status_mb("VmRSS")

        store.flush, store.load_collection = flushed, loaded
        report = solution.ingest()
        solution.search(common.generate_texts(1)[0])
    assert report.failed == 0 and report.rows == report.new, report
    print(json.dumps({"peak": read_status_mb("VmHWM"), "steps": steps}))


if __name__ == "__main__":
    if sys.argv[1:2] != ["--child"]:
        sys.exit("run: python benchmarks/ingest.py memory")
    measure_ingest(Path(sys.argv[2]), sys.argv[3])
