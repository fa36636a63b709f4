"""``map``: the items of a solution as points on a page."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vicinal.cli.options import FILE, seed_option
from vicinal.cli.output import json_option, print_json

if TYPE_CHECKING:
    from vicinal.quality.map.projection import Method


@click.command("map")
@FILE
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("map.html"),
    show_default=True,
    help="The page to write.",
)
@click.option("--color", help="The metadata field that the points' colors tell.", metavar="FIELD")
@click.option(
    "--limit",
    type=click.IntRange(2, 20_000),
    default=2_000,
    show_default=True,
    help="Of more items it takes a random sample of so many.",
    metavar="N",
)
@seed_option("Of the sample and of UMAP.")
@click.option(
    "--method",
    type=click.Choice(["umap", "pca"]),
    help="By default umap for more than 15 items if umap-learn is installed, else pca.",
)
@json_option
def map_(file: Path, out: Path, color: str | None, limit: int, seed: int, method: Method | None, as_json: bool) -> None:
    """Draw the items of the solution FILE as points on a page: near on it is what is near by the vectors.

    The page is one file that loads nothing from elsewhere, and shows an item when the pointer is on it. Two dimensions
    cannot keep all neighbours: the page says which share of the nearest ones they keep. UMAP keeps several times as
    many as PCA, and takes 15 s of one core for 10,000 items.
    """
    from vicinal.quality.map.item_map import build_map
    from vicinal.quality.map.projection import is_umap_installed
    from vicinal.solution.solution import Solution
    from vicinal.toolkit.atomic_files import require_writable
    from vicinal.toolkit.pages import require_plotly

    require_writable(out)
    require_plotly("map")
    started = time.perf_counter()
    with Solution.from_yaml(file) as solution:
        item_map = build_map(solution, color, limit, seed=seed, method=method)
    item_map.save(out)
    size, seconds = out.stat().st_size, time.perf_counter() - started
    if as_json:
        print_json({**item_map.to_dict(), "path": str(out), "bytes": size, "seconds": round(seconds, 3)})
        return
    click.echo(f"{item_map.solution}: {item_map.summary}")
    click.echo(f"{out}: {size / 1e6:.1f} MB in {seconds:.1f} s")
    if item_map.method == "pca" and not is_umap_installed():
        click.echo('hint: pip install "vicinal[map]" for UMAP, which keeps more neighbours (50% for 12%)', err=True)
