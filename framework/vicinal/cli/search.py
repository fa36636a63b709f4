"""``search``: find similar items from the terminal."""

from __future__ import annotations

from pathlib import Path

import click

from vicinal.cli.output import build_hits_table, json_option, make_console, print_json


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("query", nargs=-1, required=True)
@click.option(
    "--limit", type=click.IntRange(1, 16_384), default=10, show_default=True, help="How many hits.", metavar="K"
)
@click.option("--filter", "filter_", default="", help="A Milvus expression over declared fields.", metavar="EXPR")
@json_option
def search(file: Path, query: tuple[str, ...], limit: int, filter_: str, as_json: bool) -> None:
    """Find the items of the solution FILE that are most similar to QUERY.

    QUERY is what the encoder reads (a text, or the path of a file), or @key of an indexed item, which finds others
    like it. Several queries are searched in one call.
    """
    from vicinal.solution.solution import Solution

    with Solution.from_yaml(file) as solution:
        results = solution.search(list(query), limit=limit, filter=filter_)
        name = solution.name
    if as_json:
        documents = [result.to_dict(name) for result in results]
        print_json(documents[0] if len(documents) == 1 else documents)
        return
    for text, result in zip(query, results, strict=True):
        if result:
            make_console().print(build_hits_table(result.hits, title=text if len(query) > 1 else ""))
        else:
            click.echo(f"nothing found for {text!r}")
    timings = results[0].timings_ms
    click.echo(", ".join(f"{step} {timings[step]:.1f} ms" for step in timings))
