"""The vicinal plugin ``dna``. vicinal imports this module to list it, so it imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vicinal import hookimpl

from vicinal_dna.journal import Journal, Settings

if TYPE_CHECKING:
    import click
    from vicinal import Encoder, IngestReport, Registrar, Reranker, SettingsRegistrar, Source, Suggestion

_journal = Journal()


@hookimpl
def register_sources(sources: Registrar[Source]) -> None:
    sources.add("fasta", "vicinal_dna.sources:Fasta", summary="the records of a FASTA file")
    sources.add("fasta-archive", "vicinal_dna.sources:FastaArchive", summary="the FASTA files of a zip archive")


@hookimpl
def register_encoders(encoders: Registrar[Encoder]) -> None:
    encoders.add("kmers", "vicinal_dna.kmers:Kmers", summary="DNA by the frequencies of its k-mers")
    encoders.add("tfidf", "vicinal_dna.tfidf:TfIdf", summary="texts by TF-IDF and SVD, learnt from the items")


@hookimpl
def register_rerankers(rerankers: Registrar[Reranker]) -> None:
    rerankers.add("align", "vicinal_dna.align:Align", summary="DNA by its best alignment without gaps")


@hookimpl
def register_commands(group: click.Group) -> None:
    from vicinal_dna.command import dna_stats

    group.add_command(dna_stats, "dna-stats")


@hookimpl
def register_settings(settings: SettingsRegistrar) -> None:
    settings.set(Settings)


@hookimpl
def configure(solution: str, settings: Settings) -> None:
    _journal.configure(solution, settings)


@hookimpl
def ingest_finished(solution: str, report: IngestReport) -> None:
    _journal.write(solution, report)


@hookimpl
def suggest_solution(path: Path) -> Suggestion | None:
    from vicinal_dna.suggestion import suggest

    return suggest(path)
