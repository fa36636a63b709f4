"""``vicinal bench``: from a YAML file to results in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson

from vicinal.bench.config import BenchConfig, load_bench_config
from vicinal.bench.estimate import Estimate, describe_estimate, estimate_costs, measure_sizes, require_fit
from vicinal.bench.page import build_page
from vicinal.bench.records import Records
from vicinal.bench.report import Report, build_report
from vicinal.bench.run import BenchRun
from vicinal.toolkit.pages import require_plotly, write_page

__all__ = ["estimate_benchmark", "run_benchmark"]

Say = Callable[[str], None]


def run_benchmark(
    path: Path, out: Path | None = None, *, keep: bool = False, say: Say = lambda text: None
) -> tuple[Report, Path]:
    """Run what the benchmark's YAML asks for and is not done yet; returns the report and the folder of results.

    Raises:
        ConfigError: the file cannot be read or has mistakes, or the engine cannot build any of the indexes.
        StoreUnreachableError: the engine does not respond.
        DependencyError: psutil or plotly is not installed.
        VicinalError: the folder cannot be written, or this machine has too little memory or disk.
    """
    config, folder = _load_config(path, out)
    require_plotly("bench")  # the page needs it, and an hour of work comes before the page
    records = Records(folder / "records.jsonl")
    with BenchRun(config, folder, records, say) as run:
        estimate = estimate_costs(run)
        if not run.is_done:
            for line in describe_estimate(estimate):
                say(line)
            require_fit(estimate)
        found = run.run(keep=keep)
        report = build_report(config.name, found, config.limit, run.warnings)
    lines = [orjson.dumps({**report.facts, **case}) for case in report.cases]
    write_page(folder / "results.jsonl", b"\n".join([*lines, b""]).decode())
    write_page(folder / "report.html", build_page(report))
    return report, folder


def estimate_benchmark(path: Path, out: Path | None = None, *, say: Say = lambda text: None) -> Estimate:
    """Measure the smaller sizes that the benchmark's YAML names, and estimate what all rows will take.

    Raises:
        ConfigError: the file cannot be read or has mistakes, or the engine cannot build any of the indexes.
        StoreUnreachableError: the engine does not respond.
        VicinalError: the folder cannot be written.
    """
    config, folder = _load_config(path, out)
    records = Records(folder / "records.jsonl")
    measure_sizes(config, folder, records, say)
    with BenchRun(config, folder, records, say) as run:
        return estimate_costs(run)


def _load_config(path: Path, out: Path | None) -> tuple[BenchConfig, Path]:
    config, folder = load_bench_config(path)
    return config, out or folder
