"""How long each step of a search takes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

__all__ = ["Timer"]

_STEPS = ("decode", "encode", "search", "metadata")


@dataclass(slots=True)
class Timer:
    """Adds up the milliseconds of the steps of a search."""

    steps: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)
    _last: float = field(default_factory=time.perf_counter)

    def end_step(self, name: str) -> None:
        """Add the time since the previous step ended to this step."""
        now = time.perf_counter()
        self.steps[name] = self.steps.get(name, 0.0) + (now - self._last) * 1000
        self._last = now

    def to_timings(self) -> dict[str, float]:
        """Milliseconds of each step, and their ``total``."""
        total = (time.perf_counter() - self.started) * 1000
        return {name: self.steps.get(name, 0.0) for name in _STEPS} | {"total": total}
