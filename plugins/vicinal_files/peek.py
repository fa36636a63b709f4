"""``vicinal peek``: the first items that a config's source yields, before anything is encoded or stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from vicinal.types import Failure, Item

__all__ = ["peek"]

WIDTH = 200


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-n", "--limit", default=5, show_default=True, type=click.IntRange(min=1), help="How many items to show.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line.")
def peek(file: Path, limit: int, as_json: bool) -> None:
    """Show the first items that the source of FILE yields, and what it cannot read among them."""
    from vicinal.config import load_config
    from vicinal.plugin.manager import create_manager

    manager = create_manager()
    block = load_config(file, manager).source
    source = manager.sources.build(block.type, block.params)
    found = _first(source, limit)
    (_print_json if as_json else _print_table)(found)


def _first(source: Iterable[Item | Failure], limit: int) -> Iterator[dict[str, Any]]:
    """The first items and the failures between them, ``limit`` of either at most."""
    from vicinal.types import Item

    left = {True: limit, False: limit}
    for found in source:
        is_item = isinstance(found, Item)
        left[is_item] -= 1
        yield _shown(found)
        if not left[is_item]:
            return


def _shown(found: Item | Failure) -> dict[str, Any]:
    from vicinal.types import Failure

    if isinstance(found, Failure):
        return {"key": found.key, "failed": found.stage, "message": found.message}
    return {"key": found.key, "content": _short(found.content), "uri": found.uri, "metadata": dict(found.metadata)}


def _short(content: object) -> str:
    text = " ".join(str(content).split())
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _print_json(found: Iterable[dict[str, Any]]) -> None:
    import orjson

    for row in found:
        click.echo(orjson.dumps(row, default=str))


def _print_table(found: Iterable[dict[str, Any]]) -> None:
    import orjson
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("key", "content", "metadata")
    for row in found:
        if "failed" in row:
            table.add_row(Text(row["key"]), Text(f"cannot {row['failed']}: {row['message']}", style="red"), "")
        else:
            metadata = _short(orjson.dumps(row["metadata"], default=str).decode())
            table.add_row(Text(row["key"]), Text(row["content"]), Text(metadata))
    Console().print(table)
