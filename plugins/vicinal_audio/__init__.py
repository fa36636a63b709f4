"""Audio plugin: statistics of spectra, which need no weights, and CLAP, which is searched with sentences too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vicinal import hookimpl

if TYPE_CHECKING:
    from vicinal import Encoder
    from vicinal.plugin.registry import Registrar


@hookimpl
def register_encoders(encoders: Registrar[Encoder]) -> None:
    encoders.add(
        "melstats",
        "vicinal_audio.melstats:MelStats",
        summary="statistics of MFCC, chroma, spectral contrast, shape and level of sounds; needs no weights",
        requires=["av", "scipy", "soxr"],
        install="vicinal[audio]",
    )
    encoders.add(
        "clap",
        "vicinal_audio.clap:Clap",
        summary="sounds and sentences in one space (CLAP, through transformers)",
        requires=["av", "scipy", "soxr", "torch", "transformers"],
        install="vicinal[audio]",
    )
