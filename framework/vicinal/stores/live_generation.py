"""Which generation of a solution is live: one record in Redis, written in one step when a reindex ends.

vicinal:{name}:live              the number of the generation that is searched; without the key it is the first one

A reader of a generation compares that record in the same step in which it reads an item, or after it. A generation is
deleted only after the record names another one, so that what was read of one that is still live is whole. A rollback
writes the number of an earlier generation, which was kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from vicinal.errors import GenerationReplacedError
from vicinal.stores.key_names import FIRST_GENERATION, KeyNames

__all__ = ["LiveGeneration", "parse_record"]


@dataclass(frozen=True, slots=True)
class LiveGeneration:
    """What the record of a solution has to say for a reader of one generation."""

    names: KeyNames
    is_required: bool = True
    """Whether the generation has to be live: not so while a reindex builds it."""

    @property
    def key(self) -> str:
        """The key of the record."""
        return self.names.of_solution("live")

    def require(self, record: bytes | None) -> None:
        """See that the record names this generation.

        Raises:
            GenerationReplacedError: it names another one.
        """
        if self.is_required and parse_record(record) != self.names.generation:
            raise GenerationReplacedError(
                f"a reindex of {self.names.solution!r} has just replaced what was in use", hint="run this again"
            )


def parse_record(record: bytes | None) -> int:
    """The generation that a record names."""
    return FIRST_GENERATION if record is None else int(record)
