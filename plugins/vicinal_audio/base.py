"""The base of the audio encoders: it reads a file, whole or in windows, and shows it as a player."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from vicinal import AUDIO, Encoder, Item, Rendering, Segment
from vicinal.types import Modality

if TYPE_CHECKING:
    import numpy as np

    from vicinal import Disturbance

__all__ = ["AudioEncoderBase"]

_QUIET_RATIO = 10 ** (-50 / 20)
"""Of the loudest window's peak: what is below is a pause, whose hiss would be found in all recordings."""


class AudioEncoderBase(Encoder["AudioEncoderBase.Params"]):
    """Encodes sounds; content and query are paths of files. Of a video the audio track is encoded."""

    query_modalities: tuple[Modality, ...] = (AUDIO,)

    class Params(Encoder.Params):
        renamed_keys: ClassVar[Mapping[str, str]] = {"longest": "max_seconds"}

        window: float | None = Field(default=None, ge=1, le=600)
        """Seconds of a segment; without it a sound is one segment, whatever its length."""
        hop: float | None = Field(default=None, ge=0.1, le=600)
        """Seconds from the start of one window to the next; half a window by default."""
        max_seconds: float = Field(default=3600, gt=0)
        """A longer sound is a failure. A whole sound takes 40 KB of memory a second while it is read."""

        @model_validator(mode="after")
        def _check_hop(self) -> AudioEncoderBase.Params:
            if self.hop is not None and (self.window is None or self.hop > self.window):
                raise ValueError("hop needs a window that is at least as long" if self.window else "hop needs a window")
            return self

        @property
        def hop_seconds(self) -> float:
            """``hop``, or its default."""
            return self.hop or (self.window or 0) / 2

    min_seconds: ClassVar[float] = 1.0
    """A shorter sound is repeated until it has this length."""

    @property
    def segmented(self) -> bool:
        return self.params.window is not None

    @property
    @abstractmethod
    def sample_rate(self) -> int:
        """Samples per second of the blocks that ``_make_sample`` receives."""

    @abstractmethod
    def _make_sample(self, blocks: Iterable[np.ndarray]) -> Any:
        """Turn the blocks of a sound or window into what ``encode`` needs; small, since a run holds many at once."""

    def decode(self, item: Item) -> list[Segment]:
        """Read a file: one segment, or one for each window that is neither silent nor 50 dB below the loudest one.

        Raises:
            ItemError: the file cannot be read, has no audio track, is silent, or is longer than ``max_seconds``.
        """
        from vicinal.toolkit.ffmpeg import require_path
        from vicinal_audio import decode

        window, hop, rate = self.params.window, self.params.hop_seconds, self.sample_rate
        blocks = decode.read_blocks(require_path(item.content, "sound"), rate, self.params.max_seconds)
        if window is None:
            return [Segment(self._make_sample(decode.repeat_to_length(blocks, rate, self.min_seconds)))]
        windows = decode.split_windows(blocks, rate, window, hop, self.min_seconds)
        measured = [
            (decode.peak_amplitude(each.samples), Segment(self._make_sample([each.samples]), each.start, each.end))
            for each in windows
        ]
        loudest = max(peak for peak, _ in measured)
        return [segment for peak, segment in measured if peak > _QUIET_RATIO * loudest]

    def render(self, item: Item) -> Rendering:
        return Rendering("audio", str(item.content))

    def list_disturbances(self) -> list[Disturbance]:
        """Sounds cut, played faster, noisy, through a telephone, quieter, overdriven and compressed."""
        from vicinal_audio.disturbances import list_disturbances

        return list_disturbances(self.sample_rate, self.params.max_seconds)

    @property
    def _windowing_tag(self) -> str:
        """How sounds are split into windows, for signatures."""
        window = self.params.window
        return "whole" if window is None else f"window={window:.9g}/hop={self.params.hop_seconds:.9g}"
