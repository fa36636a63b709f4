"""A connection to Redis, embedded or a server, that raises vicinal's errors in place of the client's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import NoPermissionError
from redis.retry import Retry

from vicinal.config.redis_location import redis_location_problem
from vicinal.errors import StoreError, StoreUnreachableError
from vicinal.stores import redact_url
from vicinal.stores.embedded_redis import EmbeddedRedis
from vicinal.stores.redis_server import OLDEST_VERSION

__all__ = ["RedisConnection"]


class RedisConnection:
    """A connection that is open from construction until ``close``. ``location`` is a folder (embedded) or a URL.

    Raises:
        StoreUnreachableError: Redis does not respond, or the location is none of Redis.
        StoreError: it is a Redis Cluster, a Sentinel, or too old.
    """

    def __init__(self, location: str, timeout: float = 5.0) -> None:
        self._location = location
        self._embedded: EmbeddedRedis | None = None
        if problem := redis_location_problem(location):
            raise StoreUnreachableError(f"Redis location {redact_url(location)} {problem}")
        if "://" not in location:
            self._embedded = EmbeddedRedis(Path(location))
        try:
            with self._create_client(Retry(NoBackoff(), 0), timeout, timeout) as first:
                first.ping()
                self._require_supported(_read_info(first))
            self.client = self._create_client(Retry(ExponentialBackoff(cap=0.5, base=0.05), 1), timeout, 30.0)
        except redis.RedisError as error:
            self.close()
            raise self.to_store_error(error) from error
        except BaseException:
            self.close()
            raise

    def _create_client(self, retry: Retry, connect_timeout: float, timeout: float) -> redis.Redis:
        options: dict[str, Any] = {
            "retry": retry,
            "socket_connect_timeout": connect_timeout,
            "socket_timeout": max(connect_timeout, timeout),
        }
        if self._embedded:
            return redis.Redis(unix_socket_path=self._embedded.socket, **options)
        return redis.Redis.from_url(self._location, **options)

    def _require_supported(self, info: Mapping[str, Any]) -> None:
        """Check what a server says of itself; one that may not say it is taken as it is."""
        location = redact_url(self._location)
        mode = info.get("redis_mode") or info.get("server_mode")  # the latter is Valkey's
        if mode == "cluster":
            raise StoreError(
                f"Redis at {location} is a Redis Cluster, which vicinal does not support: its keys are written in"
                " one transaction, and a cluster spreads them over its nodes",
                hint="set REDIS_URL to a single Redis; it may have replicas",
            )
        if mode == "sentinel":
            raise StoreError(
                f"Redis at {location} is a Sentinel, which stores no data",
                hint="set REDIS_URL to the Redis that it watches",
            )
        version = str(info.get("redis_version", ""))
        if (numbers := re.match(r"(\d+)\.(\d+)", version)) and tuple(map(int, numbers.groups())) < OLDEST_VERSION:
            raise StoreError(f"Redis at {location} is version {version}; vicinal needs 6.2 or later", hint="upgrade it")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect; an embedded server without any other user is shut down."""
        if hasattr(self, "client"):
            self.client.close()
        if self._embedded:
            self._embedded.close()

    def ensure_running(self) -> None:
        """Restart the embedded server if it died. No-op for an external Redis."""
        if self._embedded:
            self._embedded.restart_if_down()

    def call(self, command: str, *args: Any, **kwargs: Any) -> Any:
        """Call a command of the client by its name, and return its result."""
        try:
            return getattr(self.client, command)(*args, **kwargs)
        except redis.RedisError as error:
            raise self.to_store_error(error) from error

    def execute(self, pipe: Any) -> list[Any]:
        """Send the commands of a pipeline together, and return their results."""
        try:
            return list(pipe.execute())
        except redis.RedisError as error:
            raise self.to_store_error(error) from error

    def transaction(self) -> Transaction:
        """Return a MULTI/EXEC pipeline that is executed when its ``with`` block ends without an error."""
        return Transaction(self)

    def used_bytes(self) -> int:
        """Return the memory that this Redis uses for all of its solutions, in bytes."""
        return int(self.call("info", "memory")["used_memory"])

    def version(self) -> str:
        """Return the server's version; that of a Valkey with its name, and the Redis that it is compatible with."""
        info = self.call("info", "server")
        valkey = info.get("valkey_version")
        return f"{info['redis_version']} (Valkey {valkey})" if valkey else str(info["redis_version"])

    def to_store_error(self, error: redis.RedisError) -> StoreError:
        """Convert an error of the client to vicinal's."""
        location = redact_url(self._location)
        if isinstance(error, redis.ConnectionError | redis.TimeoutError) and not isinstance(
            error, redis.AuthenticationError
        ):
            return StoreUnreachableError(
                f"Redis at {location} does not respond: {error}",
                hint="start it, or set REDIS_URL; run `vicinal doctor` to diagnose",
            )
        return StoreError(f"Redis at {location} refused: {error}", hint="run `vicinal doctor` to diagnose")


class Transaction:
    """A context manager that yields a pipeline and executes it when the block ends without an error."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._pipe = connection.client.pipeline(transaction=True)

    def __enter__(self) -> Any:
        return self._pipe

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._connection.execute(self._pipe)


def _read_info(client: redis.Redis) -> Mapping[str, Any]:
    """Ask a server what it is; nothing where the user may not."""
    try:
        info: Mapping[str, Any] = client.info("server")
    except NoPermissionError:
        return {}
    return info
