"""Sources that read files: a folder's files, a table's rows, a text file's lines; the command ``peek``; and what
``vicinal init`` writes for files and folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vicinal import hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    import click

    from vicinal import Source, Suggestion
    from vicinal.plugin.registry import Registrar


@hookimpl
def register_sources(sources: Registrar[Source]) -> None:
    sources.add("folder", "vicinal_files.folder:Folder", summary="the files below a folder, chosen by globs")
    sources.add("table", "vicinal_files.table:Table", summary="the rows of a csv, tsv, jsonl or parquet file")
    sources.add("lines", "vicinal_files.lines:Lines", summary="the lines of a text file")


@hookimpl
def register_commands(group: click.Group) -> None:
    from vicinal_files.peek import peek

    group.add_command(peek)


@hookimpl(trylast=True)  # the plugins of pictures, sounds and videos know their folders better
def suggest_solution(path: Path) -> Suggestion | None:
    from vicinal_files.suggestion import suggest_solution as suggest

    return suggest(path)
