"""Audio plugin: statistics of spectra, which need no weights; features of librosa and networks of torchaudio by name;
CLAP, which is searched with sentences too."""

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
        "melstats",
        "vicinal_audio.melstats:MelStats",
        summary="statistics of MFCC, chroma, spectral contrast, shape and level of sounds; needs no weights",
        requires=["av", "scipy", "soxr"],
        install="vicinal[audio]",
    )
    encoders.add(
        "librosa",
        "vicinal_audio.librosa_encoder:LibrosaEncoder",
        summary="features of librosa by name, standardized over a solution's own sounds",
        requires=["av", "librosa", "soxr"],
        install="vicinal[librosa]",
    )
    encoders.add(
        "torchaudio",
        "vicinal_audio.torchaudio_encoder:TorchaudioEncoder",
        summary="speech and speakers by wav2vec 2, HuBERT and WavLM: bundles of torchaudio by name",
        requires=["av", "soxr", "torch", "torchaudio"],
        install="vicinal[audio]",
    )
    encoders.add(
        "clap",
        "vicinal_audio.clap:Clap",
        summary="sounds and sentences in one space (CLAP, through transformers)",
        requires=["av", "scipy", "soxr", "torch", "transformers"],
        install="vicinal[audio]",
    )


@hookimpl
def suggest_solution(path: Path) -> Suggestion | None:
    """Suggest the encoder that works offline for a folder that holds more sounds than other media."""
    from vicinal import Suggestion
    from vicinal.toolkit.media_types import find_media_globs

    include = find_media_globs(path, "audio") if path.is_dir() else None
    return (
        Suggestion({"type": "folder", "path": str(path), "include": include}, {"type": "melstats"}) if include else None
    )
