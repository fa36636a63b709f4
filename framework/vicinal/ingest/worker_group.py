"""A group of threads: the first error, or Ctrl-C, stops all of them."""

from __future__ import annotations

import contextvars
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from vicinal.errors import SourceError
from vicinal.ingest.store_retry import call_with_retry

__all__ = ["SENTINEL", "WorkerGroup", "adopt_context"]

SENTINEL = None
"""The last element of a queue."""


class WorkerGroup:
    """Threads that pass data through queues and stop together. ``error`` is the first one that any of them raised."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.interrupted = False
        self._stop = threading.Event()
        self._lock = threading.Lock()

    @property
    def stopped(self) -> bool:
        """Whether the run ends early."""
        return self._stop.is_set()

    def stop(self) -> None:
        """End the run; calls that wait or retry return early from now on."""
        self._stop.set()

    def fail(self, error: BaseException) -> None:
        """End the run with this error, unless there was one before."""
        with self._lock:
            self.error = self.error or error
        self._stop.set()

    def interrupt(self) -> None:
        """End the run as Ctrl-C does."""
        self.interrupted = True
        self._stop.set()

    def start(self, name: str, work: Callable[[], None], output: queue.Queue[Any] | None = None) -> threading.Thread:
        """Start a thread that puts ``SENTINEL`` into the queue ``output`` when it has finished or failed."""

        def run() -> None:
            try:
                work()
            except BaseException as error:
                self.fail(_as_source_error(error))
            finally:
                if output is not None:
                    self.put(output, SENTINEL, even_if_stopped=True)

        thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name=name)
        thread.start()
        return thread

    def put(self, target: queue.Queue[Any], element: Any, *, even_if_stopped: bool = False) -> None:
        """Put an element into a queue, waiting for a free place; once the run is stopped, a full queue drops it."""
        while True:
            try:
                target.put(element, timeout=0.2)
                return
            except queue.Full:
                if self._stop.is_set() and not even_if_stopped:
                    return

    def call_with_retry(self, call: Callable[..., Any], *args: Any) -> Any:
        """Call a store; where it is unreachable, try again for 30 s, or until the run is stopped."""
        return call_with_retry(self._stop, call, *args)

    @contextmanager
    def handle_ctrl_c(self) -> Iterator[None]:
        """Within this block the first Ctrl-C ends the run after the current batch, and a second one at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def interrupt(*_: object) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupt()

        previous = signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, previous)


def adopt_context(context: contextvars.Context) -> None:
    """Give this thread the context variables of the run, as a trace that it belongs to; a pool's ``initializer``."""
    for variable, value in context.items():
        variable.set(value)


def _as_source_error(error: BaseException) -> BaseException:
    """An operating system's error while a source reads is the source's error, not a defect."""
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        wrapped = SourceError(f"the source cannot be read: {error}")
        wrapped.__cause__ = error
        return wrapped
    return error
