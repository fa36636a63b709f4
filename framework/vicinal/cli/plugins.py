"""``plugins`` lists what is installed; ``plugin new`` writes a plugin to start with."""

from __future__ import annotations

from pathlib import Path

import click

from vicinal.cli.output import build_table, json_option, make_console, print_json


@click.command()
@json_option
def plugins(as_json: bool) -> None:
    """List plugins and what they register; for one that is broken or incomplete, the reason and what to do."""
    from vicinal.plugin.manager import create_manager

    manager = create_manager()
    if as_json:
        print_json([row.to_dict() for row in manager.rows])
        return
    rows = []
    for row in manager.rows:
        names = [*row.sources, *row.encoders, *row.rerankers]
        status = (
            row.status if row.status == "ok" else f"{row.status}: {row.reason}" + (f"; {row.hint}" if row.hint else "")
        )
        rows.append((row.name, row.distribution, row.version, ", ".join(names) or ", ".join(row.hooks), status))
    make_console().print(build_table(("plugin", "distribution", "version", "registers", "status"), rows))
    entries = [
        (registry.kind, entry.name, entry.summary)
        for registry in (manager.sources, manager.encoders, manager.rerankers)
        for entry in registry
    ]
    make_console().print(build_table(("kind", "type", "what it is"), entries))


@click.group()
def plugin() -> None:
    """Write a plugin of your own."""


@plugin.command()
@click.argument("name")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path(), help="The folder to write it in; default: here."
)
@click.option("--source", "parts", flag_value="source", multiple=True, help="With a source of its own.")
@click.option("--reranker", "parts", flag_value="reranker", multiple=True, help="With a reranker.")
@click.option("--command", "parts", flag_value="command", multiple=True, help="With a command.")
@json_option
def new(name: str, output: Path, parts: tuple[str, ...], as_json: bool) -> None:
    """Write an installable plugin NAME with an encoder, its tests and an example solution."""
    from vicinal.plugin.scaffold import write_plugin

    folder = write_plugin(name, output, parts)
    if as_json:
        print_json({"plugin": name, "path": str(folder)})
        return
    click.echo(f"wrote {folder}")
    click.echo(f"next: pip install -e {folder} && python -m pytest {folder} && vicinal plugins")
