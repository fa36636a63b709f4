"""A connection to Redis, embedded or a server, that raises vicinal's errors in place of the client's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

from vicinal.errors import StoreError, StoreUnreachableError
from vicinal.stores import redact_url
from vicinal.stores.embedded_redis import EmbeddedRedis

__all__ = ["RedisConnection"]


class RedisConnection:
    """A connection that is open from construction until ``close``. ``location`` is a folder (embedded) or a URL.

    Raises:
        StoreUnreachableError: Redis does not answer.
    """

    def __init__(self, location: str, timeout: float = 5.0) -> None:
        self._embedded = None if "://" in location else EmbeddedRedis(Path(location))
        url = f"unix://{self._embedded.socket}" if self._embedded else location
        self._location = location
        try:
            with redis.Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout) as first:
                first.set_retry(Retry(NoBackoff(), 0))
                first.ping()
            self.client = redis.Redis.from_url(
                url,
                socket_timeout=max(timeout, 30.0),
                socket_connect_timeout=timeout,
                retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 1),
            )
        except ValueError as error:
            raise StoreUnreachableError(f"not a Redis URL: {redact_url(location)}: {error}") from error
        except redis.RedisError as error:
            self.close()
            raise self.to_store_error(error) from error

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
        """Return the server's version."""
        return str(self.call("info", "server")["redis_version"])

    def to_store_error(self, error: redis.RedisError) -> StoreError:
        """Convert an error of the client to vicinal's."""
        location = redact_url(self._location)
        if isinstance(error, redis.ConnectionError | redis.TimeoutError) and not isinstance(
            error, redis.AuthenticationError
        ):
            return StoreUnreachableError(
                f"Redis at {location} does not answer: {error}",
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
