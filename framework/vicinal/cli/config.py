"""``validate`` and ``schema``: check YAML files, and print what they may hold."""

from __future__ import annotations

from pathlib import Path

import click

from vicinal.cli.output import json_option, print_json
from vicinal.errors import ConfigError, ExitCode


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def validate(files: tuple[Path, ...], as_json: bool) -> int:
    """Check YAML FILES and print every mistake as file:line:col: key: message."""
    from vicinal.config import check_config
    from vicinal.plugin.manager import create_manager

    manager = create_manager()
    results = {}
    for file in files:
        try:
            results[str(file)] = check_config(file, manager)[1]
        except ConfigError as error:
            results[str(file)] = [str(error)]
    if as_json:
        print_json([{"file": name, "ok": not problems, "problems": problems} for name, problems in results.items()])
    else:
        for name, problems in results.items():
            click.echo("\n".join(problems) if problems else f"{name}: ok")
    return ExitCode.BAD_CONFIG if any(results.values()) else ExitCode.DONE


@click.command()
@json_option
def schema(as_json: bool) -> None:
    """Print the JSON Schema of a solution's YAML, with the parameters of every installed plugin."""
    from vicinal.config.schema import json_schema
    from vicinal.plugin.manager import create_manager

    print_json(json_schema(create_manager()))
