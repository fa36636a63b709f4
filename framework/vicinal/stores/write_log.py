"""Which items clients write while a generation is not live: the log from which it catches up before it becomes live.

vicinal:{name}:g{generation}:written   list: ids of items that were added to the live generation, or removed from it
vicinal:{name}:promotion:written       list: the same while the solution is copied to other stores (``promote``)

A writer notes an item before it writes it, both while it holds the writer's lock. The log is read from its beginning
and never shortened, so that who is killed while it catches up begins again and loses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from vicinal.stores.redis_connection import RedisConnection

__all__ = ["PART", "WriteLog"]

PART = 1_000
"""How many ids are read at once."""
_BEGUN = -1
"""The first entry of a log that exists before anything is noted; ids are not negative."""


class WriteLog:
    """The log of one generation, under its prefix, ``vicinal:{name}:g{generation}:``."""

    def __init__(self, connection: RedisConnection, prefix: str) -> None:
        self._connection = connection
        self._key = prefix + "written"

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys in Redis."""
        return (self._key,)

    def begin(self) -> None:
        """Begin it anew, empty, for ``note_if_begun``."""
        with self._connection.transaction() as pipe:
            pipe.unlink(self._key)
            pipe.rpush(self._key, _BEGUN)

    def is_begun(self) -> bool:
        """Whether the log exists."""
        return bool(self._connection.call("exists", self._key))

    def note_if_begun(self, ids: Sequence[int]) -> None:
        """Note that these items are written next, unless nobody has begun the log."""
        if ids:
            self._connection.call("rpushx", self._key, *ids)

    def note(self, ids: Sequence[int]) -> None:
        """Note that these items are written next."""
        self._connection.call("rpush", self._key, *ids)

    def read(self, start: int) -> list[int]:
        """Up to ``PART`` ids from this place of the log on; the entry of one that was begun is ``-1``."""
        return [int(id_) for id_ in self._connection.call("lrange", self._key, start, start + PART - 1)]

    def clear(self) -> None:
        """Forget all of it, once the generation has become live."""
        self._connection.call("unlink", self._key)
