"""Logs runs and searches to Python's logger ``vicinal``; silent until the application configures logging."""

from __future__ import annotations

import logging
from collections.abc import Sequence
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


@hookimpl
def ingest_started(solution: str, total: int | None) -> None:
    logger.info("%s: ingest started, about %s items", solution, "?" if total is None else total)


@hookimpl
def item_failed(solution: str, failures: Sequence[Failure]) -> None:
    limit = _settings_of(solution).max_failures
    for failure in failures[:limit]:
        key, message = _to_line(failure.key), _to_line(failure.message)
        logger.warning("%s: %s failed to %s: %s", solution, key, failure.stage, message)
    if len(failures) > limit:
        logger.warning("%s: %d more items failed", solution, len(failures) - limit)


def _to_line(text: str) -> str:
    """Return a text of a user's data as part of one line that no terminal obeys."""
    return escape_controls(shorten(text, _MAX_CHARS))


@hookimpl
def ingest_finished(solution: str, report: IngestReport) -> None:
    logger.info("%s: ingest finished, %s", solution, report.to_dict())


@hookimpl
def search_finished(solution: str, queries: int, hits: int, milliseconds: float) -> None:
    limit = _settings_of(solution).slow_search_ms
    level = logging.WARNING if limit is not None and milliseconds > limit else logging.DEBUG
    logger.log(level, "%s: %d queries, %d hits, %.1f ms", solution, queries, hits, milliseconds)
