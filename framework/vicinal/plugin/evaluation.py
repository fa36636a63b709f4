"""What an encoder brings along to be measured by: how its items are disturbed, and an evaluation on data of its own.

The plugin knows its items and its data. It says what happens to such items before somebody searches with them; one that
learns holds a part of its data back, and ranks items by its own model and by simple ones. The framework knows how to
measure: it searches, asks each model for its rankings, and computes figures, intervals, tests and tables.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Disturb", "Disturbance", "Evaluation", "HeldOut", "RankItems"]

Disturb: TypeAlias = "Callable[[Any, np.random.Generator], str | bytes | None]"
"""An item's content, as ``decode`` gets it, to what a user would search with: a text, or the bytes of a file.

None where it would change nothing, as the first sentence of a text that has one. All that is random is drawn from the
generator, so that the same content and seed give the same query. Several threads call it at once.

Raises ``ItemError`` where the content cannot be read."""

RankItems: TypeAlias = "Callable[[np.ndarray, int], np.ndarray]"
"""The best items for queries: ``(numbers of queries of shape (n,), k)`` to numbers of items, best first, of shape
``(n, k)``, with -1 where there is no further one. All items are ranked, none are sampled. Given 256 queries at most."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What happens to an item before somebody searches with it, as a picture that is cropped.

    ``vicinal evaluate --self`` searches with disturbed items, and counts how often each one finds its own.
    """

    name: str
    """What the report calls it: ``cropped``; lower-case letters, digits and hyphens."""
    label: str
    """What people call such queries, in the plural: ``pictures cropped to 80% of their sides``."""
    apply: Disturb
    """Makes the query of a content."""
    suffix: str = ""
    """Of the file that the framework writes the bytes to, ``.jpg`` say; texts need none."""
    hint: str = ""
    """What to do where such queries do not find their items."""
    expected: float = 0.9
    """The share of queries that find their items among the first ten below which the report warns."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A split of an encoder's data: what models learn from, and what was held back of it.

    ``queries`` names what is asked, as a user would: ``user:7``. ``relevant`` has for each of them the numbers of the
    items that were held back, at least one. ``items`` is how many items are ranked. ``training`` is what
    ``Evaluation.fit_model`` gets; nobody else looks at it.
    """

    queries: Sequence[str]
    relevant: Sequence[np.ndarray]
    items: int
    training: Any


class Evaluation(ABC):
    """How an encoder's model is measured on data that it holds back, beside simple models on the same data."""

    splits: tuple[str, ...]
    """In which ways data can be held back; the first is the default."""
    models: tuple[str, ...]
    """The encoder's own model first, then those that it has to beat."""
    grid: Sequence[Mapping[str, Any]] = ()
    """Parameters to try for the encoder's own model, each what differs from the solution's."""

    @property
    def fit_note(self) -> str:
        """What the last ``fit_model`` of the encoder's own model noticed, of which the report warns; else empty."""
        return ""

    @abstractmethod
    def split(self, name: str, *, validation: bool = False, seed: int = 0) -> HeldOut:
        """Hold a part back.

        With ``validation``, hold another part back of what is left to learn from, by the same rule: parameters are
        chosen on it, so that what they are judged by in the end was never seen.

        Raises:
            VicinalError: the data cannot be split so.
        """

    @abstractmethod
    def fit_model(self, name: str, held_out: HeldOut, params: Mapping[str, Any]) -> RankItems:
        """Fit one of ``models`` to the training part, the encoder's own with these parameters changed.

        Raises:
            VicinalError: this model does not suit these data, being too large for memory, say. The table says why.
        """
