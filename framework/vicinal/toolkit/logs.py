"""Log lines on stderr, as text or as JSON: what the command line sets up, and a program does for itself.

A line of JSON is one object: ``time``, ``level``, ``logger``, ``message``, and where there are any ``solution``,
``fields`` (what the line tells, as numbers and texts), ``error`` (a traceback), ``trace_id`` and ``span_id``.
"""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from typing import Any, Literal

from vicinal.errors import ConfigError
from vicinal.toolkit.tracing import find_trace_ids

__all__ = ["JsonFormatter", "LogFormat", "set_log_format", "set_up_logging", "writes_json"]

LogFormat = Literal["text", "json"]

_VARIABLE = "VICINAL_LOG_FORMAT"
_STANDARD = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "color_message"))


class JsonFormatter(logging.Formatter):
    """One line of ASCII for each record, so that no data of a user breaks a line or reaches a terminal.

    Private attributes are left out: Ray gives each record of the process one.
    """

    def format(self, record: logging.LogRecord) -> str:
        given = vars(record).items()
        fields = {name: value for name, value in given if name not in _STANDARD and not name.startswith("_")}
        solution = fields.pop("solution", None)
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {"solution": solution} if solution is not None else {}
        line |= {"fields": fields} if fields else {}
        line |= {"error": self.formatException(record.exc_info)} if record.exc_info else {}
        return json.dumps(line | find_trace_ids(), default=str)


class _CommandHandler(logging.StreamHandler[Any]):
    """The handler of the command line, whose format a YAML may set."""

    def __init__(self, text_format: str) -> None:
        super().__init__()
        self._text = logging.Formatter(text_format)

    def set_format(self, chosen: LogFormat) -> None:
        """Format lines so; as JSON, Python's warnings too, which are several lines of text otherwise."""
        logging.captureWarnings(chosen == "json")
        self.setFormatter(JsonFormatter() if chosen == "json" else self._text)


def set_up_logging(text_format: str, level: int) -> None:
    """Log to stderr, in the format of ``VICINAL_LOG_FORMAT``; nothing happens where logging is set up already.

    Raises:
        ConfigError: the variable is neither ``text`` nor ``json``.
    """
    handler = _CommandHandler(text_format)
    handler.set_format(_read_format())
    logging.basicConfig(handlers=[handler], level=level)


def set_log_format(chosen: LogFormat) -> None:
    """Change the format of what ``set_up_logging`` has set up; other handlers stay as they are."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _CommandHandler):
            handler.set_format(chosen)


def writes_json() -> bool:
    """Whether the command line logs as JSON."""
    handlers = logging.getLogger().handlers
    return any(isinstance(one, _CommandHandler) and isinstance(one.formatter, JsonFormatter) for one in handlers)


def _read_format() -> LogFormat:
    chosen = os.environ.get(_VARIABLE, "").strip().lower() or "text"
    if chosen not in ("text", "json"):
        raise ConfigError(f"{_VARIABLE} is {chosen!r}", hint="set it to text or json")
    return "json" if chosen == "json" else "text"
