"""Embeddings that exist already: the source ``vectors`` reads files of them, and the encoder takes them as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vicinal import hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    from vicinal import Encoder, Source, Suggestion
    from vicinal.plugin.registry import Registrar


@hookimpl
def register_encoders(encoders: Registrar[Encoder]) -> None:
    encoders.add("vectors", "vicinal_vectors.encoder:Vectors", summary="embeddings that exist already, as they are")


@hookimpl
def register_sources(sources: Registrar[Source]) -> None:
    sources.add(
        "vectors",
        "vicinal_vectors.source:VectorSource",
        summary="the vectors of npy, fvecs, fbin, HDF5 or parquet files, with keys and metadata",
    )


@hookimpl
def suggest_solution(path: Path) -> Suggestion | None:
    from vicinal_vectors.suggestion import suggest_solution as suggest

    return suggest(path)
