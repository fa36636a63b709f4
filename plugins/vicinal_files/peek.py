"""``vicinal peek``: shows the first items that a config's source yields, before anything is encoded or stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vicinal.toolkit.text import escape_controls, shorten

if TYPE_CHECKING:
    from rich.text import Text

    from vicinal.types import Failure, Item

__all__ = ["peek"]

MAX_CHARS = 200


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-n", "--limit", default=5, show_default=True, type=click.IntRange(min=1), help="How many items to show.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line.")
def peek(file: Path, limit: int, as_json: bool) -> None:
    """Show the first items that the source of FILE yields, and the failures among them."""
    from vicinal.config import load_config
    from vicinal.plugin.manager import create_manager

    manager = create_manager()
    block = load_config(file, manager).source
    source = manager.sources.build(block.type, block.params)
    rows = _take_first(source, limit)
    (_print_json if as_json else _print_table)(rows)


def _take_first(source: Iterable[Item | Failure], limit: int) -> Iterator[dict[str, Any]]:
    """Yield the first items and the failures between them, at most ``limit`` of either, as rows to print."""
    from vicinal.types import Item

    remaining = {True: limit, False: limit}
    for entry in source:
        is_item = isinstance(entry, Item)
        remaining[is_item] -= 1
        yield _to_row(entry)
        if not remaining[is_item]:
            return


def _to_row(entry: Item | Failure) -> dict[str, Any]:
    from vicinal.types import Failure

    if isinstance(entry, Failure):
        return {"key": entry.key, "failed": entry.stage, "message": entry.message}
    return {
        "key": entry.key,
        "content": _shorten_content(entry.content),
        "uri": entry.uri,
        "metadata": dict(entry.metadata),
    }


def _shorten_content(content: object) -> str:
    return shorten(" ".join(str(content)[: 8 * MAX_CHARS].split()), MAX_CHARS)


def _print_json(rows: Iterable[dict[str, Any]]) -> None:
    import orjson

    for row in rows:
        click.echo(orjson.dumps(row, default=str))


def _print_table(rows: Iterable[dict[str, Any]]) -> None:
    import orjson
    from rich.console import Console
    from rich.table import Table

    table = Table("key", "content", "metadata")
    for row in rows:
        key = _to_cell(row["key"])
        if "failed" in row:
            table.add_row(key, _to_cell(f"cannot {row['failed']}: {row['message']}", style="red"), "")
        else:
            table.add_row(key, _to_cell(row["content"]), _to_cell(orjson.dumps(row["metadata"], default=str).decode()))
    Console().print(table)


def _to_cell(text: str, style: str = "") -> Text:
    """Return a text of the user's data as it is, without markup, and with nothing that a terminal obeys."""
    from rich.text import Text

    return Text(escape_controls(_shorten_content(text)), style)
