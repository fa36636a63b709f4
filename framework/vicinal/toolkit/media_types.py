"""Pictures, sounds and videos by their suffixes: what a folder mostly holds."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

__all__ = ["AUDIO_SUFFIXES", "IMAGE_SUFFIXES", "SYSTEM_NAMES", "VIDEO_SUFFIXES", "Media", "find_media_globs"]

Media = Literal["image", "audio", "video"]

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".webp", ".avif", ".heic"),
    *(".heif", ".hif", ".jxl", ".tif", ".tiff", ".bmp", ".jp2", ".tga", ".psd", ".mpo"),
    *(".ppm",),
)
AUDIO_SUFFIXES = (
    *(".wav", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".m4b", ".aac", ".aif"),
    *(".aiff", ".wma", ".au", ".caf", ".amr", ".ac3", ".mka", ".wv", ".ape", ".mp2"),
)
VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mkv", ".mov", ".avi", ".webm", ".wmv", ".flv", ".mpg", ".mpeg"),
    *(".ts", ".m2ts", ".mts", ".3gp", ".ogv", ".vob", ".mxf", ".asf"),
)
SYSTEM_NAMES = frozenset(
    {
        *("@eadir", "#recycle", "#snapshot", "@tmp", "@sharebin", "@recycle", "@recently-snapshot", "~snapshot"),
        *("$recycle.bin", "recycler", "system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini"),
        *("found.000", "lost+found", "__macosx", "network trash folder", "temporary items"),
    }
)
"""What a NAS (Synology, QNAP, NetApp), Windows, Linux and macOS put into folders for themselves, in lower case."""

_MAX_FILES = 10_000
_MEDIA: dict[str, Media] = {
    **dict.fromkeys(IMAGE_SUFFIXES, "image"),
    **dict.fromkeys(AUDIO_SUFFIXES, "audio"),
    **dict.fromkeys(VIDEO_SUFFIXES, "video"),
}


def find_media_globs(folder: Path, media: Media) -> list[str] | None:
    """Return globs of a folder's pictures, sounds or videos; None where the folder holds more of the others, or none.

    The first 10,000 files decide. One glob takes all files where all are of the kind.
    """
    suffixes = Counter(Path(name).suffix.lower() for name in islice(_walk_names(folder), _MAX_FILES))
    totals: Counter[Media] = Counter()
    for suffix, count in suffixes.items():
        if suffix in _MEDIA:
            totals[_MEDIA[suffix]] += count
    if not totals or totals.most_common(1)[0][0] != media:
        return None
    if totals[media] == suffixes.total():
        return ["**/*"]
    found = sorted(suffix[1:] for suffix in suffixes if _MEDIA.get(suffix) == media)
    return [f"**/*.{found[0]}" if len(found) == 1 else f"**/*.{{{','.join(found)}}}"]


def _walk_names(folder: Path) -> Iterator[str]:
    for _, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if _is_wanted(name))
        yield from filter(_is_wanted, names)


def _is_wanted(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in SYSTEM_NAMES
