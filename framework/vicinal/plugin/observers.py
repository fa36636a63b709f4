"""Calls the hooks that observe; one that fails never ends the run or the search that it observes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pluggy

__all__ = ["OBSERVING", "Observers"]

OBSERVING = (
    "ingest_started",
    "batch_written",
    "item_failed",
    "stage_finished",
    "ingest_finished",
    "ingest_failed",
    "search_finished",
    "job_started",
    "job_finished",
)

logger = logging.getLogger("vicinal.plugin")


class Observers:
    """Has a method for each observing hook, called as the hook is: ``observers.batch_written(solution=…, new=3)``.

    An implementation that raises is logged once, with its plugin's name, and not called again until the next run.
    """

    def __init__(self, plugins: pluggy.PluginManager) -> None:
        self._plugins = plugins
        self._failed: set[tuple[str, str]] = set()

    def __getattr__(self, hook: str) -> Callable[..., None]:
        if hook not in OBSERVING:
            raise AttributeError(f"{hook!r} is not a hook that observes; these are: {', '.join(OBSERVING)}")
        return partial(self._notify, hook)

    @contextmanager
    def time_stage(self, solution: str, stage: str, items: int) -> Iterator[None]:
        """Report the stage of a run that this block is; not where it fails, since then the run does."""
        started = time.perf_counter()
        yield
        milliseconds = (time.perf_counter() - started) * 1000
        self.stage_finished(solution=solution, stage=stage, items=items, milliseconds=milliseconds)

    def _notify(self, hook: str, **event: Any) -> None:
        if hook == "ingest_started":
            self._failed.clear()
        for implementation in reversed(getattr(self._plugins.hook, hook).get_hookimpls()):
            if (implementation.plugin_name, hook) in self._failed:
                continue
            try:
                implementation.function(**{name: event[name] for name in implementation.argnames})
            except (Exception, SystemExit) as error:
                self._failed.add((implementation.plugin_name, hook))
                logger.warning(
                    "plugin %r failed in hook %s: %s: %s; it is not called again in this run",
                    implementation.plugin_name,
                    hook,
                    type(error).__name__,
                    error,
                )
