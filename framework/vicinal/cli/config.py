"""``validate`` and ``schema``: check YAML files, and print what they may hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from vicinal.cli.output import json_option, print_json
from vicinal.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from vicinal.config import SolutionConfig

_DEFAULT_PORTS = {"http": 19530, "https": 443, "tcp": 19530, "redis": 6379, "rediss": 6379}


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def validate(files: tuple[Path, ...], as_json: bool) -> int:
    """Check YAML FILES and print every mistake as file:line:col: key: message.

    Solutions of one name that would overwrite each other's items in Milvus or Redis are a warning.
    """
    from vicinal.config import check_config
    from vicinal.plugin.manager import create_manager

    manager = create_manager()
    configs: dict[Path, SolutionConfig] = {}
    problems: dict[Path, list[str]] = {}
    for file in files:
        try:
            config, problems[file] = check_config(file, manager, for_ingest=True)
        except ConfigError as error:
            config, problems[file] = None, [str(error)]
        if config is not None:
            configs[file] = config
    warnings = list(_name_clashes(configs))
    if as_json:
        print_json(
            [
                {
                    "file": str(file),
                    "ok": not found,
                    "problems": found,
                    "warnings": [warning for clash, warning in warnings if file in clash],
                }
                for file, found in problems.items()
            ]
        )
    else:
        for file, found in problems.items():
            click.echo("\n".join(found) if found else f"{file}: ok")
        for _, warning in warnings:
            click.echo(f"warning: {warning}", err=True)
    return ExitCode.BAD_CONFIG if any(problems.values()) else ExitCode.DONE


def _name_clashes(configs: Mapping[Path, SolutionConfig]) -> Iterator[tuple[tuple[Path, Path], str]]:
    """Pairs of files with one solution name that share a store or a folder, each with a warning."""
    for (file, config), (other_file, other) in combinations(configs.items(), 2):
        if config.name != other.name or file.resolve() == other_file.resolve():
            continue
        shared = [
            label
            for label, store, other_store in (
                ("Milvus", config.stores.milvus, other.stores.milvus),
                ("Redis", config.stores.redis, other.stores.redis),
            )
            if _normalize_location(store) == _normalize_location(other_store)
        ]
        warning = f"{file} and {other_file} are both named {config.name!r}"
        if shared:
            harm = f"the same {' and '.join(shared)}: each would overwrite the other's items"
            yield (file, other_file), f"{warning} and have {harm}; give one of them another name"
        elif file.resolve().parent == other_file.resolve().parent:
            yield (file, other_file), f"{warning} in one folder; give one of them another name"


def _normalize_location(location: str) -> str:
    """A store's path or URL in one spelling, without credentials."""
    from vicinal.config.redis_nodes import RedisNodes, is_nodes_url

    if "://" not in location:
        return str(Path(location).resolve())
    url = urlsplit(location)
    if is_nodes_url(location):
        nodes = RedisNodes.parse(location)
        path = nodes.path if "/" in nodes.path else f"{nodes.service}/0"
        return f"{url.scheme}://{sorted(nodes.addresses)}/{'' if nodes.is_cluster else path}"
    host = {"localhost": "127.0.0.1"}.get(url.hostname or "", url.hostname or "")
    port = url.port or _DEFAULT_PORTS.get(url.scheme)
    path = url.path.rstrip("/")
    if url.scheme in ("redis", "rediss"):
        path = path or "/0"
    return f"{url.scheme}://{host}:{port}{path}"


@click.command()
@click.option("--bench", is_flag=True, help="That of a benchmark's YAML, for `vicinal bench`.")
@json_option
def schema(bench: bool, as_json: bool) -> None:
    """Print the JSON Schema of a solution's YAML, with the parameters of every installed plugin."""
    if bench:
        from vicinal.bench.schema import bench_json_schema

        print_json(bench_json_schema())
        return
    from vicinal.config.schema import json_schema
    from vicinal.plugin.manager import create_manager

    print_json(json_schema(create_manager()))
