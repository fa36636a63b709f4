"""``plugins`` lists what is installed; ``plugin new`` writes a plugin to start from."""

from __future__ import annotations

from pathlib import Path

import click

from vicinal.cli.output import console, json_option, print_json, table


@click.command()
@json_option
def plugins(as_json: bool) -> None:
    """List plugins: what they register, and, for one that is broken or incomplete, why and what to do."""
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
    console().print(table(("plugin", "distribution", "version", "registers", "status"), rows))
    entries = [
        (registry.kind, entry.name, entry.summary)
        for registry in (manager.sources, manager.encoders, manager.rerankers)
        for entry in registry
    ]
    console().print(table(("kind", "type", "what it is"), entries))


@click.group()
def plugin() -> None:
    """Write a plugin of your own."""


@plugin.command()
@click.argument("name")
@click.option(
    "--into", type=click.Path(path_type=Path), default=Path(), help="The folder to write it in; default: here."
)
@json_option
def new(name: str, into: Path, as_json: bool) -> None:
    """Write an installable plugin NAME with an encoder, its tests and an example solution."""
    from vicinal.plugin.scaffold import new_plugin

    made = new_plugin(name, into)
    if as_json:
        print_json({"plugin": name, "path": str(made)})
        return
    click.echo(f"wrote {made}")
    click.echo(f"next: pip install -e {made} && python -m pytest {made} && vicinal plugins")
