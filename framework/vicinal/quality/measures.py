"""What rankings are measured by: P@k, recall@k, mAP@k, MRR@k and nDCG@k, computed by ``ir-measures``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vicinal.errors import DependencyError, VicinalError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["MAX_DEPTH", "Measures", "Ranking"]

MAX_DEPTH = 1_000
_FAMILIES = {"P": "P", "recall": "R", "mAP": "AP", "MRR": "RR", "nDCG": "nDCG"}
_SHARES = ("recall", "mAP")
"""What is divided by the number of relevant items."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """What one query found, as it is judged.

    ``gains`` is the relevance of the found items, best item first, 0 for one that is not relevant. ``relevant`` is how
    many items are relevant to the query in all. ``missed`` is the relevance of those that were not found, highest
    first; where it names fewer than there are, the others have relevance 1.
    """

    gains: Sequence[int]
    relevant: int
    missed: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Measures:
    """Some measures by name; ``depth`` is how many items a ranking must have for them."""

    names: tuple[str, ...]
    depth: int

    @property
    def primary(self) -> int:
        """The number of the measure that decides: the first nDCG, else the first one."""
        return next((number for number, name in enumerate(self.names) if name.startswith("nDCG")), 0)

    @classmethod
    def parse(cls, names: Sequence[str]) -> Measures:
        """
        Raises:
            VicinalError: one of them is not a measure.
            DependencyError: ``ir-measures`` is not installed, which computes them.
        """
        depth = 1
        for name in names:
            match = re.fullmatch(rf"({'|'.join(_FAMILIES)})@([1-9]\d*)", name)
            if match is None or int(match[2]) > MAX_DEPTH:
                known = ", ".join(f"{family}@k" for family in _FAMILIES)
                raise VicinalError(f"there is no measure {name!r}", hint=f"{known}, with k from 1 to {MAX_DEPTH:,}")
            depth = max(depth, int(match[2]))
        _import_ir_measures()  # an error that is better known before the work
        return cls(tuple(dict.fromkeys(names)), depth)

    def compute(self, rankings: Sequence[Ranking]) -> np.ndarray:
        """The value of each measure for each ranking, of shape (rankings, measures).

        What is not found counts by its number alone, so no more of it is handed over than the measures look at, and
        what they divide by the number of relevant items is corrected for it: a label may have a million items.
        """
        import numpy as np

        judged = [_to_gains(ranking, self.depth) for ranking in rankings]
        qrels = {str(number): gains for number, (gains, _) in enumerate(judged)}
        run = {
            str(number): {str(place): -float(place) for place in range(max(len(ranking.gains), 1))}
            for number, ranking in enumerate(rankings)
        }
        values = np.zeros((len(rankings), len(self.names)))
        columns = {measure: column for column, measure in enumerate(self._to_ir_measures())}
        for metric in _import_ir_measures().iter_calc(list(columns), qrels, run):
            values[int(metric.query_id), columns[metric.measure]] = metric.value
        shares = np.array([len(gains) / max(relevant, 1) for gains, relevant in judged])
        for column, name in enumerate(self.names):
            if name.startswith(_SHARES):
                values[:, column] *= shares
        return values

    def _to_ir_measures(self) -> list[Any]:
        known = _import_ir_measures()
        families = [name.partition("@")[::2] for name in self.names]
        return [getattr(known, _FAMILIES[family]) @ int(cutoff) for family, cutoff in families]


def _to_gains(ranking: Ranking, depth: int) -> tuple[dict[str, int], int]:
    """The relevance of items under made-up names, found ones by their place, and the number of relevant items."""
    gains = {str(place): gain for place, gain in enumerate(ranking.gains) if gain > 0}
    missing = ranking.relevant - len(gains)
    missed = [*ranking.missed[:depth], *[1] * min(missing - len(ranking.missed), depth)][: min(missing, depth)]
    return gains | {f"missed {number}": gain for number, gain in enumerate(missed)}, ranking.relevant


def _import_ir_measures() -> Any:
    try:
        import ir_measures
    except ImportError as error:
        raise DependencyError(
            "evaluate needs ir-measures, which is not installed", hint='pip install "vicinal[evaluate]"'
        ) from error
    return ir_measures
