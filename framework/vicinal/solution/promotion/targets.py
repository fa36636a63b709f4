"""Where a solution may be promoted to."""

from __future__ import annotations

import os
from pathlib import Path

from vicinal.config.locations import milvus_location_problem
from vicinal.config.models import StoresConfig
from vicinal.config.redis_location import redis_location_problem
from vicinal.errors import VicinalError
from vicinal.stores import redact_url

__all__ = ["choose_stores", "same_milvus_error", "same_redis_error"]


def choose_stores(old: StoresConfig, milvus: str, redis: str = "", token: str | None = None) -> StoresConfig:
    """The stores to copy to; paths become absolute.

    Args:
        redis: by default that of REDIS_URL, if that is another one than now; for a ``milvus`` that is a path, else the
            folder ``redis`` beside it.
        token: Milvus' token there; by default the same as here.

    Raises:
        VicinalError: they are no stores, or not others than the old ones.
    """
    if problem := milvus_location_problem(milvus):
        raise VicinalError(f"--to {problem}")
    milvus = _to_absolute(milvus)
    redis = redis or _default_redis(old, milvus)
    if problem := redis_location_problem(redis):
        raise VicinalError(f"--redis {problem}")
    redis = _to_absolute(redis)
    if _is_same(milvus, old.milvus):
        raise same_milvus_error(milvus)
    if _is_same(redis, old.redis):
        raise same_redis_error(redis)
    return old.model_copy(update={"milvus": milvus, "redis": redis, "token": token or old.token})


def _default_redis(old: StoresConfig, milvus: str) -> str:
    if (redis := os.environ.get("REDIS_URL", "")) and not _is_same(_to_absolute(redis), old.redis):
        return redis
    if "://" in milvus:
        raise same_redis_error(old.redis)
    return str(Path(milvus).parent / "redis")


def same_milvus_error(milvus: str) -> VicinalError:
    """The error of a target that is the Milvus of the old stores."""
    return VicinalError(
        f"the vectors are in {redact_url(milvus)} already",
        hint="--to names another Milvus; a Redis alone is moved by its own means, as replication",
    )


def same_redis_error(redis: str) -> VicinalError:
    """The error of a target that is in the Redis of the old stores."""
    return VicinalError(
        f"the Redis at {redact_url(redis)} says what Milvus has now, and goes on to do so while both are used",
        hint="--redis names another one, which may be another database of the same server: redis://HOST:6379/1",
    )


def _to_absolute(location: str) -> str:
    return location if "://" in location else str(Path(location).expanduser().absolute())


def _is_same(location: str, other: str) -> bool:
    if "://" in location or "://" in other:
        return location.rstrip("/") == other.rstrip("/")
    return Path(location).resolve() == Path(other).resolve()
