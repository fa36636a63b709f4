"""Clients of Redis: of one server, of the master that Sentinels name, or of a cluster."""

from __future__ import annotations

from typing import Any

import redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import SSLConnection, parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel

from vicinal.config.redis_nodes import RedisNodes, is_nodes_url

__all__ = ["close_client", "create_client", "list_services"]


def create_client(
    location: str, connect_timeout: float, timeout: float, *, retries: int, socket: str = ""
) -> redis.Redis | RedisCluster:
    """Create a client for the location, or for the unix socket of an embedded server.

    That of a cluster connects at once, the others with their first command.

    Args:
        connect_timeout: seconds, unless the URL says otherwise.
        timeout: seconds that a command may take, unless the URL says otherwise.
        retries: how often a command is sent again after an error of the network.
    """
    timeouts: dict[str, Any] = {
        "socket_connect_timeout": connect_timeout,
        "socket_timeout": max(connect_timeout, timeout),
    }
    retry = Retry(ExponentialBackoff(cap=0.5, base=0.05) if retries else NoBackoff(), retries)
    if is_nodes_url(location):
        nodes = RedisNodes.parse(location)
        return (_create_cluster_client if nodes.is_cluster else _create_sentinel_client)(nodes, timeouts, retry)
    if socket:
        return redis.Redis(unix_socket_path=socket, retry=retry, **timeouts)
    return redis.Redis.from_url(location, retry=retry, **timeouts)


def _create_sentinel_client(nodes: RedisNodes, timeouts: dict[str, Any], retry: Retry) -> redis.Redis:
    """Create a client that asks the Sentinels for the master whenever it connects."""
    asking = {**timeouts, "socket_timeout": timeouts["socket_connect_timeout"], "retry": Retry(NoBackoff(), 0)}
    options = {**timeouts, **_read_options(nodes.server_url)}
    sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
        nodes.addresses, sentinel_kwargs={**asking, **_read_options(nodes.sentinel_url)}
    )
    client: redis.Redis = sentinel.master_for(nodes.service, retry=retry, **options)
    return client


def _create_cluster_client(nodes: RedisNodes, timeouts: dict[str, Any], retry: Retry) -> RedisCluster:
    """Create a client that knows which node has which slot.

    It asks the nodes of the URL again when that changes; where the URL names one alone, those that it has learnt of.
    """
    startup = [ClusterNode(*address) for address in nodes.addresses]  # type: ignore[no-untyped-call]
    options = {**timeouts, **_read_options(nodes.server_url)}
    return RedisCluster(startup_nodes=startup, retry=retry, dynamic_startup_nodes=len(startup) == 1, **options)


def _read_options(url: str) -> dict[str, Any]:
    """The options of a connection in a URL, without the address."""
    options: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    is_encrypted = options.pop("connection_class", None) is SSLConnection
    for name in ("host", "port"):
        options.pop(name, None)
    return {**options, "ssl": True} if is_encrypted else options


def list_services(client: Any) -> set[str] | None:
    """The names of the services that the Sentinels of a client watch; None where none of them responds.

    Raises:
        redis.AuthenticationError: a Sentinel wants another password.
        redis.ResponseError: a server is no Sentinel, or does not say.
    """
    services: set[str] | None = None
    for sentinel in client.connection_pool.sentinel_manager.sentinels:
        try:
            services = {*(services or ()), *sentinel.sentinel_masters()}
        except redis.AuthenticationError:
            raise
        except (redis.ConnectionError, redis.TimeoutError):
            continue
    return services


def close_client(client: Any) -> None:
    """Close a client, and its connections to Sentinels."""
    client.close()
    if sentinel := getattr(getattr(client, "connection_pool", None), "sentinel_manager", None):
        sentinel.close()
