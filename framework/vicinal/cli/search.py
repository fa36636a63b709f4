"""``search``: find similar items from the terminal."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vicinal.cli.import_clock import ImportClock
from vicinal.cli.output import build_hits_table, json_option, make_console, print_json
from vicinal.toolkit.text import shorten

if TYPE_CHECKING:
    from vicinal.types import SearchResult

_MAX_TITLE_CHARS = 100


class SearchCommand(click.Command):
    """Has an option for each item filter that plugins register: ``--substructure PATTERN``."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        from vicinal.plugin.manager import disabled_plugins

        own = super().get_params(ctx)
        taken = {option for param in own for option in param.opts}
        filters = _list_item_filters(frozenset(disabled_plugins()))
        return [
            *own,
            *(
                click.Option([f"--{name}", name], help=f"Only {summary}.", metavar="PATTERN")
                for name, summary in filters
                if f"--{name}" not in taken
            ),
        ]


@functools.cache
def _list_item_filters(disabled: frozenset[str]) -> list[tuple[str, str]]:
    """The names and summaries of item filters, by which plugins are off; click asks thrice, at 8 ms each."""
    from vicinal.plugin.manager import create_manager

    return [(entry.name, entry.summary) for entry in create_manager().item_filters]


@click.command(cls=SearchCommand)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("query", nargs=-1)
@click.option("--like", multiple=True, help="An example of what to find, as QUERY; may be repeated.", metavar="QUERY")
@click.option("--unlike", multiple=True, help="An example of what not to find; may be repeated.", metavar="QUERY")
@click.option(
    "--limit", type=click.IntRange(1, 16_384), default=10, show_default=True, help="How many hits.", metavar="K"
)
@click.option("--filter", "filter_", default="", help="A Milvus expression over declared fields.", metavar="EXPR")
@click.option("--min-similarity", type=float, help="Leave out hits of a lower similarity.", metavar="S")
@click.option(
    "--diversity",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="How much hits shall differ from each other, 0 to 1.",
    metavar="D",
)
@json_option
def search(
    file: Path,
    query: tuple[str, ...],
    like: tuple[str, ...],
    unlike: tuple[str, ...],
    limit: int,
    filter_: str,
    min_similarity: float | None,
    diversity: float,
    as_json: bool,
    **patterns: str | None,
) -> None:
    """Find the items of the solution FILE that are most similar to QUERY.

    QUERY is what the encoder reads (a text, or the path of a file), or @key of an indexed item, which finds others
    like it. Several queries are searched in one call. Examples, by --like and --unlike, are searched for together with
    each query, or without one.
    """
    if not query and not like:
        raise click.UsageError("there is nothing to search for; give QUERY or --like")
    item_filters = {name: pattern for name, pattern in patterns.items() if pattern is not None}
    with ImportClock() as clock:
        started = clock.now()
        from vicinal.solution.remote import open_solution
        from vicinal.types import SearchRequest

        requests = [
            SearchRequest(one, limit, filter_, None, item_filters, like, unlike, min_similarity, diversity)
            for one in query or (None,)
        ]
        with open_solution(file) as solution:
            config_ms = (clock.now() - started) * 1000
            results, startup = solution.search_once(requests, clock.now)
            name = solution.name
    startup = {"imports": clock.import_seconds * 1000, "config": config_ms, **startup}
    if as_json:
        documents = [_to_document(result, name, startup) for result in results]
        print_json(documents[0] if len(documents) == 1 else documents)
        return
    for text, result in zip(query or (", ".join(like),), results, strict=True):
        if result:
            make_console().print(
                build_hits_table(
                    result.hits,
                    title=shorten(text, _MAX_TITLE_CHARS) if len(query) > 1 else "",
                    render=solution.render,
                )
            )
        else:
            click.echo(f"nothing found for {shorten(text, _MAX_TITLE_CHARS)!r}")
    click.echo(_format_timings(results[0].timings_ms))
    click.echo(f"start-up {sum(startup.values()):,.0f} ms: {_format_timings(startup)}")


def _to_document(result: SearchResult, solution: str, startup: Mapping[str, float]) -> dict[str, Any]:
    """The JSON object of a result; what belongs to the start-up of the command is not part of ``total``."""
    document = result.to_dict(solution)
    document["timings_ms"] = {
        **{f"startup_{step}": round(milliseconds, 3) for step, milliseconds in startup.items()},
        **document["timings_ms"],
    }
    return document


def _format_timings(timings: Mapping[str, float]) -> str:
    return ", ".join(f"{step} {milliseconds:,.1f} ms" for step, milliseconds in timings.items())
