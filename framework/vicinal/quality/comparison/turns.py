"""Opens the compared solutions: at once, or in turns where several have one file of Milvus Lite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vicinal.errors import NothingIndexedError, StoreMismatchError

if TYPE_CHECKING:
    from vicinal.solution.solution import Solution

__all__ = ["SolutionTurns", "require_searchable"]


class SolutionTurns:
    """Gives access to each solution, and closes another one that holds the same file of Milvus Lite.

    Two solutions of one collection are compared by their search parameters, say, or with and without a reranker; the
    file can be open once.
    """

    def __init__(self, solutions: Sequence[Solution]) -> None:
        self.solutions = solutions
        self._holders: dict[Path, Solution] = {}

    @property
    def take_turns(self) -> bool:
        """Whether some solutions cannot be open at the same time."""
        distinct = {id(solution): solution for solution in self.solutions}.values()
        files = [file for solution in distinct if (file := _find_file(solution))]
        return len(set(files)) < len(files)

    def open(self, number: int) -> Solution:
        """The solution of this number, its collection loaded if another one was open in its place."""
        solution = self.solutions[number]
        if file := _find_file(solution):
            holder = self._holders.setdefault(file, solution)
            if holder is not solution:
                holder.close()
                self._holders[file] = solution
                solution.fetch_rows([])
        return solution


def require_searchable(turns: SolutionTurns, names: Sequence[str]) -> None:
    """
    Raises:
        NothingIndexedError: one has nothing indexed yet; the hint names what to ingest.
        StoreMismatchError: one was built by something else than its YAML says, as where two have one name by mistake.
    """
    missing = [
        name for name, one in zip(names, turns.solutions, strict=True) if not one.metadata.state().get("items", 0)
    ]
    if missing:
        raise NothingIndexedError(
            f"nothing is indexed in {' and '.join(map(repr, missing))} yet",
            hint="run `vicinal ingest` with each YAML file first",
        )
    for number, solution in enumerate(turns.solutions):
        try:
            turns.open(number).fetch_rows([])
        except StoreMismatchError as error:
            if (other := _find_same_collection(turns.solutions, number)) is None:
                raise
            raise StoreMismatchError(
                f"{names[number]!r} and {names[other]!r} are called {solution.name!r} and have the same stores, so that"
                f" they have one collection: {error}",
                hint="give one of them another `name`, and run `vicinal ingest` with it",
            ) from error


def _find_same_collection(solutions: Sequence[Solution], number: int) -> int | None:
    own = solutions[number]
    for other, solution in enumerate(solutions):
        stores = own.config.stores, solution.config.stores
        if solution is not own and own.name == solution.name and stores[0].milvus == stores[1].milvus:
            return other
    return None


def _find_file(solution: Solution) -> Path | None:
    """The file of Milvus Lite; None for a server."""
    location = solution.config.stores.milvus
    return None if "://" in location else Path(location).resolve()
