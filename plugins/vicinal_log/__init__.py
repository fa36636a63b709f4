"""Logs runs and searches to Python's logger ``vicinal``; silent until the application configures logging."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from vicinal import hookimpl
from vicinal.types import Failure, IngestReport

logger = logging.getLogger("vicinal")
logger.addHandler(logging.NullHandler())  # else Python prints warnings to stderr where logging is not configured


@hookimpl
def ingest_started(solution: str, total: int | None) -> None:
    logger.info("%s: ingest started, about %s items", solution, "?" if total is None else total)


@hookimpl
def item_failed(solution: str, failures: Sequence[Failure]) -> None:
    for failure in failures:
        logger.warning("%s: %s failed to %s: %s", solution, failure.key, failure.stage, failure.message)


@hookimpl
def ingest_finished(solution: str, report: IngestReport) -> None:
    logger.info("%s: ingest finished, %s", solution, report.to_dict())


@hookimpl
def search_finished(solution: str, queries: int, hits: int, milliseconds: float) -> None:
    logger.debug("%s: %d queries, %d hits, %.1f ms", solution, queries, hits, milliseconds)
