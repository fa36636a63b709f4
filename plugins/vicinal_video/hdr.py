"""Converts HDR frames, in PQ or HLG and BT.2020, to the standard range of BT.709 by their formulas in BT.2100.

Diffuse white lies at 203 cd/m² (BT.2408). What is brighter than 90% of it is compressed by a knee that keeps the hue,
so that highlights do not become flat; HLG is shown as on a display of 1,000 cd/m².
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from av.video.reformatter import ColorTrc

__all__ = ["is_hdr", "tone_map"]

_WHITE = 203.0
_HLG_PEAK = 1000.0
_KNEE = 0.9
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)
_BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)


def is_hdr(frame: Any) -> bool:
    """Whether a frame's colours are coded in PQ or HLG."""
    return frame.color_trc in (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)


def tone_map(rgb: np.ndarray, transfer: int) -> np.ndarray:
    """Return colours as a display of standard range shows them.

    Args:
        rgb: ``(height, width, 3)`` uint16, in BT.2020 and coded by ``transfer``.
        transfer: ``ColorTrc.SMPTE2084`` (PQ) or ``ColorTrc.ARIB_STD_B67`` (HLG).

    Returns:
        ``(height, width, 3)`` uint8 in BT.709, with the gamma of 2.4 of BT.1886.
    """
    light = _decode_pq()[rgb] if transfer == ColorTrc.SMPTE2084 else _decode_hlg(rgb)
    light = np.maximum(light @ _BT2020_TO_BT709.T, 0.0)
    peak = light.max(axis=-1, keepdims=True)
    over = np.maximum(peak - _KNEE, 0.0)
    compressed = _KNEE + (1 - _KNEE) * over / (over + 1 - _KNEE)
    light = np.where(peak > _KNEE, light * compressed / np.maximum(peak, _KNEE), light)
    shown: np.ndarray = np.round(255 * light ** (1 / 2.4)).astype(np.uint8)
    return shown


@cache
def _decode_pq() -> np.ndarray:
    """Return the light of each of 65,536 codes, relative to diffuse white (SMPTE ST 2084)."""
    root = (np.arange(65_536) / 65_535) ** (1 / 78.84375)
    light = 10_000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
    return (light / _WHITE).astype(np.float32)


def _decode_hlg(rgb: np.ndarray) -> np.ndarray:
    """Return the light on the display: that of the scene, by the system gamma of 1.2 (ARIB STD-B67, BT.2100)."""
    scene = _decode_hlg_scene()[rgb]
    luminance = np.maximum(scene @ _LUMINANCE, 1e-9)[..., None]
    display: np.ndarray = scene * luminance**0.2 * np.float32(_HLG_PEAK / _WHITE)
    return display


@cache
def _decode_hlg_scene() -> np.ndarray:
    code = np.arange(65_536) / 65_535
    bright = (np.exp((code - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return np.where(code <= 0.5, code * code / 3, bright).astype(np.float32)
