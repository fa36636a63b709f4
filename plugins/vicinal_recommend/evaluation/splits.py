"""Which interactions are held back: the last 20% of each user, the last one of each, or a random 20% of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vicinal import VicinalError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["SPLITS", "Log", "choose_held_back", "find_relevant", "to_matrix"]

SPLITS = ("time", "leave-last-out", "random")
_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Log:
    """Interactions by the numbers of their users and items; ``times`` in any unit, or None where nothing says when.

    One user may have touched one item more than once.
    """

    users: np.ndarray
    items: np.ndarray
    weights: np.ndarray
    times: np.ndarray | None

    def select(self, mask: np.ndarray) -> Log:
        """The interactions of a mask."""
        times = None if self.times is None else self.times[mask]
        return Log(self.users[mask], self.items[mask], self.weights[mask], times)


def choose_held_back(log: Log, split: str, seed: int = 0) -> np.ndarray:
    """A mask of the interactions to hold back.

    ``time`` holds back the last 20% of each user's, rounded down, so that users of fewer than five are learnt from
    alone; ``leave-last-out`` the last one of each user who has two or more; ``random`` 20% of all. Interactions of one
    time are in the order in which they were read.

    Raises:
        VicinalError: the split needs times, and there are none.
    """
    if split == "random":
        return np.random.default_rng(seed).random(len(log.users)) < _SHARE
    if log.times is None:
        raise VicinalError(
            f"split {split!r} needs to know when, and the interactions have no time", "--split random does without"
        )
    order = np.lexsort((log.times, log.users))  # it is stable
    counts = np.bincount(log.users, minlength=1)
    ends = np.cumsum(counts)
    users = log.users[order]
    from_end = ends[users] - np.arange(len(order))  # 1 for the last one
    allowed = counts // round(1 / _SHARE) if split == "time" else np.minimum(counts - 1, 1)
    mask = np.zeros(len(order), bool)
    mask[order] = from_end <= allowed[users]
    return mask


def find_relevant(held_back: Log, training: csr_matrix) -> tuple[np.ndarray, list[np.ndarray]]:
    """The users of whom something is held back that they had not touched before, and the numbers of those items.

    What was learnt from is left out of recommendations, so none of it can be found.
    """
    pairs = np.unique(held_back.users.astype(np.int64) * training.shape[1] + held_back.items)
    users, items = np.divmod(pairs, training.shape[1])
    is_new = np.asarray(training[users, items]).ravel() == 0 if len(users) else np.zeros(0, bool)
    users, items = users[is_new], items[is_new]
    found, starts = np.unique(users, return_index=True)
    return found, np.split(items, starts[1:]) if len(found) else []


def to_matrix(log: Log, users: int, items: int) -> csr_matrix:
    """Users by items, the weights of one pair added up."""
    from scipy.sparse import csr_matrix

    matrix = csr_matrix((log.weights, (log.users, log.items)), (users, items), np.float32)
    matrix.sum_duplicates()
    return matrix
