"""The threads of one run: what goes wrong on one of them, or an interruption, brings all of them to their end."""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tenacity import (
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_delay,
    stop_any,
    stop_when_event_set,
    wait_exponential,
)

from vicinal.errors import SourceError, StoreUnreachableError

__all__ = ["SENTINEL", "WorkerGroup"]

SENTINEL = None
"""The last thing in a queue."""
_RETRY_SECONDS = 30


class WorkerGroup:
    """Threads that hand things on through queues, and stop together. ``error`` is the first that one of them met."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.interrupted = False
        self._stop = threading.Event()
        self._lock = threading.Lock()

    @property
    def stopped(self) -> bool:
        """Whether the run is to end before its time."""
        return self._stop.is_set()

    def stop(self) -> None:
        """End the run; nobody waits for anything any more."""
        self._stop.set()

    def fail(self, error: BaseException) -> None:
        """End the run by this error, unless another one was first."""
        with self._lock:
            self.error = self.error or error
        self._stop.set()

    def interrupt(self) -> None:
        """End the run as Ctrl-C does."""
        self.interrupted = True
        self._stop.set()

    def start(self, name: str, work: Callable[[], None], ended: queue.Queue[Any] | None = None) -> threading.Thread:
        """A thread that works until it is done or fails, and then puts ``SENTINEL`` into the queue ``ended``."""

        def run() -> None:
            try:
                work()
            except BaseException as error:
                self.fail(_named(error))
            finally:
                if ended is not None:
                    self.put(ended, SENTINEL, always=True)

        thread = threading.Thread(target=run, name=name)
        thread.start()
        return thread

    def put(self, into: queue.Queue[Any], thing: Any, *, always: bool = False) -> None:
        """Wait for a place in a queue, but not for ever once the run has been stopped."""
        while True:
            try:
                into.put(thing, timeout=0.2)
                return
            except queue.Full:
                if self._stop.is_set() and not always:
                    return

    def call_with_retry(self, call: Callable[..., Any], *args: Any) -> Any:
        """Call a store, and call it again for a while if it has gone away, unless the run is being stopped."""
        retrying = Retrying(
            retry=retry_if_exception_type(StoreUnreachableError),
            wait=wait_exponential(0.2, max=3),
            stop=stop_any(stop_after_delay(_RETRY_SECONDS), stop_when_event_set(self._stop)),
            sleep=sleep_using_event(self._stop),
            reraise=True,
        )
        return retrying(call, *args)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """The first Ctrl-C ends the run after what is in hand; a second one ends it at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def interrupt(*_: object) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupt()

        before = signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def _named(error: BaseException) -> BaseException:
    """What a file system says while a source reads is the source's error, not a defect."""
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        wrapped = SourceError(f"the source cannot be read: {error}")
        wrapped.__cause__ = error
        return wrapped
    return error
