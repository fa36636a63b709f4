"""Logs runs and searches to Python's logger ``vicinal``; silent until the application configures logging."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vicinal import hookimpl
from vicinal.toolkit.text import escape_controls, shorten

if TYPE_CHECKING:
    from vicinal import Failure, IngestReport, SettingsRegistrar
    from vicinal_log.settings import LogSettings

logger = logging.getLogger("vicinal")
logger.addHandler(logging.NullHandler())  # else Python prints warnings to stderr where logging is not configured


_MAX_CHARS = 500
_settings: dict[str, LogSettings] = {}


def _settings_of(solution: str) -> LogSettings:
    from vicinal_log.settings import LogSettings

    return _settings.get(solution) or LogSettings()


@hookimpl
def register_settings(settings: SettingsRegistrar) -> None:
    settings.set("vicinal_log.settings:LogSettings")


@hookimpl
def configure(solution: str, settings: LogSettings) -> None:
    _settings[solution] = settings
    if settings.format is not None:
        from vicinal.toolkit.logs import set_log_format

        set_log_format(settings.format)


@hookimpl
def ingest_started(solution: str, total: int | None) -> None:
    extra = {"solution": solution, "total": total}
    logger.info("%s: ingest started, about %s items", solution, "?" if total is None else total, extra=extra)


@hookimpl
def item_failed(solution: str, failures: Sequence[Failure]) -> None:
    limit = _settings_of(solution).max_failures
    for failure in failures[:limit]:
        key, message = _to_line(failure.key), _to_line(failure.message)
        extra = {"solution": solution, "key": key, "stage": failure.stage, "reason": message}
        logger.warning("%s: %s failed to %s: %s", solution, key, failure.stage, message, extra=extra)
    if (more := len(failures) - limit) > 0:
        logger.warning("%s: %d more items failed", solution, more, extra={"solution": solution, "failed": more})


def _to_line(text: str) -> str:
    """Return a text of a user's data as part of one line that no terminal obeys."""
    return escape_controls(shorten(text, _MAX_CHARS))


@hookimpl
def ingest_finished(solution: str, report: IngestReport) -> None:
    counts = report.to_dict()
    logger.info("%s: ingest finished, %s", solution, counts, extra={"solution": solution, "report": counts})


@hookimpl
def ingest_failed(solution: str, error: BaseException) -> None:
    state = "cancelled" if isinstance(error, KeyboardInterrupt) else f"failed: {_to_line(str(error))}"
    extra = {"solution": solution, "error_type": type(error).__name__}
    logger.info("%s: ingest %s", solution, state, extra=extra)


@hookimpl
def search_finished(
    solution: str, queries: int, hits: int, milliseconds: float, timings_ms: Mapping[str, float]
) -> None:
    limit = _settings_of(solution).slow_search_ms
    level = logging.WARNING if limit is not None and milliseconds > limit else logging.DEBUG
    if logger.isEnabledFor(level):
        timings = {step: round(value, 3) for step, value in timings_ms.items()}
        extra = {"solution": solution, "queries": queries, "hits": hits, "timings_ms": timings}
        logger.log(level, "%s: %d queries, %d hits, %.1f ms", solution, queries, hits, milliseconds, extra=extra)
