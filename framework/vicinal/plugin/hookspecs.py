"""All hooks of vicinal. A plugin implements the ones it needs, marked with ``vicinal.hookimpl``.

The ``register_*`` hooks are called once, when the plugins are collected: add names, import nothing heavy. ``configure``
and ``suggest_solution`` are called when a solution is opened or written. The others observe: they are called once a
batch, a run or a search, in the thread that does the work; what they return is ignored, and one that raises is logged
and not called again in that run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from vicinal.plugin.encoder import Encoder
    from vicinal.plugin.item_filter import ItemFilter
    from vicinal.plugin.params import Params
    from vicinal.plugin.registry import Registrar, SettingsRegistrar
    from vicinal.plugin.reranker import Reranker
    from vicinal.plugin.source import Source
    from vicinal.plugin.suggestion import Suggestion
    from vicinal.types import Failure, IngestReport

hookspec = pluggy.HookspecMarker("vicinal")
hookimpl = pluggy.HookimplMarker("vicinal")


@hookspec
def register_sources(sources: Registrar[Source]) -> None:
    """Add sources: ``sources.add("folder", "vicinal_files.folder:Folder", summary="files below a folder")``."""


@hookspec
def register_encoders(encoders: Registrar[Encoder]) -> None:
    """Add encoders: ``encoders.add("morgan", "vicinal_molecule.encoders:Morgan", summary=…, requires=["rdkit"])``."""


@hookspec
def register_rerankers(rerankers: Registrar[Reranker]) -> None:
    """Add rerankers, as encoders are added."""


@hookspec
def register_item_filters(item_filters: Registrar[ItemFilter]) -> None:
    """Add item filters, as encoders are added; the name is the option of ``vicinal search``: ``--substructure``."""


@hookspec
def register_commands(group: click.Group) -> None:
    """Add commands to the command line: ``group.add_command(…)``. Called only when a command line runs."""


@hookspec
def register_settings(settings: SettingsRegistrar) -> None:
    """Say what ``plugins: {NAME: {…}}`` of a YAML may hold for this plugin: ``settings.set(LogSettings)``, a Params."""


@hookspec
def configure(solution: str, settings: Params) -> None:
    """A solution is opened: what its YAML says for this plugin, or the defaults. Only with ``register_settings``."""


@hookspec
def suggest_solution(path: Path) -> Suggestion | None:
    """``vicinal init PATH`` asks for the source and the encoder that suit a file or a folder; None if it is not yours.

    Plugins of others are asked before the built-in ones, and the first suggestion is written.
    """


@hookspec
def ingest_started(solution: str, total: int | None) -> None:
    """A run begins; ``total`` is about how many items its source has, or None."""


@hookspec
def batch_written(solution: str, new: int, updated: int, unchanged: int) -> None:
    """A batch is committed, or a number of unchanged items was skipped: how many items of each kind."""


@hookspec
def item_failed(solution: str, failures: Sequence[Failure]) -> None:
    """Items failed and are recorded."""


@hookspec
def stage_finished(solution: str, stage: str, items: int, milliseconds: float) -> None:
    """A stage of a run is done with a part of its items: called in the thread that did it, right after it.

    ``stage`` is ``read`` (a chunk of the source, compared with the ledger), ``decode``, ``encode``, ``write_metadata``
    (Redis), ``write_vectors`` (Milvus), ``commit`` (the ledger in Redis) or ``index`` (all items made searchable). On a
    Ray cluster ``encode`` is all that a worker does with a batch, and there is no ``decode``.
    """


@hookspec
def ingest_finished(solution: str, report: IngestReport) -> None:
    """A run ended; what it wrote is searchable."""


@hookspec
def ingest_failed(solution: str, error: BaseException) -> None:
    """A run ended early, or could not begin; a ``KeyboardInterrupt`` is one that was cancelled."""


@hookspec
def search_finished(
    solution: str, queries: int, hits: int, milliseconds: float, timings_ms: Mapping[str, float]
) -> None:
    """A search was answered: how many queries it had, the hits in all, and how long it and its steps took.

    ``timings_ms`` has the steps in their order: ``decode``, ``encode``, ``search``, ``metadata``, ``rerank`` and
    ``diversify`` where there are any, and their ``total``. A server calls it for each request, in the context
    (``contextvars``) of that request; the times are those of the batch in which it was searched.
    """


@hookspec
def job_started(solution: str, kind: str, job: str) -> None:
    """A server runs a job, in the thread that calls this: ``ingest``, ``retry``, ``reindex`` or ``promote``, its id."""


@hookspec
def job_finished(solution: str, kind: str, job: str, state: str) -> None:
    """A server's job ended: ``done``, ``failed`` or ``cancelled``; called in the thread of ``job_started``."""
