"""What a YAML may say of the log."""

from __future__ import annotations

from pydantic import Field

from vicinal import Params
from vicinal.toolkit.logs import LogFormat

__all__ = ["LogSettings"]


class LogSettings(Params):
    """What ``plugins: {log: {…}}`` of a YAML may say."""

    format: LogFormat | None = None
    """How the command line writes log lines: as `text`, or as `json`, one object a line; by default as
    VICINAL_LOG_FORMAT says, which is text. It holds for the whole process."""
    max_failures: int = Field(default=1_000, ge=0)
    """Failures of one batch that are written one by one; of the others only their number is."""
    slow_search_ms: float | None = Field(default=None, ge=0)
    """A search that takes longer, in milliseconds, is a warning; all others have the level DEBUG."""
