"""Retries the calls of an ingest run to a store that is unreachable for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable
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

from vicinal.errors import StoreUnreachableError

__all__ = ["call_with_retry"]

_RETRY_SECONDS = 30


def call_with_retry(stop: threading.Event, call: Callable[..., Any], *args: Any) -> Any:
    """Call a store, retrying StoreUnreachableError with exponential backoff for 30 s, or until ``stop`` is set."""
    retrying = Retrying(
        retry=retry_if_exception_type(StoreUnreachableError),
        wait=wait_exponential(0.2, max=3),
        stop=stop_any(stop_after_delay(_RETRY_SECONDS), stop_when_event_set(stop)),
        sleep=sleep_using_event(stop),
        reraise=True,
    )
    return retrying(call, *args)
