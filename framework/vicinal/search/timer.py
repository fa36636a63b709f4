"""How long each step of a search takes."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Timer"]

_STEPS = ("decode", "encode", "search", "metadata")


class Timer:
    """Adds up the milliseconds of the steps of a search."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter, *, measures_model_load: bool = False) -> None:
        """``clock`` returns seconds.

        With ``measures_model_load`` the encoder's model, which its first ``encode`` loads, is loaded in a step of its
        own, which ``model_ms`` tells and the other timings leave out.
        """
        self.measures_model_load = measures_model_load
        self.model_ms = 0.0
        self._clock = clock
        self._steps: dict[str, float] = {}
        self._started = self._last = clock()

    def end_step(self, name: str) -> None:
        """Add the time since the previous step ended to this step."""
        self._steps[name] = self._steps.get(name, 0.0) + self._end_lap()

    def end_model_load(self) -> None:
        """Add the time since the previous step ended to the loading of the model."""
        self.model_ms += self._end_lap()

    def _end_lap(self) -> float:
        last, self._last = self._last, self._clock()
        return (self._last - last) * 1000

    def to_timings(self) -> dict[str, float]:
        """Milliseconds of each step, of ``rerank`` where there was one, and their ``total``."""
        total = (self._clock() - self._started) * 1000 - self.model_ms
        return {**dict.fromkeys(_STEPS, 0.0), **self._steps, "total": total}
