"""The encoder ``keyframes``: the contract, its parameters, and the encoder of images within it."""

from __future__ import annotations

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from pydantic import ValidationError

import vicinal_video
from vicinal import IMAGE, VIDEO, Item, ItemError, Rendering, create_manager
from vicinal.config import check_config
from vicinal.errors import PluginError
from vicinal.testing import EncoderContract
from vicinal_image.efficientnet import EfficientNetLite0
from vicinal_video.frame_convert import FrameConverter
from vicinal_video.keyframes import Keyframes
from vicinal_video.video import is_video
from video_helpers import (
    ColourGrid,
    make_keyframes,
    make_registry,
    numbered_frame,
    open_video,
    shot_frames,
    write_video,
)

VP9 = "libvpx-vp9", {"cpu-used": "8"}


@pytest.fixture(scope="session")
def contents(tmp_path_factory):
    """Videos that can be read, and files that cannot."""
    folder = tmp_path_factory.mktemp("videos")
    good = [
        write_video(folder / "fish.mp4", shot_frames("fish", seconds=2), 12),
        str(write_video(folder / "city.webm", shot_frames("city", "snow", seconds=1), 12, *VP9)),
        write_video(folder / "train.mkv", shot_frames("train", seconds=1), 12),
    ]
    frames = list(shot_frames("rings", seconds=1))
    frames[0].save(folder / "rings.gif", save_all=True, append_images=frames[1:], duration=83)
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("no video")
    (folder / "half.mp4").write_bytes(good[0].read_bytes()[:300])
    bad = [folder / "empty.mp4", folder / "text.mp4", folder / "half.mp4", folder / "gone.mp4", folder, ""]
    return [*good, folder / "rings.gif"], bad


class TestByInterval(EncoderContract):
    encoder_class = Keyframes
    params = {"every": 0.5}  # noqa: RUF012
    variants = (
        {},
        {"keyframes": "scene"},
        {"every": 0.5, "max_short_side": 300},
        {"every": 0.5, "image": {"type": "efficientnet_lite0", "precision": "bf16"}},
        {"every": 0.5, "image": {"type": "resnet18", "weights": "random"}},
    )

    @pytest.fixture(autouse=True)
    def _contents(self, contents):
        self.good, self.bad = contents[0], [*contents[1], None, 5]

    def test_segments_have_start_and_end(self):
        assert self.encoder.segmented
        times = [(each.start, each.end) for each in self.encoder.decode(self.items[0])]
        assert times == [(0, 0.5), (0.5, 1), (1, 1.5), (1.5, 2)]


class TestByScene(EncoderContract):
    encoder_class = Keyframes
    params = {"keyframes": "scene", "image": {"type": "resnet18", "weights": "random"}}  # noqa: RUF012
    libraries = frozenset({"PIL", "torch", "torchvision"})
    variants = ({"keyframes": "scene", "threshold": 0.2, "image": {"type": "resnet18", "weights": "random"}},)

    @pytest.fixture(autouse=True)
    def _contents(self, contents):
        self.good, self.bad = contents


# --- the encoder of images


def test_space_and_signature_come_from_the_image_encoder():
    inner = EfficientNetLite0()
    assert Keyframes().space == inner.space
    assert Keyframes().signature == f"keyframes/1/every=1/size=512/{inner.signature}"
    scene = Keyframes(Keyframes.Params(keyframes="scene", threshold=0.2, max_short_side=256))
    assert scene.signature == f"keyframes/1/scene=0.2/size=256/{inner.signature}"
    assert make_keyframes().space == ColourGrid().space
    assert Keyframes().encode_batch_size == inner.encode_batch_size


def test_vectors_equal_the_image_encoders(tmp_path):
    path = write_video(tmp_path / "a.mp4", shot_frames("balloons", "city", seconds=2), 12)
    segments = Keyframes().decode(Item("x", path))
    frames = list(open_video(path).decode_all())[::12]
    inner, converter = EfficientNetLite0(), FrameConverter(1, 512)
    wanted = inner.encode([inner.decode(Item("x", converter.to_image(frame)))[0].sample for frame, _ in frames])
    assert len(segments) == 4
    assert np.array_equal(Keyframes().encode([segment.sample for segment in segments]), wanted)


def test_image_encoder_may_be_any_registered_one(tmp_path):
    path = write_video(tmp_path / "a.mp4", [numbered_frame(number) for number in range(50)])
    vectors = make_keyframes().encode([segment.sample for segment in make_keyframes().decode(Item("x", path))])
    wanted = ColourGrid().encode(
        [ColourGrid().decode(Item("x", numbered_frame(number)))[0].sample for number in (0, 25)]
    )
    assert (vectors * wanted).sum(axis=1) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("kind", ["keyframes", "sentence", "melstats", "morgan", "clap"])
def test_other_encoders_are_refused_as_image_encoder(kind, tmp_path):
    params = {"window": 2} if kind == "melstats" else {}
    encoder = Keyframes(Keyframes.Params.model_validate({"image": {"type": kind, **params}}))
    with pytest.raises(PluginError, match=f"image: {kind} is not an image encoder") as caught:
        _ = encoder.space
    assert "efficientnet_lite0" in caught.value.hint


def test_parameters_without_effect_are_refused():
    for params, name in (({"keyframes": "scene", "every": 2}, "every"), ({"threshold": 0.2}, "threshold")):
        with pytest.raises(ValidationError, match=f"{name} has no effect with keyframes"):
            Keyframes.Params.model_validate(params)
    with pytest.raises(ValidationError, match="did you mean 'resnet18'"):
        Keyframes.Params.model_validate({"image": {"type": "resnet81"}})
    with pytest.raises(ValidationError, match="batch_sice"):
        Keyframes.Params.model_validate({"image": {"type": "resnet18", "batch_sice": 3}})


def test_errors_for_renamed_keys_name_the_new_ones(tmp_path, manager):
    path = tmp_path / "videos.yaml"
    path.write_text(
        "name: videos\nsource: {type: folder, path: videos}\nencoder: {type: keyframes, longest: 60, size: 300}\n"
    )
    assert check_config(path, manager)[1] == [
        f"{path}:3:28: encoder.longest: renamed to 'max_seconds'",
        f"{path}:3:41: encoder.size: renamed to 'max_short_side'",
    ]


# --- queries


def test_query_modalities_are_video_and_the_image_encoders():
    assert Keyframes().query_modalities == (VIDEO, IMAGE)
    assert make_keyframes().query_modalities == (VIDEO,), "an image encoder that states none"


def test_query_is_an_image_or_a_video(tmp_path):
    path = write_video(tmp_path / "a.mp4", [numbered_frame(number) for number in range(75)])
    numbered_frame(25).save(tmp_path / "still.png")
    encoder = make_keyframes()
    by_video = encoder.encode([segment.sample for segment in encoder.decode_query(path)])
    [still] = encoder.encode([segment.sample for segment in encoder.decode_query(str(tmp_path / "still.png"))])
    assert len(by_video) == 3
    assert np.argmax(by_video @ still) == 1


@pytest.mark.parametrize(
    ("format", "kind"), [("AVIF", "an AVIF"), ("HEIF", "a HEIC"), ("WEBP", "a WebP"), ("PNG", "a PNG")]
)
@pytest.mark.parametrize("is_animated", [False, True])
def test_pictures_among_videos_are_refused_by_name(tmp_path, format, kind, is_animated):
    if format == "HEIF":
        pillow_heif.register_heif_opener()
    path = tmp_path / "a.mp4"
    frames = [numbered_frame(number) for number in range(3)]
    more = {"save_all": True, "append_images": frames[1:]} if is_animated and format != "PNG" else {}
    frames[0].save(path, format, **more)
    with pytest.raises(ItemError, match=f"^{kind} image, not a video; search pictures with an encoder of images$"):
        Keyframes().decode(Item("x", path))
    assert not is_video(path)


@pytest.mark.parametrize("format", ["GIF", "PNG"])
def test_animated_gif_and_png_are_videos(tmp_path, format):
    path = tmp_path / "a.bin"
    frames = [numbered_frame(number) for number in range(0, 100, 25)]
    frames[0].save(path, format, save_all=True, append_images=frames[1:], duration=1_000)
    assert is_video(path)
    segments = make_keyframes().decode(Item("x", path))
    assert [round(segment.start) for segment in segments] == [0, 1, 2, 3]


def test_picture_of_tiles_is_a_picture_as_a_query(tmp_path):
    numbered_frame(25).save(tmp_path / "a.avif")
    segments = make_keyframes().decode_query(tmp_path / "a.avif")
    assert len(segments) == 1
    assert segments[0].start is None


def test_video_without_suffix_is_recognised(tmp_path):
    path = write_video(tmp_path / "a.mp4", [numbered_frame(number) for number in range(50)]).rename(tmp_path / "noname")
    assert len(make_keyframes().decode_query(path)) == 2


def test_query_by_a_long_video_uses_spread_frames(tmp_path):
    path = write_video(tmp_path / "a.mp4", [numbered_frame(number) for number in range(300)])
    segments = make_keyframes(every=0.04).decode_query(path)
    assert [segment.start for segment in segments] == pytest.approx([0.2 * number for number in range(60)])


def test_query_may_be_whatever_the_image_encoder_takes():
    encoder = make_keyframes()
    [red] = encoder.encode([segment.sample for segment in encoder.decode_query("red")])
    [wanted] = ColourGrid().encode([ColourGrid().decode(Item("x", Image.new("RGB", (9, 9), "red")))[0].sample])
    assert np.array_equal(red, wanted)


def test_unreadable_queries_are_refused(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    for query, reason in (
        (tmp_path / "gone.mp4", "there is no file"),
        ("gone.webm", "there is no file"),
        (tmp_path / "broken.jpg", "not an image"),
        ("no such thing", "not an image"),
    ):
        with pytest.raises(ItemError, match=reason):
            make_keyframes().decode_query(query)


# --- the plugin


def test_plugin_registers_keyframes():
    manager = create_manager(entry_points=False)
    row = manager.register(vicinal_video, "video")
    assert (row.status, row.encoders) == ("ok", ["keyframes"])
    assert "keyframes" in make_registry()


def test_item_is_rendered_as_video():
    assert make_keyframes().render(Item("x", "a/b.mp4")) == Rendering("video", "a/b.mp4")
