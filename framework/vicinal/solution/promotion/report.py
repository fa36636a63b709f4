"""What a promotion reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from vicinal.solution.promotion.proof import Pair, Proof

__all__ = ["PromotionReport"]


@dataclass(slots=True)
class PromotionReport:
    """What was copied, and the proof that both are the same.

    ``source`` and ``target`` have the places of both stores without secrets: ``{"milvus", "redis"}``. ``copied``,
    ``unchanged`` and ``removed`` count items, ``copied_rows`` vectors. ``resumed`` says whether a run before had copied
    some, ``handed_over`` whether the target takes the writes from now on.
    """

    solution: str
    source: Mapping[str, str]
    target: Mapping[str, str]
    proof: Proof
    resumed: bool = False
    copied: int = 0
    unchanged: int = 0
    removed: int = 0
    copied_rows: int = 0
    handed_over: bool = False
    seconds: float = 0.0
    rows_per_second: float = 0.0
    """Of copying alone, without the index and the proof."""
    warnings: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The report as the JSON object that ``promote --json`` prints."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> PromotionReport:
        """The report in what ``to_dict`` returned, in another process maybe."""
        proof: dict[str, Any] = {
            name: Pair(**value) if isinstance(value, Mapping) else value for name, value in document["proof"].items()
        }
        return cls(**{**document, "proof": Proof(**proof)})
