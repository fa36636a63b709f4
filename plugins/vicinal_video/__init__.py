"""Videos as a vicinal plugin: sampled frames, encoded by any encoder of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vicinal import hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    from vicinal import Encoder, Suggestion
    from vicinal.plugin.registry import Registrar


@hookimpl
def register_encoders(encoders: Registrar[Encoder]) -> None:
    encoders.add(
        "keyframes",
        "vicinal_video.keyframes:Keyframes",
        summary="frames of videos, by interval or by scene, through any encoder of images",
        requires=["av", "PIL"],
        install="vicinal[video]",
    )


@hookimpl
def suggest_solution(path: Path) -> Suggestion | None:
    """Suggest the encoder that works offline for a folder that holds more videos than other media."""
    from vicinal import Suggestion
    from vicinal.toolkit.media_types import find_media_globs

    include = find_media_globs(path, "video") if path.is_dir() else None
    return (
        Suggestion({"type": "folder", "path": str(path), "include": include}, {"type": "keyframes"})
        if include
        else None
    )
