"""A connection to Redis, embedded or a server, that raises vicinal's errors in place of the client's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from redis.cluster import RedisCluster
from redis.exceptions import NoPermissionError
from redis.sentinel import MasterNotFoundError

from vicinal.config.redis_location import redis_location_problem
from vicinal.config.redis_nodes import RedisNodes, is_nodes_url
from vicinal.errors import StoreError, StoreUnreachableError
from vicinal.stores import redact_url
from vicinal.stores.embedded_redis import EmbeddedRedis
from vicinal.stores.redis_client import close_client, create_client, list_services
from vicinal.stores.redis_errors import REDIS_ERRORS, to_store_error
from vicinal.stores.redis_server import OLDEST_VERSION

__all__ = ["RedisConnection"]


class RedisConnection:
    """A connection that is open from construction until ``close``. ``location`` is a folder (embedded) or a URL.

    Raises:
        StoreUnreachableError: Redis does not respond, or the location is none of Redis.
        StoreError: it is too old, or of another kind than its URL says.
    """

    def __init__(self, location: str, timeout: float = 5.0) -> None:
        self._location = location
        self._embedded: EmbeddedRedis | None = None
        if problem := redis_location_problem(location):
            raise StoreUnreachableError(f"Redis location {redact_url(location)} {problem}")
        self.is_cluster = is_nodes_url(location) and RedisNodes.parse(location).is_cluster
        if "://" not in location:
            self._embedded = EmbeddedRedis(Path(location))
        try:
            self._require_usable(timeout)
            self.client = self._create_client(timeout, 30.0, retries=1)
        except REDIS_ERRORS as error:
            self.close()
            raise self.to_store_error(error) from error
        except BaseException:
            self.close()
            raise

    def _create_client(self, connect_timeout: float, timeout: float, retries: int) -> Any:
        socket = self._embedded.socket if self._embedded else ""
        return create_client(self._location, connect_timeout, timeout, retries=retries, socket=socket)

    def _require_usable(self, timeout: float) -> None:
        """See that Redis responds and is what the location says, without waiting for one that does not."""
        first = self._create_client(timeout, timeout, retries=0)
        try:
            first.ping()
            self._require_supported(_read_info(first))
        except MasterNotFoundError:
            self._require_service(list_services(first))
            raise
        finally:
            close_client(first)

    def _require_service(self, services: set[str] | None) -> None:
        """Check that Sentinels that respond watch the service."""
        service = RedisNodes.parse(self._location).service
        if services is not None and service not in services:
            raise StoreError(
                f"the Sentinels at {redact_url(self._location)} watch no service {service!r}",
                hint=f"they watch: {', '.join(sorted(services)) or 'nothing'}",
            )

    def _require_supported(self, info: Mapping[str, Any]) -> None:
        """Check what a server says of itself; one that may not say it is taken as it is."""
        location = redact_url(self._location)
        mode = info.get("redis_mode") or info.get("server_mode")  # the latter is Valkey's
        if mode == "cluster" and not self.is_cluster:
            raise StoreError(
                f"Redis at {location} is a node of a Redis Cluster",
                hint="write its URL with redis+cluster:// and without a database: redis+cluster://HOST:6379,HOST2:6379",
            )
        if mode == "sentinel":
            raise StoreError(
                f"Redis at {location} is a Sentinel, which stores no data",
                hint="the Redis that it watches is redis+sentinel://HOST:26379/SERVICE/0",
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
            close_client(self.client)
        if self._embedded:
            self._embedded.close()

    def ensure_running(self) -> None:
        """Restart the embedded server if it died. No-op for an external Redis."""
        if self._embedded:
            self._embedded.restart_if_down()

    def call(self, command: str, *args: Any, **kwargs: Any) -> Any:
        """Call a command of the client by its name, and return its result."""
        with self.wrap_errors():
            return getattr(self.client, command)(*args, **kwargs)

    def execute(self, pipe: Any) -> list[Any]:
        """Send the commands of a pipeline together, and return their results."""
        with self.wrap_errors():
            return list(pipe.execute())

    @contextmanager
    def wrap_errors(self) -> Iterator[None]:
        """Raise vicinal's errors in place of the client's."""
        try:
            yield
        except REDIS_ERRORS as error:
            raise self.to_store_error(error) from error

    def to_store_error(self, error: Exception) -> StoreError:
        """Convert an error of the client to vicinal's."""
        return to_store_error(error, self._location)

    def pipeline(self, *, atomic: bool = False) -> Any:
        """Return a pipeline, the commands of which are sent together; an ``atomic`` one is a MULTI/EXEC transaction.

        A cluster has no transaction over several slots: there each command is a step of its own, those of one slot in
        their order, so that what is written has to be right after each of them.
        """
        return self.client.pipeline(transaction=atomic and not self.is_cluster)

    def transaction(self) -> Transaction:
        """Return an ``atomic`` pipeline that is executed when its ``with`` block ends without an error."""
        return Transaction(self)

    def queue(self, pipe: Any, key: str, command: str, *args: Any) -> None:
        """Queue a command all of whose keys are in the slot of this one.

        The cluster's client would ask a server for the keys of a script, in a round trip each.
        """
        if self.is_cluster:
            with self.wrap_errors():
                pipe.execute_command(command, *args, target_nodes=self.client.get_node_from_key(key))
        else:
            pipe.execute_command(command, *args)

    def used_bytes(self) -> int:
        """Return the memory that this Redis uses for all of its solutions, on all shards of a cluster, in bytes."""
        if not self.is_cluster:
            return int(self.call("info", "memory")["used_memory"])
        found = self.call("info", "memory", target_nodes=RedisCluster.PRIMARIES)
        shards = [found] if "used_memory" in found else found.values()
        return sum(int(shard["used_memory"]) for shard in shards)

    def masters(self) -> list[str]:
        """Return the addresses of the masters, which neither the URL of Sentinels says nor that of a cluster."""
        with self.wrap_errors():
            if self.is_cluster:
                return sorted(node.name for node in self.client.get_primaries())
            if is_nodes_url(self._location):
                return [":".join(map(str, self.client.connection_pool.get_master_address()))]
        return []

    def version(self) -> str:
        """Return the server's version; that of a Valkey with its name, and the Redis that it is compatible with."""
        info = self.call("info", "server")
        valkey = info.get("valkey_version")
        return f"{info['redis_version']} (Valkey {valkey})" if valkey else str(info["redis_version"])


class Transaction:
    """A context manager that yields a pipeline and executes it when the block ends without an error."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._pipe = connection.pipeline(atomic=True)

    def __enter__(self) -> Any:
        return self._pipe

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._connection.execute(self._pipe)


def _read_info(client: Any) -> Mapping[str, Any]:
    """Ask a server what it is; nothing where the user may not."""
    try:
        info: Mapping[str, Any] = client.info("server")
    except NoPermissionError:
        return {}
    return info
