"""What the encoders of sounds share: reading a file, whole or in windows, and showing it as a player."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from vicinal import Encoder, Item, ItemError, Rendering, Segment
from vicinal.types import Modality

if TYPE_CHECKING:
    import numpy as np

__all__ = ["SoundEncoder", "path_of"]


class SoundEncoder(Encoder):
    """Encodes sounds; content and query are paths of files, also of videos, whose sound track is taken."""

    query_modalities: tuple[Modality, ...] = ("audio",)

    class Params(Encoder.Params):
        window: float | None = Field(default=None, ge=1, le=600)
        """Seconds of a segment; without it a sound is one segment, whatever its length."""
        hop: float | None = Field(default=None, ge=0.1, le=600)
        """Seconds from the start of one window to the next; half a window by default."""
        longest: float = Field(default=3600, gt=0)
        """Seconds; a longer sound is a failure. A whole sound takes 40 KB of memory a second while it is read."""

        @model_validator(mode="after")
        def _check_hop(self) -> SoundEncoder.Params:
            if self.hop is not None and (self.window is None or self.hop > self.window):
                raise ValueError("hop needs a window that is at least as long" if self.window else "hop needs a window")
            return self

        @property
        def step(self) -> float:
            """``hop``, or what it is by default."""
            return self.hop or (self.window or 0) / 2

    shortest: ClassVar[float] = 1.0
    """Seconds; a shorter sound is repeated until it is as long."""

    def __init__(self, params: Any = None) -> None:
        super().__init__(params)
        self.segmented = self.params.window is not None  # type: ignore[misc]

    @property
    @abstractmethod
    def rate(self) -> int:
        """Samples a second that ``_sample`` is given."""

    @abstractmethod
    def _sample(self, parts: Iterable[np.ndarray]) -> Any:
        """What ``encode`` needs of a sound or window that comes in blocks; small, since many are held at once."""

    def decode(self, item: Item) -> list[Segment]:
        """Read a file: one segment, or one for each window that is not silent.

        Raises:
            ItemError: it cannot be read, has no sound track, is silent, or is longer than ``longest``.
        """
        from vicinal_audio import decode

        window, step = self.params.window, self.params.step
        parts = decode.blocks(path_of(item.content), self.rate, self.params.longest)
        if window is None:
            return [Segment(self._sample(decode.audible(parts, self.rate, self.shortest)))]
        cut = decode.windows(parts, self.rate, window, step, self.shortest)
        return [Segment(self._sample([part.samples]), part.start, part.end) for part in cut]

    def render(self, item: Item) -> Rendering:
        return Rendering("audio", str(item.content))

    @property
    def _cut(self) -> str:
        """How sounds are cut, for signatures."""
        window = self.params.window
        return "whole" if window is None else f"window={window:.9g}/hop={self.params.step:.9g}"


def path_of(content: Any) -> Path:
    """The path that an item's content is.

    Raises:
        ItemError: it is none.
    """
    if not isinstance(content, str | Path):
        raise ItemError(f"a sound is the path of a file, not {type(content).__name__}")
    if not str(content).strip():
        raise ItemError("the path of the sound is empty")
    return Path(content)
