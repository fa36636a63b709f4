"""How fast vicinal ingests videos, and what it decodes of them.

ingest   Generated videos of 640 × 360, H.264 as x264 writes it by default, a frame a second through EfficientNet-Lite0.
         (a) is the image encoder alone, fed with those frames, decoded and cut out already. (b) is the loop that
         notebooks have: every frame decoded, each 25th kept as an image, encoded video by video, nothing stored. The
         encoder is loaded before any clock starts. On a CPU decoding takes its share of the cores from the encoder: how
         much, a row of its own says, and what tells the framework's cost is the third: the same videos read by vicinal
         in a plain pool of threads and then encoded, nothing stored.
decode   Frames picked by the plan of vicinal_video.decode_plan against decoding all frames, for key frames near and
         far apart.

Contenders take turns; a ratio compares two of the same round. Shown are medians, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import common
from common import Results, alone, compared, folder, pooled, ratios, rounds, seconds, solution
from program import Program

sys.path.insert(0, str(common.DATA))
import make_videos

TARGET = 0.9
RATE = 25
SIZE = (640, 360)
SHOTS = 4


def main() -> None:
    program = Program(__doc__, {"ingest": ingest, "decode": decode})
    program.parser.add_argument("--videos", type=int, default=96, metavar="N", help="ingest: videos of 12 s (96)")
    program.run(program.options())


def written(where: Path, count: int, options: dict[str, str] | None = None) -> list[Path]:
    """Generated videos of four shots."""
    kinds = list(make_videos.KINDS)
    where.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        shots = [make_videos.shot(kinds[(number + place * 2) % len(kinds)], number) for place in range(SHOTS)]
        frames = (image.resize(SIZE) for image in make_videos.film(shots, rate=RATE))
        path = where / f"{number:03}.mp4"
        paths.append(make_videos.write(path, frames, RATE, options=options or {"preset": "veryfast"}))
    return paths


def ingest(options: argparse.Namespace, results: Results) -> None:
    from vicinal import Item
    from vicinal_image.efficientnet import EfficientNetLite0
    from vicinal_video.keyframes import Keyframes
    from vicinal_video.video import Film

    with folder() as where:
        paths = written(where / "videos", options.videos)
        encoder, videos = EfficientNetLite0(), Keyframes()
        samples = [segment.sample for path in paths for segment in videos.decode(Item("x", path))]
        count = len(samples)
        encoder.encode(samples[: encoder.encode_batch_size])

        def decoding() -> None:
            for path in paths:
                videos.decode(Item("x", path))

        def loop() -> None:
            for path in paths:
                images = [shown.frame.to_image() for n, shown in enumerate(Film(path, 1e6).frames()) if n % RATE == 0]
                encoder.encode([encoder.decode(Item("x", image))[0].sample for image in images])

        contenders: dict[str, Callable[[], float]] = {
            "(a) the image encoder alone, frames in memory": lambda: alone(encoder, samples),
            "(b) the loop: all frames decoded, one after another": lambda: seconds(loop),
            "videos in a plain pool, from files, then encoded": lambda: pooled(videos, encoder, paths),
            "decoding alone, one thread": lambda: seconds(decoding),
            "vicinal": lambda: ingested(where / "videos", len(paths), count),
        }
        ingested(where / "videos", len(paths), count)
        taken = rounds(contenders, options.rounds)
    targets = dict(zip(contenders, (TARGET, 1.0, TARGET), strict=False))
    title = f"{len(paths)} videos of {SHOTS * make_videos.SECONDS:g} s, {SIZE[0]} × {SIZE[1]}, H.264; a frame a second"
    results.add("ingest", title, compared(taken, targets, count, "frames/s"))


def ingested(where: Path, count: int, segments: int) -> float:
    """Seconds from opening the stores to the end of the run, the encoder loaded."""
    with folder() as home, solution(home, f"{{type: folder, path: '{where}'}}", "{type: keyframes}") as made:
        made.encoder.encode([segment.sample for segment in made.encoder.decode_query(next(where.iterdir()))])
        reports: list[Any] = []
        taken = seconds(lambda: reports.append(made.ingest()))
        assert (reports[0].new, reports[0].rows, reports[0].failed) == (count, segments, 0), reports[0]
        return taken


def decode(options: argparse.Namespace, results: Results) -> None:
    from vicinal_video.decode_plan import planned
    from vicinal_video.sampling import intervals
    from vicinal_video.video import Film

    rows = []
    with folder() as where:
        for keys in (10, 50, 250):
            chosen = {"preset": "veryfast", "x264-params": f"keyint={keys}:scenecut=0"}
            paths = written(where / str(keys), 4, chosen)

            def by_plan(paths: Sequence[Path] = paths) -> None:
                for path in paths:
                    film = Film(path, 1e6)
                    if plan := planned(*film.stored(), 1.0):
                        list(film.chosen(plan))

            def whole(paths: Sequence[Path] = paths) -> None:
                for path in paths:
                    list(intervals(Film(path, 1e6).frames(), 1.0))

            contenders: dict[str, Callable[[], float]] = {
                "all frames": lambda run=whole: seconds(run),  # type: ignore[misc]
                "by plan": lambda run=by_plan: seconds(run),  # type: ignore[misc]
            }
            taken = rounds(contenders, options.rounds)
            rows.append({"frames from key frame to key frame": str(keys), "times as fast": ratios(taken, *contenders)})
    results.add("decode", f"A frame a second of H.264, {SIZE[0]} × {SIZE[1]}, decoded by plan", rows)


if __name__ == "__main__":
    main()
