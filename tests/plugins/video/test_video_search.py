"""Videos through a solution: a still finds its video and its second, damaged files are failures, a second run skips."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vicinal import Solution
from video_helpers import DATA, make_videos, shot_frames, write_video

KINDS = sorted(make_videos.KINDS)
SHOT = 2.0
ENCODER = "{type: keyframes, every: 1.0}"
X264 = "libx264", {"preset": "ultrafast"}  # with its lookahead, x264 writes another file now and then
VP9 = "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "crf": "24"}


def shift_hues(draw, turn):
    """A shot in the colours of its own film: its hues turned by a share of the circle."""

    def drawn(t):
        hue, saturation, value = draw(t).convert("HSV").split()
        levels = [round(level + 256 * turn) % 256 for level in range(256)]
        return Image.merge("HSV", (hue.point(levels), saturation, value)).convert("RGB")

    return drawn


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Ten videos of five shots each, and of each what is seen at any second."""
    folder, drawn = tmp_path_factory.mktemp("clips"), {}
    for number in range(10):
        rng = np.random.default_rng([3, number])
        kinds = [KINDS[position] for position in rng.permutation(len(KINDS))[:5]]
        draws = [shift_hues(make_videos.shot(kind, 100 + number), number / 10) for kind in kinds]
        name = f"{number}.{'mp4' if number % 2 else 'webm'}"
        codec = X264 if number % 2 else VP9
        write_video(folder / name, make_videos.film(draws, SHOT), make_videos.RATE, *codec)
        drawn[name] = draws
    return folder, drawn


def source(folder):
    return f"{{type: folder, path: '{folder}'}}"


def test_still_finds_its_video_and_second(lite, clips, tmp_path):
    """Thirty stills from between the frames that are indexed."""
    folder, drawn = clips
    solution = lite.solution(source=source(folder), encoder="{type: keyframes, every: 0.5}")
    report = solution.ingest()
    assert (report.new, report.failed, report.rows) == (10, 0, 200)
    rng, queries, expected = np.random.default_rng(5), [], []
    for name, draws in drawn.items():
        for position in rng.permutation(5)[:3]:
            moment = float(rng.uniform(0.1, SHOT - 0.1))
            queries.append(tmp_path / f"{len(queries)}.jpg")
            draws[position](moment).save(queries[-1], quality=75)
            expected.append((name, SHOT * position + moment))
    answers = solution.search(queries, limit=3)
    wrong_video, wrong_second = [], []
    for (name, moment), [best, *_] in zip(expected, answers, strict=True):
        assert best.segment["end"] == pytest.approx(best.segment["start"] + 0.5)
        if best.key != name:
            wrong_video.append((name, moment, best.key))
        elif not best.segment["start"] - 0.5 <= moment <= best.segment["end"] + 0.5:
            wrong_second.append((name, moment, best.segment))
    assert not wrong_video
    assert len(wrong_second) <= 1, wrong_second
    assert all(len({hit.key for hit in answer}) == 3 for answer in answers), "a hit is a video, by its best moment"


@pytest.mark.long
def test_excerpt_finds_its_video(lite, clips, tmp_path):
    folder, drawn = clips
    solution = lite.solution(source=source(folder), encoder=ENCODER)
    solution.ingest()
    for name in ("3.mp4", "6.webm"):
        part = write_video(tmp_path / "part.mkv", make_videos.film(drawn[name][2:4], SHOT), make_videos.RATE, "mpeg4")
        [best, *_] = solution.search(part, limit=2)
        assert best.key == name
        assert 4 <= best.segment["start"] < 8
    assert "3.mp4" not in [hit.key for hit in solution.search("@3.mp4", limit=9)]


@pytest.mark.long
def test_films_that_begin_with_the_same_black_are_told_apart(lite, tmp_path):
    """Of eight films with three seconds of black first, the one that a copy shows: by the mean over its frames."""

    def draw_black(t):
        return Image.new("RGB", (320, 180))

    folder = tmp_path / "films"
    folder.mkdir()
    for kind in KINDS[:8]:
        frames = make_videos.film([draw_black, make_videos.shot(kind, 7)], SHOT)
        write_video(folder / f"{kind}.mp4", frames, make_videos.RATE, *X264)
        frames = make_videos.film([draw_black, make_videos.shot(kind, 7)], SHOT)
        write_video(tmp_path / f"{kind}.webm", frames, make_videos.RATE, "libvpx-vp9", {**VP9[1], "crf": "40"})
    for keyframes in ("every: 1.0", "keyframes: scene"):
        name = keyframes.partition(":")[0]
        solution = lite.solution(name, source=source(folder), encoder=f"{{type: keyframes, {keyframes}}}")
        solution.ingest()
        for kind in KINDS[:8]:
            first, second = solution.search(tmp_path / f"{kind}.webm", limit=2)
            assert (first.key, first.similarity > 0.9, second.similarity < 0.9) == (f"{kind}.mp4", True, True)


def test_unchanged_videos_are_skipped(lite, clips, tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("1.mp4", "2.webm", "3.mp4"):
        (folder / name).write_bytes((clips[0] / name).read_bytes())
    solution = lite.solution(source=source(folder), encoder="{type: keyframes, every: 2.0}")
    assert solution.ingest().rows == 15
    report = solution.ingest()
    assert (report.new, report.unchanged, report.rows) == (0, 3, 15)
    write_video(folder / "1.mp4", shot_frames("fish", seconds=4), make_videos.RATE)
    report = solution.ingest()
    assert (report.updated, report.unchanged, report.rows) == (1, 2, 12), "a shorter video leaves no segments behind"


def test_damaged_files_become_failures_with_reasons(lite, clips, tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    whole = (clips[0] / "2.webm").read_bytes()
    (folder / "good.webm").write_bytes(whole)
    (folder / "half.webm").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is a text\n" * 100)
    (folder / "head.mp4").write_bytes((clips[0] / "1.mp4").read_bytes()[:100])
    solution = lite.solution(source=source(folder), encoder=ENCODER)
    report = solution.ingest()
    assert (report.new, report.failed) == (2, 3)
    reasons = {failure.key: failure.message for failure in solution.failures()}
    assert reasons.keys() == {"empty.mp4", "text.mp4", "head.mp4"}
    assert reasons["empty.mp4"] == "the file is empty"
    assert "not a readable video" in reasons["text.mp4"]
    assert reasons["head.mp4"] == "there is no video stream in it"


def test_sample_videos_are_searched_by_their_stills(lite):
    """The solution of configs/video.yaml, asked with its two stills."""
    text = (DATA.parent / "video.yaml").read_text().replace("path: data", f"path: {DATA}")
    (lite.folder / "video.yaml").write_text(text)
    with Solution.from_yaml(lite.folder / "video.yaml", manager=lite.manager) as solution:
        assert (solution.ingest().new, solution.ingest().unchanged) == (8, 8)
        for name, (clip, moment) in make_videos.STILLS.items():
            [best, *_] = solution.search(DATA / "videos" / name, limit=3)
            assert best.key == f"{clip}.mp4"
            assert abs(best.segment["start"] - moment) <= 1
        assert solution.encoder.render(next(iter(solution.source))).kind == "video"


def test_what_is_said_to_be_relevant_to_the_samples_are_their_shots_in_common_and_is_found_first(lite):
    """The judgments beside the samples, which `vicinal evaluate --qrels` reads."""
    rows = [line.split(",") for line in (DATA / "videos.csv").read_text(encoding="utf-8").splitlines()]
    assert rows == [
        ["query", "key", "relevance"],
        *([query, key, str(grade)] for query, key, grade in make_videos.judge()),
    ]
    assert ["@winter.mp4", "countryside.mp4", "2"] in rows
    text = (DATA.parent / "video.yaml").read_text().replace("path: data", f"path: {DATA}")
    (lite.folder / "video.yaml").write_text(text)
    relevant = {}
    for query, key, _ in rows[1:]:
        relevant.setdefault(query, set()).add(key)
    with Solution.from_yaml(lite.folder / "video.yaml", manager=lite.manager) as solution:
        solution.ingest()
        for query, keys in relevant.items():
            asked = query if query.startswith("@") else DATA.parents[1] / query
            assert {hit.key for hit in solution.search(asked, limit=len(keys))} == keys
