"""Converts the errors of Redis' client to vicinal's: what may pass, as a failover does, to one that is retried."""

from __future__ import annotations

import redis
from redis.exceptions import (
    AuthenticationError,
    ClusterError,
    MasterDownError,
    ReadOnlyError,
    RedisClusterException,
    TryAgainError,
)
from redis.sentinel import MasterNotFoundError

from vicinal.config.redis_nodes import RedisNodes, is_nodes_url
from vicinal.errors import StoreError, StoreUnreachableError
from vicinal.stores import redact_url

__all__ = ["REDIS_ERRORS", "to_store_error"]

REDIS_ERRORS = (redis.RedisError, RedisClusterException)
"""What the client raises: the latter is none of the former."""

_DIAGNOSE = "run `vicinal doctor` to diagnose"
_NO_PASSWORD_SIGNS = ("HELLO must be called with the client already authenticated", "Authentication required")
"""What a server says that wants a password and got none: the former to clients of RESP3."""
_PASSING_ERRORS = (redis.ConnectionError, redis.TimeoutError, ClusterError, MasterDownError, TryAgainError)


def to_store_error(error: Exception, location: str) -> StoreError:
    """The error for one of the client, by the location that it is about."""
    shown = redact_url(location)
    if isinstance(error, MasterNotFoundError):
        service = RedisNodes.parse(location).service
        return StoreUnreachableError(
            f"Redis at {shown} does not respond: no Sentinel that responds has a master of {service!r} that is up",
            hint=f"see that the Sentinels run; {_DIAGNOSE}",
        )
    if isinstance(error, RedisClusterException) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    if "Cluster mode is not enabled" in str(error):
        return StoreError(
            f"Redis at {shown} is no Redis Cluster, or lets this user not ask for its slots",
            hint="write redis:// in place of redis+cluster:// where it is a single Redis",
        )
    if "unknown command" in str(error) and "SENTINEL" in str(error).upper():
        return StoreError(
            f"Redis at {shown} is no Sentinel",
            hint="write redis://HOST:6379/0 where it is a Redis; the port of Sentinels is mostly 26379",
        )
    got_none = any(sign in str(error) for sign in _NO_PASSWORD_SIGNS)
    if got_none or isinstance(error, AuthenticationError):
        of_sentinels = ", that of the Sentinels as sentinel_password" if "+s" in location else ""
        return StoreError(
            f"Redis at {shown} refused: {'it wants a password, and got none' if got_none else error}",
            hint=f"both stand before the host in its URL, percent-encoded: //USER:PASSWORD@HOST{of_sentinels}",
        )
    if _is_passing(error, location):
        return StoreUnreachableError(
            f"Redis at {shown} does not respond: {error}", hint=f"start it, or set REDIS_URL; {_DIAGNOSE}"
        )
    return StoreError(f"Redis at {shown} refused: {error}", hint=_DIAGNOSE)


def _is_passing(error: Exception, location: str) -> bool:
    """Whether it may pass: no network, or a failover in which a replica takes the master's place."""
    if isinstance(error, _PASSING_ERRORS):
        return True
    return is_nodes_url(location) and (
        isinstance(error, RedisClusterException | ReadOnlyError)
        or "READONLY" in str(error)
        or "NOREPLICAS" in str(error)
    )
