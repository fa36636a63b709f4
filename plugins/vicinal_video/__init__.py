"""Videos as a vicinal plugin: sampled frames, encoded by any encoder of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vicinal import hookimpl

if TYPE_CHECKING:
    from vicinal import Encoder
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
