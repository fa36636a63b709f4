"""How fast vicinal ingests videos, and what it decodes of them.

ingest   Generated videos of 640 × 360, H.264 as x264 writes it by default, a frame a second through EfficientNet-Lite0.
         (a) is the image encoder alone, on crops of those frames decoded before. (b) is the loop of notebooks: every
         frame decoded, each 25th kept as an image, encoded video by video, nothing stored. The encoder is loaded before
         any clock starts. On a CPU decoding takes its share of the cores from the encoder, which a row of its own
         measures; the third shows the framework's own cost: the same videos read by vicinal in a plain thread pool and
         then encoded, nothing stored.
decode   Frames decoded by the plan of vicinal_video.decode_plan against decoding all frames, for key frames near and
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
from common import (
    Results,
    build_comparison,
    compute_ratios,
    measure_seconds,
    open_solution,
    run_rounds,
    temporary_folder,
    time_encoding,
    time_plain_pool,
)
from program import Program

sys.path.insert(0, str(common.DATA))
import make_videos

MIN_RATIO = 0.9
RATE = 25
SIZE = (640, 360)
SHOTS = 4


def main() -> None:
    program = Program(__doc__, {"ingest": measure_ingest, "decode": measure_decoding})
    program.parser.add_argument("--videos", type=int, default=96, metavar="N", help="ingest: videos of 12 s (96)")
    program.run(program.parse_options())


def write_videos(where: Path, count: int, options: dict[str, str] | None = None) -> list[Path]:
    """Generate videos of four shots."""
    kinds = list(make_videos.KINDS)
    where.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        shots = [make_videos.shot(kinds[(number + place * 2) % len(kinds)], number) for place in range(SHOTS)]
        frames = (image.resize(SIZE) for image in make_videos.film(shots, rate=RATE))
        path = where / f"{number:03}.mp4"
        paths.append(make_videos.write(path, frames, RATE, options=options or {"preset": "veryfast"}))
    return paths


def measure_ingest(options: argparse.Namespace, results: Results) -> None:
    from vicinal import Item
    from vicinal_image.efficientnet import EfficientNetLite0
    from vicinal_video.keyframes import Keyframes
    from vicinal_video.video import Video

    with temporary_folder() as where:
        paths = write_videos(where / "videos", options.videos)
        encoder, videos = EfficientNetLite0(), Keyframes()
        samples = [segment.sample for path in paths for segment in videos.decode(Item("x", path))]
        count = len(samples)
        encoder.encode(samples[: encoder.encode_batch_size])

        def decode_alone() -> None:
            for path in paths:
                videos.decode(Item("x", path))

        def decode_all_and_encode() -> None:
            for path in paths:
                images = [
                    frame.to_image()
                    for number, (frame, _) in enumerate(Video(path, 1e6).decode_all())
                    if number % RATE == 0
                ]
                encoder.encode([encoder.decode(Item("x", image))[0].sample for image in images])

        contenders: dict[str, Callable[[], float]] = {
            "(a) the image encoder alone, frames in memory": lambda: time_encoding(encoder, samples),
            "(b) the loop: all frames decoded, one after another": lambda: measure_seconds(decode_all_and_encode),
            "videos in a plain pool, from files, then encoded": lambda: time_plain_pool(videos, encoder, paths),
            "decoding alone, one thread": lambda: measure_seconds(decode_alone),
            "vicinal": lambda: time_ingest(where / "videos", len(paths), count),
        }
        time_ingest(where / "videos", len(paths), count)
        taken = run_rounds(contenders, options.rounds)
    targets = dict(zip(contenders, (MIN_RATIO, 1.0, MIN_RATIO), strict=False))
    title = f"{len(paths)} videos of {SHOTS * make_videos.SECONDS:g} s, {SIZE[0]} × {SIZE[1]}, H.264; a frame a second"
    results.add("ingest", title, build_comparison(taken, targets, count, "frames/s"))


def time_ingest(where: Path, count: int, segments: int) -> float:
    """Seconds from opening the stores to the end of the run, the encoder loaded."""
    with (
        temporary_folder() as home,
        open_solution(home, f"{{type: folder, path: '{where}'}}", "{type: keyframes}") as made,
    ):
        made.encoder.encode([segment.sample for segment in made.encoder.decode_query(next(where.iterdir()))])
        reports: list[Any] = []
        taken = measure_seconds(lambda: reports.append(made.ingest()))
        assert (reports[0].new, reports[0].rows, reports[0].failed) == (count, segments, 0), reports[0]
        return taken


def measure_decoding(options: argparse.Namespace, results: Results) -> None:
    from vicinal_video.decode_plan import plan_decoding
    from vicinal_video.sampling import sample_by_interval
    from vicinal_video.video import Video

    rows = []
    with temporary_folder() as where:
        for keys in (10, 50, 250):
            chosen = {"preset": "veryfast", "x264-params": f"keyint={keys}:scenecut=0"}
            paths = write_videos(where / str(keys), 4, chosen)

            def by_plan(paths: Sequence[Path] = paths) -> None:
                for path in paths:
                    video = Video(path, 1e6)
                    if plan := plan_decoding(*video.index_packets(), 1.0):
                        list(video.decode_planned(plan))

            def whole(paths: Sequence[Path] = paths) -> None:
                for path in paths:
                    list(sample_by_interval(Video(path, 1e6).decode_all(), 1.0))

            contenders: dict[str, Callable[[], float]] = {
                "all frames": lambda run=whole: measure_seconds(run),  # type: ignore[misc]
                "by plan": lambda run=by_plan: measure_seconds(run),  # type: ignore[misc]
            }
            taken = run_rounds(contenders, options.rounds)
            rows.append(
                {"frames from key frame to key frame": str(keys), "times as fast": compute_ratios(taken, *contenders)}
            )
    results.add("decode", f"A frame a second of H.264, {SIZE[0]} × {SIZE[1]}, decoded by plan", rows)


if __name__ == "__main__":
    main()
