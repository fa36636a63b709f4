"""Recommendation: items that a user may like, learnt from who has had to do with what (alternating least squares).

The encoder is ``als``, the source ``movielens``; `vicinal init` knows MovieLens' folders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vicinal import hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    from vicinal import Encoder, Source, Suggestion
    from vicinal.plugin.registry import Registrar


@hookimpl
def register_encoders(encoders: Registrar[Encoder]) -> None:
    encoders.add(
        "als",
        "vicinal_recommend.als:Als",
        summary="recommendations for a user, and items like an item, learnt from who chose what (implicit's ALS)",
        requires=["implicit", "scipy", "threadpoolctl"],
        install="vicinal[recommend]",
    )


@hookimpl
def register_sources(sources: Registrar[Source]) -> None:
    sources.add(
        "movielens",
        "vicinal_recommend.movielens:MovieLens",
        summary="the films of a MovieLens folder, with titles, genres and years",
    )


@hookimpl
def suggest_solution(path: Path) -> Suggestion | None:
    from vicinal_recommend.suggestion import suggest_solution as suggest

    return suggest(path)
