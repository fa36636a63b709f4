"""``plugins`` lists what is installed; ``plugin new`` writes a plugin to start with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vicinal.cli.output import build_table, json_option, make_console, print_json

if TYPE_CHECKING:
    from vicinal.plugin.manager import PluginInfo


@click.command()
@json_option
def plugins(as_json: bool) -> None:
    """List plugins and what they register; for one that is broken or incomplete, the reason and what to do."""
    from vicinal.cli.app import BUILT_IN_COMMANDS
    from vicinal.plugin.manager import create_manager

    manager = create_manager()
    group = click.Group()
    manager.register_commands(group, reserved=BUILT_IN_COMMANDS)
    if as_json:
        print_json([row.to_dict() for row in manager.rows])
        return
    rows = [(row.name, row.distribution, row.version, _list_parts(row), _format_status(row)) for row in manager.rows]
    make_console().print(build_table(("plugin", "distribution", "version", "registers", "status"), rows))
    entries = [
        (registry.kind, entry.name, entry.summary)
        for registry in (manager.sources, manager.encoders, manager.rerankers, manager.item_filters)
        for entry in registry
    ]
    entries += [("command", name, command.get_short_help_str(120)) for name, command in sorted(group.commands.items())]
    make_console().print(build_table(("kind", "name", "what it is"), entries))


def _list_parts(row: PluginInfo) -> str:
    """What a plugin registers: its types and commands and, below them, the other hooks that it implements."""
    commands = [f"vicinal {name}" for name in row.commands]
    hooks = [name for name in row.hooks if not name.startswith("register_")]
    parts = [[*row.sources, *row.encoders, *row.rerankers, *row.item_filters], commands, hooks]
    return "\n".join(", ".join(names) for names in parts if names)


def _format_status(row: PluginInfo) -> str:
    return ": ".join(filter(None, [row.status, "; ".join(filter(None, [row.reason, row.hint]))]))


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
