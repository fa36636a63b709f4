"""``vicinal bench``: from a YAML file to results in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson

from vicinal.bench.config import load_bench_config
from vicinal.bench.page import build_page
from vicinal.bench.records import Records
from vicinal.bench.report import Report, build_report
from vicinal.bench.run import BenchRun
from vicinal.toolkit.pages import write_page

__all__ = ["run_benchmark"]


def run_benchmark(
    path: Path, out: Path | None = None, *, keep: bool = False, say: Callable[[str], None] = lambda text: None
) -> tuple[Report, Path]:
    """Run what the benchmark's YAML asks for and is not done yet; returns the report and the folder of results.

    Raises:
        ConfigError: the file cannot be read or has mistakes, or the engine cannot build any of the indexes.
        StoreUnreachableError: the engine does not respond.
        VicinalError: the folder cannot be written.
    """
    config, folder = load_bench_config(path)
    folder = out or folder
    records = Records(folder / "records.jsonl")
    with BenchRun(config, folder, records, say) as run:
        found = run.run(keep=keep)
        report = build_report(config.name, found, config.limit, run.warnings)
    lines = [orjson.dumps({**report.facts, **case}) for case in report.cases]
    write_page(folder / "results.jsonl", b"\n".join([*lines, b""]).decode())
    write_page(folder / "report.html", build_page(report))
    return report, folder
