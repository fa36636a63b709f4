"""A connection to Redis, to one that is embedded or to a server; what goes wrong on it is told as vicinal's errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

from vicinal.errors import StoreError, StoreUnreachableError
from vicinal.stores import redact_url
from vicinal.stores.local import EmbeddedRedis

__all__ = ["RedisConnection"]


class RedisConnection:
    """Connected from its making until ``close``. ``where`` is a folder (an embedded Redis) or a URL.

    Raises:
        StoreUnreachableError: nobody answers there.
    """

    def __init__(self, where: str, timeout: float = 5.0) -> None:
        self._embedded = None if "://" in where else EmbeddedRedis(Path(where), timeout)
        url = f"unix://{self._embedded.socket}" if self._embedded else where
        self._where = where
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
            raise StoreUnreachableError(f"not a Redis URL: {redact_url(where)}: {error}") from error
        except redis.RedisError as error:
            self.close()
            raise self.to_store_error(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect; an embedded server that nobody uses any more ends."""
        if hasattr(self, "client"):
            self.client.close()
        if self._embedded:
            self._embedded.close()

    def ensure_running(self) -> None:
        """Start an embedded server again if it has ended; one elsewhere is its owner's matter."""
        if self._embedded:
            self._embedded.restart_if_down()

    def call(self, command: str, *args: Any, **kwargs: Any) -> Any:
        """One command of the client."""
        try:
            return getattr(self.client, command)(*args, **kwargs)
        except redis.RedisError as error:
            raise self.to_store_error(error) from error

    def execute(self, pipe: Any) -> list[Any]:
        """The answers to the commands of a pipeline, sent together."""
        try:
            return list(pipe.execute())
        except redis.RedisError as error:
            raise self.to_store_error(error) from error

    def transaction(self) -> Transaction:
        """A MULTI/EXEC pipeline that runs when its block ends without an error."""
        return Transaction(self)

    def memory(self) -> int:
        """Bytes that this Redis uses, for all of its solutions."""
        return int(self.call("info", "memory")["used_memory"])

    def version(self) -> str:
        """The server's version."""
        return str(self.call("info", "server")["redis_version"])

    def to_store_error(self, error: redis.RedisError) -> StoreError:
        """An error of the client as vicinal's."""
        where = redact_url(self._where)
        if isinstance(error, redis.ConnectionError | redis.TimeoutError) and not isinstance(
            error, redis.AuthenticationError
        ):
            return StoreUnreachableError(
                f"Redis at {where} does not answer: {error}", hint="start it, or set REDIS_URL; `vicinal doctor` looks"
            )
        return StoreError(f"Redis at {where} refused: {error}", hint="`vicinal doctor` looks at both stores")


class Transaction:
    """Gives the pipeline to its block, and has it executed at the block's end."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._pipe = connection.client.pipeline(transaction=True)

    def __enter__(self) -> Any:
        return self._pipe

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._connection.execute(self._pipe)
