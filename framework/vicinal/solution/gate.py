"""What decides whether a new generation may replace the live one; ``vicinal.quality.gate`` makes one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Gate", "GateResult"]


@dataclass(frozen=True, slots=True)
class GateResult:
    """Whether a new generation is good enough, and by what.

    ``description`` is a sentence for people; ``checks`` has what was compared, as JSON.
    """

    passed: bool
    description: str
    checks: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The result as ``gate`` of the JSON object that ``reindex --json`` prints."""
        return asdict(self)


class Gate(ABC):
    """Judges a new generation beside the live one."""

    @abstractmethod
    def prepare(self, live: Any) -> None:
        """Called before anything is built, with the ``Solution``.

        Raises:
            VicinalError: it will not be able to judge.
        """

    @abstractmethod
    def judge(self, live: Any, new: Any) -> GateResult:
        """Called when the new one is complete.

        Args:
            live: the ``Solution``; its ``open_live`` returns what is searched, by whatever config that was built.
            new: a ``Solution`` of the new one alone, which is not to be closed.
        """
