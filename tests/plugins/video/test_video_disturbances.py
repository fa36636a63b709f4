"""What happens to videos before somebody searches with them: moments, clips and copies of numbered frames."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from vicinal import Disturbance, Item, ItemError
from vicinal_video.disturbances import list_disturbances
from vicinal_video.keyframes import Keyframes
from video_helpers import FORMATS, counting_frames, make_keyframes, numbered_frame, open_video, read_number, write_video


def turn(content, _):
    """Of an image of Pillow, as the encoder of images gets frames."""
    target = BytesIO()
    content.transpose(Image.Transpose.ROTATE_180).save(target, "PNG")
    return target.getvalue()


TURNED = Disturbance("turned", "turned pictures", turn, ".png", "turn them back")
BY_NAME = {one.name: one for one in list_disturbances([TURNED], 3600, 512, takes_pictures=True)}


def disturb(name, path, seed=0):
    return BY_NAME[name].apply(path, np.random.default_rng(seed))


def read_video(data, folder):
    (folder / "query.mp4").write_bytes(data)
    return [(frame.start, read_number(frame.frame)) for frame in open_video(folder / "query.mp4").decode_all()]


@pytest.fixture(scope="module", params=["h264.mp4", "long-gop.mp4", "vp8.webm"])
def film(request, tmp_path_factory):
    """Six seconds; of the last one all frames have to be decoded."""
    codec, options = FORMATS[request.param]
    path = tmp_path_factory.mktemp("films") / request.param
    return write_video(path, counting_frames(6), 25, codec, options)


def test_a_moment_is_a_frame_of_the_film(film):
    numbers = [read_number(Image.open(BytesIO(disturb("moment", film, seed)))) for seed in range(12)]
    assert len(set(numbers)) > 8
    assert min(numbers) < 60 < 90 < max(numbers) < 150


def test_the_picture_of_a_moment_is_disturbed_as_pictures_are(film):
    assert (BY_NAME["moment-turned"].label, BY_NAME["moment-turned"].suffix) == (
        "moments of videos as turned pictures",
        ".png",
    )
    turned = Image.open(BytesIO(disturb("moment-turned", film)))
    assert read_number(turned.transpose(Image.Transpose.ROTATE_180)) < 150


def test_a_clip_is_half_of_a_short_film(film, tmp_path):
    frames = read_video(disturb("clip", film), tmp_path)
    numbers = [number for _, number in frames]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) == pytest.approx(75, abs=2)
    assert frames[0][0] == pytest.approx(0, abs=0.001)
    assert frames[-1][0] == pytest.approx((len(numbers) - 1) / 25, abs=0.002)


def test_a_copy_has_all_frames_at_their_times(film, tmp_path):
    frames = read_video(disturb("recompressed", film), tmp_path)
    assert [number for _, number in frames] == list(range(150))
    assert [start for start, _ in frames] == pytest.approx([number / 25 for number in range(150)], abs=0.002)


def test_a_copy_is_small_and_has_the_first_minute(tmp_path):
    frames = (numbered_frame(number, (642, 362)) for number in range(66))
    path = write_video(tmp_path / "long.mp4", frames, 1)
    (tmp_path / "copy.mp4").write_bytes(disturb("recompressed", path))
    copied = list(open_video(tmp_path / "copy.mp4").decode_all())
    assert (len(copied), copied[0].frame.height) == (61, 180)
    assert copied[0].frame.width in (318, 320)


def test_a_video_below_a_second_has_no_clip(tmp_path):
    path = write_video(tmp_path / "short.mp4", counting_frames(0.8), 25)
    assert disturb("clip", path) is None
    assert read_number(Image.open(BytesIO(disturb("moment", path)))) < 20


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    for name in BY_NAME:
        for content in (tmp_path / "gone.mp4", tmp_path / "text.mp4", None):
            with pytest.raises(ItemError):
                disturb(name, content)


def test_moments_are_asked_where_pictures_are_queries():
    names = [one.name for one in Keyframes().list_disturbances()]
    assert names[:3] == ["moment", "clip", "recompressed"]
    assert "moment-mirrored" in names
    assert [one.name for one in list_disturbances([TURNED], 3600, 512, takes_pictures=False)] == [
        "clip",
        "recompressed",
    ]


def test_the_note_of_the_encoder_of_images_is_that_of_the_videos():
    params = Keyframes.Params.model_validate({"image": {"type": "resnet18", "weights": "random"}})
    assert "the weights are random" in Keyframes(params).quality_note
    assert Keyframes().quality_note == ""


def test_a_clip_is_decoded_as_an_item_is(film, tmp_path):
    (tmp_path / "query.mp4").write_bytes(disturb("clip", film))
    assert len(make_keyframes().decode(Item("x", tmp_path / "query.mp4"))) in (3, 4)
