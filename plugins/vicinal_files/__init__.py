"""Sources that read files: a folder's files, a table's rows, a text file's lines; and the command ``peek``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vicinal import hookimpl

if TYPE_CHECKING:
    import click

    from vicinal import Source
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
