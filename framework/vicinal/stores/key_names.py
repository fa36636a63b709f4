"""The names of a solution's keys in Redis.

    one Redis        vicinal:papers:state      vicinal:papers:ledger:7fff
    Redis Cluster    vicinal:{papers}:state    vicinal:papers:{42}:ledger:7fff

A cluster places a key by what stands in braces, its hash tag, and a script or transaction may touch the keys of one
hash slot only. The buckets of items have 64 hash tags, each for 1,024 buckets of a kind and for a hash of their own
counts, ``vicinal:papers:{42}:counts``: so the items of a solution spread over up to 64 shards. The hash tags are
numbers whose slots lie evenly among the 16,384, the same ones for every solution, so that shards of equally many slots
have equally many items. All other keys have the solution's name as their hash tag.

A reindex builds another generation, whose keys have ``g2:``, its number, after the solution's name.
"""

from __future__ import annotations

from functools import cache

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

__all__ = ["BUCKETS", "FIRST_GENERATION", "KeyNames", "hash_tags"]

FIRST_GENERATION = 1
_BUCKET_BITS = 16
BUCKETS = 1 << _BUCKET_BITS
_GROUP_BITS = 6
_HASH_TAGS = 1 << _GROUP_BITS


class KeyNames:
    """The names of the keys of one generation, on one Redis or on a cluster."""

    def __init__(self, solution: str, generation: int = FIRST_GENERATION, *, is_cluster: bool = False) -> None:
        self.solution = solution
        self.generation = generation
        self.is_cluster = is_cluster
        number = "" if generation == FIRST_GENERATION else f"g{generation}:"
        self._buckets_prefix = f"vicinal:{solution}:{number}"
        self._solution_prefix = f"vicinal:{{{solution}}}:" if is_cluster else f"vicinal:{solution}:"
        self.prefix = self._solution_prefix + number
        """What the keys begin with, but for those of the buckets on a cluster."""
        self._shift = _BUCKET_BITS - _GROUP_BITS if is_cluster else _BUCKET_BITS
        tags = [f"{{{tag}}}:" for tag in hash_tags()] if is_cluster else [""]
        self._group_prefixes = [self._buckets_prefix + tag for tag in tags]

    def of_generation(self, generation: int) -> KeyNames:
        """The names of the keys of another generation."""
        return KeyNames(self.solution, generation, is_cluster=self.is_cluster)

    def of_solution(self, name: str) -> str:
        """A key that all generations share."""
        return self._solution_prefix + name

    @property
    def groups(self) -> int:
        """How many groups of buckets there are: a script may touch only the buckets of one."""
        return len(self._group_prefixes)

    def group_of(self, bucket: int) -> int:
        """The group of a bucket; consecutive buckets are in one."""
        return bucket >> self._shift

    def bucket(self, kind: str, number: int) -> str:
        """The key of a bucket."""
        return f"{self._group_prefixes[number >> self._shift]}{kind}:{number:x}"

    def bucket_pattern(self, kind: str) -> str:
        """The glob pattern of the keys of all buckets of a kind."""
        return f"{_escape_glob(self._buckets_prefix)}{'{*}:' if self.is_cluster else ''}{kind}:*"

    def counts(self, group: int) -> str:
        """The key of the hash with a group's counts; on one Redis that of the state."""
        return self._group_prefixes[group] + "counts" if self.is_cluster else self.prefix + "state"


@cache
def hash_tags() -> tuple[str, ...]:
    """The hash tags of the groups of buckets: for each sixty-fourth of the slots the least number that falls in it."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < _HASH_TAGS:
        found.setdefault(key_slot(b"%d" % number) * _HASH_TAGS // REDIS_CLUSTER_HASH_SLOTS, str(number))
        number += 1
    return tuple(found[group] for group in range(_HASH_TAGS))


def _escape_glob(pattern: str) -> str:
    return "".join(f"\\{c}" if c in "*?[]\\" else c for c in pattern)
