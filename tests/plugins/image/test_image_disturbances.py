"""What happens to pictures before somebody searches with them: each change is what its name says."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from image_helpers import SAMPLE_IMAGES, load_rgb
from vicinal import ItemError
from vicinal_image.disturbances import list_disturbances
from vicinal_image.torchvision import ResNet18

CITY, FOREST = SAMPLE_IMAGES[1], SAMPLE_IMAGES[4]
BY_NAME = {disturbance.name: disturbance for disturbance in list_disturbances(11_500_000)}


def disturb(name, content=CITY, seed=0):
    return Image.open(BytesIO(BY_NAME[name].apply(content, np.random.default_rng(seed)))).convert("RGB")


def mean_difference(one, other):
    return float(np.abs(np.asarray(one, np.float32) - np.asarray(other, np.float32)).mean())


def test_a_crop_is_a_part_of_the_picture_of_80_percent_of_its_sides():
    original, cropped = load_rgb(CITY), disturb("cropped")
    width, height = cropped.size
    assert (width, height) == (round(0.8 * original.width), round(0.8 * original.height))
    nearest = min(
        mean_difference(original.crop((left, top, left + width, top + height)), cropped)
        for left in range(original.width - width + 1)
        for top in range(original.height - height + 1)
    )
    assert nearest < 5
    assert len({disturb("cropped", seed=seed).tobytes() for seed in range(4)}) == 4


def test_pictures_are_mirrored_grey_and_blurred():
    original = load_rgb(FOREST)
    assert mean_difference(disturb("mirrored", FOREST), ImageOps.mirror(original)) < 1
    assert mean_difference(disturb("mirrored", FOREST), original) > 5
    assert mean_difference(disturb("grey", FOREST), original.convert("L").convert("RGB")) < 1
    radius = min(original.size) / 100
    assert mean_difference(disturb("blurred", FOREST), original.filter(ImageFilter.GaussianBlur(radius))) < 1


def test_a_poor_jpeg_has_a_quarter_of_the_bytes_at_most():
    poor, good = (len(BY_NAME[name].apply(CITY, np.random.default_rng(0))) for name in ("recompressed", "mirrored"))
    assert poor < good / 4


def test_a_turned_picture_has_no_corners_without_picture():
    white = Image.new("RGB", (300, 200), "white")
    for seed in range(6):
        turned = disturb("rotated", white, seed)
        assert np.asarray(turned).min() > 245
        assert 0.6 * 300 < turned.width < 300
        assert turned.width / turned.height == pytest.approx(1.5, abs=0.03)
    assert len({disturb("rotated", white, seed).size for seed in range(6)}) > 3


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (3, 2)])
def test_the_smallest_pictures_are_changed_too(size):
    for name in BY_NAME:
        assert min(disturb(name, Image.new("RGB", size)).size) >= 1


def test_a_large_photo_is_decoded_at_a_fraction_of_its_size(tmp_path):
    load_rgb(CITY).resize((4096, 2730)).save(tmp_path / "large.jpg")
    assert disturb("mirrored", tmp_path / "large.jpg").size == (1024, 683)
    with pytest.raises(ItemError, match="more than"):
        disturb("mirrored", Image.new("L", (4000, 3000)))


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    for content in (tmp_path / "gone.jpg", tmp_path / "text.jpg"):
        with pytest.raises(ItemError):
            disturb("grey", content)


def test_random_weights_are_noted():
    note = ResNet18(ResNet18.Params(weights="random")).quality_note
    assert note == "the weights are random: the network has learnt nothing; write `weights: DEFAULT`"
    assert ResNet18().quality_note == ""
