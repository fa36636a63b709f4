"""``search``."""

from __future__ import annotations

from pathlib import Path

import click

from vicinal.cli.output import console, json_option, print_json, show_hits


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("query", nargs=-1, required=True)
@click.option(
    "--limit", type=click.IntRange(1, 16_384), default=10, show_default=True, help="How many hits.", metavar="K"
)
@click.option("--filter", "filter_", default="", help="A Milvus expression over declared fields.", metavar="EXPR")
@json_option
def search(file: Path, query: tuple[str, ...], limit: int, filter_: str, as_json: bool) -> None:
    """Find what is near QUERY in the solution FILE.

    QUERY is what the encoder reads (a text, a SMILES, the path of a file), or @key of an indexed item, which finds
    others like it. Several queries are answered in one call.
    """
    from vicinal.solution.solution import Solution

    with Solution.from_yaml(file) as solution:
        results = solution.search(list(query), limit=limit, filter=filter_)
        name = solution.name
    if as_json:
        found = [result.to_dict(name) for result in results]
        print_json(found[0] if len(found) == 1 else found)
        return
    for asked, result in zip(query, results, strict=True):
        if result:
            console().print(show_hits(result.hits, title=asked if len(query) > 1 else ""))
        else:
            click.echo(f"nothing found for {asked!r}")
    took = results[0].timings_ms
    click.echo(", ".join(f"{step} {took[step]:.1f} ms" for step in took))
