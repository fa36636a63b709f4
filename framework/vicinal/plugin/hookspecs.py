"""All hooks of vicinal. A plugin implements the ones it needs, marked with ``vicinal.hookimpl``.

The ``register_*`` hooks are called once, when the plugins are gathered: add names, import nothing heavy. The others
observe: they are called once per batch or per run, in the thread that does the work, and their results are ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    from vicinal.plugin.encoder import Encoder
    from vicinal.plugin.manager import Registrar
    from vicinal.plugin.reranker import Reranker
    from vicinal.plugin.source import Source
    from vicinal.types import Failure, IngestReport

hookspec = pluggy.HookspecMarker("vicinal")
hookimpl = pluggy.HookimplMarker("vicinal")


@hookspec
def register_sources(sources: Registrar[Source]) -> None:
    """Add sources: ``sources.add("folder", "vicinal_files.folder:Folder", summary="files below a folder")``."""


@hookspec
def register_encoders(encoders: Registrar[Encoder]) -> None:
    """Add encoders: ``encoders.add("morgan", "vicinal_molecule.morgan:Morgan", summary=…, requires=["rdkit"])``."""


@hookspec
def register_rerankers(rerankers: Registrar[Reranker]) -> None:
    """Add rerankers, as encoders are added."""


@hookspec
def register_commands(group: click.Group) -> None:
    """Add commands to the command line: ``group.add_command(…)``. Called only when a command line runs."""


@hookspec
def ingest_started(solution: str, total: int | None) -> None:
    """A run begins; ``total`` is about how many items its source has, or None."""


@hookspec
def batch_written(solution: str, new: int, updated: int, unchanged: int) -> None:
    """A batch is committed, or a stretch of unchanged items was passed over: how many items of each kind."""


@hookspec
def item_failed(solution: str, failures: Sequence[Failure]) -> None:
    """Items failed and are recorded."""


@hookspec
def ingest_finished(solution: str, report: IngestReport) -> None:
    """A run ended; it is searchable now."""


@hookspec
def search_finished(solution: str, queries: int, hits: int, milliseconds: float) -> None:
    """A search was answered: how many queries it had, the hits in all, and how long it took."""
