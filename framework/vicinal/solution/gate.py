"""What decides whether a new generation may replace the live one: a callable that the caller of a reindex gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["GateResult"]


@dataclass(frozen=True, slots=True)
class GateResult:
    """Whether a new generation is good enough, and by what.

    ``description`` is a sentence for people; ``checks`` has what was compared, as JSON.
    """

    passed: bool
    description: str
    checks: list[dict[str, Any]] = field(default_factory=list)
