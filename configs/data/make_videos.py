"""Draws the sample videos of configs/video.yaml: eight clips of three shots each, stills to search them with, and what
is relevant to what.

    python configs/data/make_videos.py [FOLDER]

Tests and benchmarks make more of them. The pictures are the same at every run; what the coder makes of them may differ.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from canvas import SIZE
from PIL import Image
from shots import KINDS, SECONDS, Shot, shot

__all__ = ["CLIPS", "KINDS", "RATE", "SECONDS", "SIZE", "STILLS", "film", "judge", "shot", "write"]

RATE = 12
CLIPS = {
    "a-day-at-sea": ("sunrise", "fish", "fireworks"),
    "winter": ("snow", "train", "planets"),
    "night-out": ("city", "fireworks", "planets"),
    "up-and-away": ("balloons", "sunrise", "train"),
    "deep-blue": ("fish", "rings", "sunrise"),
    "new-year": ("snow", "city", "fireworks"),
    "countryside": ("train", "balloons", "snow"),
    "colours": ("rings", "planets", "balloons"),
}
STILLS = {"train.jpg": ("winter", 4.2), "fish.jpg": ("a-day-at-sea", 4.7)}
"""Moments of clips, in seconds."""


def film(shots: Iterable[Shot], seconds: float = SECONDS, rate: int = RATE) -> Iterator[Image.Image]:
    """The frames of some shots, one after another."""
    for draw in shots:
        for number in range(round(seconds * rate)):
            yield draw(number / rate)


def write(
    path: Path, frames: Iterable[Image.Image], rate: int = RATE, codec: str = "libx264", options: Any = None
) -> Path:
    """Write frames as a video that every browser plays."""
    import av

    chosen = {"crf": "27", "preset": "veryslow"} if options is None else options
    container_options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", container_options={"fflags": "+bitexact", **container_options}) as container:
        stream: Any = None
        for image in frames:
            if stream is None:
                stream = container.add_stream(codec, rate=rate, options=chosen)
                stream.width, stream.height = image.size
                stream.pix_fmt, stream.thread_count = "yuv420p", 1
            for packet in stream.encode(av.VideoFrame.from_image(image)):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def judge() -> Iterator[tuple[str, str, int]]:
    """Which clips are relevant to a clip, as ``@key``, or to a still: in how many kinds of shot they agree."""
    shown = {f"@{name}.mp4": set(kinds) for name, kinds in CLIPS.items()}
    for still, (clip, moment) in STILLS.items():
        shown[f"configs/data/videos/{still}"] = {CLIPS[clip][int(moment // SECONDS)]}
    for query, kinds in shown.items():
        for name, others in CLIPS.items():
            if query != f"@{name}.mp4" and kinds & set(others):
                yield query, f"{name}.mp4", len(kinds & set(others))


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "videos"
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, kinds) in enumerate(CLIPS.items()):
        write(folder / f"{name}.mp4", film(shot(kind, seed) for kind in kinds))
    for name, (clip, moment) in STILLS.items():
        number, kinds = list(CLIPS).index(clip), CLIPS[clip]
        still = shot(kinds[int(moment // SECONDS)], number)(moment % SECONDS)
        still.save(folder / name, quality=85)
    rows = [",".join(map(str, row)) for row in [("query", "key", "relevance"), *judge()]]
    folder.with_suffix(".csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
