"""Milvus' errors as vicinal's: Milvus is unreachable, a filter is wrong, or Milvus rejects a request."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from vicinal.errors import FilterError, StoreError, StoreUnreachableError
from vicinal.stores import redact_url
from vicinal.stores.filter_expression import filter_error

__all__ = ["check_reachable", "wrap_errors"]

_FILTER_SIGNS = (
    "cannot parse expression",  # a server: its syntax, a name or a type
    "predicate is not a boolean expression",
    "unsupported expr proto node",  # a constant, or too many operators
    " at column ",  # Milvus Lite: its syntax, a name or a type
    "maximum recursion depth exceeded",  # Milvus Lite: too many operators
)
"""What Milvus' messages contain if it rejects a filter; Milvus 2.3 to 2.6 and Milvus Lite 3.2 have no code of their own
for that."""
_UNREACHABLE_HINT = "start it, or set MILVUS_URI; run `vicinal doctor` to diagnose"


def check_reachable(uri: str, timeout: float) -> None:
    """Probe the TCP port of a Milvus server: Milvus' client would retry for a long time where nothing listens.

    Raises:
        StoreUnreachableError: the connection fails.
    """
    parts = urlsplit(uri)
    port = parts.port or (443 if parts.scheme == "https" else 19530)
    try:
        socket.create_connection((parts.hostname, port), timeout).close()
    except OSError as error:
        raise StoreUnreachableError(
            f"Milvus at {parts.hostname}:{port} does not respond: {error.strerror or error}", hint=_UNREACHABLE_HINT
        ) from error


@contextmanager
def wrap_errors(location: str, filter: str = "", names: Iterable[str] = ()) -> Iterator[None]:
    """Raise the errors of the Milvus at ``location`` as vicinal's; ``names`` are those that the filter may use."""
    try:
        yield
    except Exception as error:
        if not _is_milvus_error(error):
            raise
        raise _to_store_error(error, location, filter, names) from error


def _to_store_error(error: Exception, location: str, filter: str, names: Iterable[str]) -> StoreError | FilterError:
    message = redact_url(_first_line(error))
    if _is_lost_connection(error):
        return StoreUnreachableError(
            f"Milvus at {redact_url(location)} does not respond: {message}", hint=_UNREACHABLE_HINT
        )
    if filter and _blames_filter(str(error)):
        return filter_error(filter, message, names)
    return StoreError(f"Milvus at {redact_url(location)}: {message}", hint="run `vicinal doctor` to diagnose")


def _is_milvus_error(error: Exception) -> bool:
    import grpc
    from pymilvus import MilvusException

    return isinstance(error, MilvusException | grpc.RpcError)


def _is_lost_connection(error: Exception) -> bool:
    import grpc
    from pymilvus.exceptions import ConnectError, ConnectionNotExistException, MilvusUnavailableException

    if isinstance(error, ConnectError | ConnectionNotExistException | MilvusUnavailableException):
        return True
    if isinstance(error, grpc.RpcError):
        return error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    signs = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "StatusCode.CANCELLED", "server unavailable")
    return any(sign in str(error) for sign in signs)


def _blames_filter(text: str) -> bool:
    """Whether Milvus rejects the filter, and not the rest of the request."""
    return any(sign in text for sign in _FILTER_SIGNS)


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "message", "") or error)
    return text.strip().splitlines()[0][:300] if text.strip() else type(error).__name__
