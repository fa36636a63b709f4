"""Which solution a collection of Milvus belongs to: several may have one name, each with a Redis of its own.

A solution's state in Redis has the id of its owner, and its collection has it among its properties. The collection says
where that Redis is, too: a solution whose state is lost, since its Redis was flushed, is known by that, if the Redis is
on this machine. A collection without an owner belongs to the solution whose state has the collection's physical name.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vicinal.config.models import StoresConfig
from vicinal.config.redis_nodes import RedisNodes, is_nodes_url
from vicinal.errors import StoreMismatchError
from vicinal.stores import redact_url
from vicinal.stores.milvus import StoredCollection

__all__ = [
    "create_owner",
    "describe_home",
    "has_lost_vectors",
    "require_collection",
    "require_columns",
    "require_owned",
]


def create_owner() -> str:
    """An id for a new solution."""
    return secrets.token_hex(8)


def describe_home(location: str) -> str:
    """A store of a solution, without its password; with this machine's name if it is known only here."""
    return redact_url(location) + (f" on {socket.gethostname()}" if _is_local(location) else "")


def require_collection(state: Mapping[str, Any], name: str, stores: StoresConfig) -> None:
    """See that a state without a collection in this Milvus has no items.

    Raises:
        StoreMismatchError: it has.
    """
    if not (items := state.get("items")):
        return
    home = state.get("milvus", "")
    is_lost = has_lost_vectors(state, stores)
    raise StoreMismatchError(
        f"Redis knows {items:,} items of {name!r}, which this Milvus does not have"
        + (f"; they were in Milvus at {home}" if home else ""),
        hint="set MILVUS_URI to the Milvus that has them, or give this solution another name; if they are lost, "
        + (
            "`vicinal reindex` indexes them anew, from the source or, with `--from stored`, from what Redis has of them"
            if is_lost
            else f"delete the keys {_describe_keys(name, stores.redis)} in Redis and ingest again"
        ),
    )


def _describe_keys(name: str, redis: str) -> str:
    is_cluster = is_nodes_url(redis) and RedisNodes.parse(redis).is_cluster
    return f"vicinal:{name}:*" + (f" and vicinal:{{{name}}}:*" if is_cluster else "")


def has_lost_vectors(state: Mapping[str, Any], stores: StoresConfig) -> bool:
    """Whether vectors that this Milvus does not have are nowhere else, as far as this machine can tell."""
    home = state.get("milvus", "")
    path, _, host = home.rpartition(" on ")
    is_gone = "://" not in home and host == socket.gethostname() and not Path(path).exists()
    return not home or home == describe_home(stores.milvus) or is_gone


def require_owned(
    collection: StoredCollection | None, state: Mapping[str, Any], name: str, stores: StoresConfig
) -> None:
    """See that a collection, if there is one, belongs to the solution with this state, or, without one, this Redis.

    Raises:
        StoreMismatchError: it belongs to another one.
    """
    if collection is None or _is_owned(collection, state, stores.redis):
        return
    home = f", whose Redis is {collection.home}" if collection.home else ""
    raise StoreMismatchError(
        f"Milvus at {redact_url(stores.milvus)} has the data of another solution called {name!r}{home}",
        hint="give this solution another name, or set REDIS_URL to the Redis of that one; if that is lost, "
        + _describe_removal(collection, stores.milvus),
    )


def require_columns(
    collection: StoredCollection, columns: Mapping[str, int | None], name: str, stores: StoresConfig
) -> None:
    """See that a collection whose state is lost has the columns that the config describes.

    Raises:
        StoreMismatchError: it has others.
    """
    if collection.columns != columns:
        raise StoreMismatchError(
            f"the state of {name!r} is lost, and its collection was built by another encoder or with other fields",
            hint=f"change the YAML back, or {_describe_removal(collection, stores.milvus)}",
        )


def _is_owned(collection: StoredCollection, state: Mapping[str, Any], redis: str) -> bool:
    if not state:
        return _is_local(redis) and collection.home == describe_home(redis)
    if collection.owner:
        return bool(collection.owner == state.get("owner"))
    return bool(collection.physical == state["physical"])


def _describe_removal(collection: StoredCollection, milvus: str) -> str:
    return f"drop the collection {collection.physical} in Milvus" if "://" in milvus else f"delete {milvus}"


def _is_local(location: str) -> bool:
    if "://" not in location:
        return True
    parts = urlsplit(location)
    host = parts.hostname or ""
    return parts.scheme == "unix" or host in ("localhost", "::1") or host.startswith("127.")
