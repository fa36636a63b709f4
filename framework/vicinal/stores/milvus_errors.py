"""What Milvus' errors mean: nobody answers, the filter is wrong, or something else that it refuses."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from vicinal.errors import FilterError, StoreError, StoreUnreachableError
from vicinal.stores import redact_url

__all__ = ["check_reachable", "wrap_errors"]


def check_reachable(uri: str, timeout: float) -> None:
    """Milvus' own client tries for a long time; a port where nobody listens is told at once."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https", "tcp") or not parts.hostname:
        raise StoreUnreachableError(
            f"not the URI of a Milvus: {redact_url(uri)}", hint="write http://host:19530, or a path ending in .db"
        )
    port = parts.port or (443 if parts.scheme == "https" else 19530)
    try:
        socket.create_connection((parts.hostname, port), timeout).close()
    except OSError as error:
        raise StoreUnreachableError(
            f"Milvus at {parts.hostname}:{port} does not answer: {error.strerror or error}",
            hint="start it, or set MILVUS_URI; `vicinal doctor` looks at both stores",
        ) from error


@contextmanager
def wrap_errors(where: str, fields: Iterable[str], filter: str = "") -> Iterator[None]:
    """The errors of the Milvus at ``where`` as vicinal's; ``fields`` are what a filter may use."""
    try:
        yield
    except Exception as error:
        if not _is_milvus_error(error):
            raise
        raise _translate(error, where, fields, filter) from error


def _translate(error: Exception, where: str, fields: Iterable[str], filter: str) -> StoreError | FilterError:
    message = _first_line(error)
    if _is_lost_connection(error):
        return StoreUnreachableError(
            f"Milvus at {redact_url(where)} does not answer: {message}",
            hint="start it, or set MILVUS_URI; `vicinal doctor` looks at both stores",
        )
    if filter and _blames_filter(str(error)):
        known = ", ".join(["item", "segment", *fields])
        return FilterError(
            f"filter {filter!r}: {message}",
            hint=f"a filter may use {known}; more are declared under `fields` in the YAML",
        )
    return StoreError(f"Milvus at {redact_url(where)}: {message}", hint="`vicinal doctor` looks at both stores")


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
    words = ("expression", "expr", "unknown field", "unterminated", "column ", "parse", "cannot", "field", "token")
    return any(word in text for word in words)


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "message", "") or error)
    return text.strip().splitlines()[0][:300] if text.strip() else type(error).__name__
