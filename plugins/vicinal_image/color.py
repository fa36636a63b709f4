"""Colours as RGB: by the embedded profile, on white, and eight bits deep."""

from __future__ import annotations

import functools
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image as Pillow
    from PIL.ImageCms import ImageCmsTransform

__all__ = ["find_transform", "to_rgb"]

_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""The mode of the images that a profile describes, by its colour space."""
_MAX_SRGB_DIFFERENCE = 2
"""Levels by which colours may move for a profile to count as sRGB: the many versions of sRGB move them by 0 or 1."""


def to_rgb(image: Pillow.Image) -> Pillow.Image:
    """Convert a loaded image of any mode; what is transparent comes on white."""
    from PIL import Image

    profile = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_to_eight_bits(image))
    if image.mode == "LAB":
        return _lab_to_rgb(image)
    if image.has_transparency_data:
        rgba = _apply_profile(image.convert("RGBA"), profile)
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    if image.mode not in ("L", "CMYK"):
        image = image if image.mode == "RGB" else image.convert("RGB")
    return _apply_profile(image, profile).convert("RGB")


def find_transform(profile: Any, mode: str) -> ImageCmsTransform | None:
    """Return what turns an image of this mode into sRGB; None where it is sRGB already, or the profile is unusable.

    An unusable profile is damaged, or one of another colour space. A profile that was met before costs a microsecond;
    a new one 1 to 20 milliseconds, one of inks up to 300.
    """
    return _build_transform(bytes(profile), mode) if isinstance(profile, bytes) and profile else None


def _apply_profile(image: Pillow.Image, profile: Any) -> Pillow.Image:
    transform = find_transform(profile, image.mode)
    if transform is None and image.mode == "L":  # often a grey image that was saved with the profile of a colour one
        transform, image = find_transform(profile, "RGB"), image.convert("RGB")
    return image if transform is None else transform.apply(image)


@functools.lru_cache(maxsize=64)
def _build_transform(profile: bytes, mode: str) -> ImageCmsTransform | None:
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if _MODES.get(source.profile.xcolor_space) != mode.removesuffix("A"):
            return None
        target = ImageCms.createProfile("sRGB")
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC  # a press's colours come nearer to the original's than by others
        fineness = ImageCms.Flags.HIGHRESPRECALC if mode == "CMYK" else ImageCms.Flags.NONE
        transform = ImageCms.buildTransform(source, target, mode, "RGBA" if mode == "RGBA" else "RGB", intent, fineness)
        probe = _make_probe(mode)
        plain = _to_array(probe.convert("RGB"))
        found = _to_array(transform.apply(probe).convert("RGB"))
    except Exception:  # a damaged profile does not make the image unreadable
        return None
    is_srgb = mode != "CMYK" and abs(found - plain).max() <= _MAX_SRGB_DIFFERENCE
    return None if is_srgb or not _keeps_black_and_white(found) else transform


def _make_probe(mode: str) -> Pillow.Image:
    """Return an image whose first pixel is black, whose last is white, and which has all sorts of colours between."""
    import numpy as np
    from PIL import Image

    if mode == "L":
        return Image.fromarray(np.linspace(0, 255, 64).round().astype(np.uint8)[None])
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(1, -1, 3)
    if mode != "CMYK":
        return Image.fromarray(np.ascontiguousarray(colours)).convert(mode)
    black = np.zeros((1, colours.shape[1], 1), np.uint8)
    black[0, 0, 0] = 255
    return Image.fromarray(np.concatenate([255 - colours, black], axis=-1), "CMYK")


def _to_array(image: Pillow.Image) -> np.ndarray:
    import numpy as np

    return np.asarray(image, np.int16)


def _keeps_black_and_white(found: np.ndarray) -> bool:
    """Whether a profile shows black as dark and white as light; a damaged one that does not would spoil the image."""
    return bool(found[0, 0].mean() < 90 and found[0, -1].mean() > 165)


def _to_eight_bits(image: Pillow.Image) -> Any:
    """Scale grey levels of 16 or 32 bits, or in floating point, to eight bits: 16 by 65,535, the others by range."""
    import numpy as np

    levels = np.nan_to_num(np.asarray(image).astype(np.float32), posinf=0.0, neginf=0.0)
    low, peak = min(float(levels.min()), 0.0), float(levels.max())
    if image.mode.startswith("I;16") or image.format == "PPM":
        white = 65_535.0
    else:
        usual = (1.0, 255.0, 65_535.0) if image.mode == "F" else (255.0, 65_535.0)
        white = next((white for white in usual if peak <= white), peak)
    return np.rint((levels - low) * (255.0 / (white - low))).clip(0, 255).astype(np.uint8)


def _lab_to_rgb(image: Pillow.Image) -> Pillow.Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    rgb = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert rgb is not None
    return rgb
