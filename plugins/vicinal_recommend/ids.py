"""A sorted table of ids in two arrays, which is found in by bisection: nothing is built when a process opens it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["IdTable", "find_written"]


def find_written(rows: Mapping[str, int], id_: str) -> int:
    """The row of an id as it is written, or else without spaces around it; -1 where there is neither."""
    row = rows.get(id_, -1)
    return row if row >= 0 else rows.get(id_.strip(), -1)


class IdTable:
    """The ids in the order of their bytes; ``find`` returns an id's row.

    A dictionary of 162,000 ids takes 60 ms and 20 MB to build; a search for one user needs one look-up.
    """

    def __init__(self, characters: np.ndarray, ends: np.ndarray) -> None:
        """``characters`` has the UTF-8 of all ids, one after another; ``ends`` where each of them ends."""
        self._characters = characters
        self._ends = ends

    @classmethod
    def build(cls, ids: Sequence[str]) -> IdTable:
        """The table of ids, which are sorted by their UTF-8."""
        encoded = [id_.encode() for id_ in ids]
        ends = np.cumsum([len(id_) for id_ in encoded], dtype=np.int64)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), ends)

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """What the table is made of."""
        return self._characters, self._ends

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, row: int) -> bytes:
        if row >= len(self._ends):
            raise IndexError(row)
        start = self._ends[row - 1] if row else 0
        return self._characters[start : self._ends[row]].tobytes()

    def get(self, row: int) -> str:
        """The id in a row."""
        return self[row].decode()

    def find(self, id_: str) -> int | None:
        """The row of an id; None where it is not in the table."""
        wanted = id_.encode(errors="replace")
        row = bisect_left(self, wanted)
        return row if row < len(self) and self[row] == wanted else None

    def list_prefixed(self, prefix: str, limit: int) -> list[str]:
        """The first ids that begin with a text, the text itself before all others."""
        wanted = prefix.encode(errors="replace")
        first = bisect_left(self, wanted)
        ids = (self[row] for row in range(first, min(first + limit, len(self))))
        return [id_.decode() for id_ in ids if id_.startswith(wanted)]
