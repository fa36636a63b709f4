"""``demo``: index and search the sample solutions with one command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vicinal.cli.output import build_hits_table, json_option, make_console, print_json
from vicinal.errors import DependencyError
from vicinal.solution.samples import write_samples

if TYPE_CHECKING:
    from rich.console import Console

    from vicinal.solution.solution import Solution
    from vicinal.types import SearchResult


@dataclass(frozen=True, slots=True)
class SampleQuery:
    """A query of the demo. ``title`` explains it; ``is_file``: the query is the path of a file beside the YAML."""

    query: str
    title: str = ""
    filter: str = ""
    is_file: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample solution: its YAML, the queries of the demo, and the arguments of a search to try next."""

    yaml: str
    queries: tuple[SampleQuery, ...]
    next_search: str


SAMPLES = (
    Sample(
        "molecule.yaml",
        (
            SampleQuery("CC(=O)Oc1ccccc1C(=O)O", "What is built like aspirin? (asked by its SMILES)"),
            SampleQuery("@caffeine", "More like caffeine (asked by its key)"),
            SampleQuery(
                "@diazepam", "Like diazepam, but not a benzodiazepine (with a filter)", 'use != "benzodiazepine"'
            ),
        ),
        "'CN1C=NC2=C1C(=O)N(C(=O)N2C)C' --limit 5",
    ),
    Sample(
        "qa.yaml",
        (
            SampleQuery("how do I pick nprobe"),
            SampleQuery("which distance suits text embeddings?"),
            SampleQuery("why was my second ingest over in a moment?"),
        ),
        "'what happens to a broken file?' --limit 3",
    ),
    Sample(
        "image-offline.yaml",
        (
            SampleQuery("data/cut-out.jpg", "What was this blurred part cut out of?", is_file=True),
            SampleQuery("@flowers/flowers-3.jpg", "More like these flowers (asked by their key)"),
            SampleQuery(
                "@sunset/sunset-2.jpg", "Like this sunset, but no sunset (with a filter)", 'folder != "sunset"'
            ),
        ),
        "@fish/fish-2.jpg --limit 5",
    ),
    Sample(
        "audio.yaml",
        (
            SampleQuery("data/owl-in-the-rain.ogg", "What was heard here for two seconds, in the rain?", is_file=True),
            SampleQuery("@chords/major.ogg", "More like this chord (asked by its key)"),
        ),
        "@sirens/wail.ogg --limit 5",
    ),
    Sample(
        "video.yaml",
        (
            SampleQuery("data/videos/train.jpg", "In which video, and when, is this still seen?", is_file=True),
            SampleQuery("@new-year.mp4", "Videos that share moments with this one (asked by its key)"),
        ),
        "@colours.mp4 --limit 3",
    ),
    Sample(
        "recommend.yaml",
        (
            SampleQuery("user:7", "What may user 7 like, who has not seen it yet?"),
            SampleQuery("@3", "Films that the same people like as this one (asked by its key)"),
            SampleQuery("user:7", "What may user 7 like among comedies? (with a filter)", 'genre == "Comedy"'),
        ),
        "user:12 --limit 5",
    ),
)


@click.command()
@click.argument("directory", default="configs", type=click.Path(path_type=Path, file_okay=False))
@json_option
def demo(directory: Path, as_json: bool) -> None:
    """Index the sample solutions in DIRECTORY (written there if missing) and search each of them."""
    write_samples(directory, [sample.yaml for sample in SAMPLES])
    results = [_run_sample(sample, directory, as_json=as_json) for sample in SAMPLES]
    if as_json:
        print_json(results)
        return
    out = make_console()
    out.rule("your turn", style="dim")
    for sample in SAMPLES:
        out.print(f"  vicinal search {directory / sample.yaml} {sample.next_search}", highlight=False)
    out.print("  vicinal init YOUR-FILE-OR-FOLDER        [dim]writes a YAML for your own data[/]")
    out.print("  vicinal plugin new NAME                 [dim]starts an encoder of your own[/]")


def _run_sample(sample: Sample, directory: Path, *, as_json: bool) -> dict[str, object]:
    from vicinal.solution.solution import Solution

    with Solution.from_yaml(directory / sample.yaml) as solution:
        try:
            report = solution.ingest(progress=not as_json)
        except DependencyError as error:
            error.hint = 'pip install "vicinal[all]"'
            raise
        if not as_json:
            out = make_console()
            out.rule(f"[bold]{solution.name}[/]  [dim]{directory / sample.yaml}[/]", style="cyan", align="left")
            changes = f"{report.new:,} new" if report.new else f"{report.unchanged:,} unchanged, nothing to encode"
            out.print(
                f"{report.seen:,} items in {report.seconds:.1f} s: {changes}, {report.failed} failed\n", style="dim"
            )
            _print_searches(solution, sample, directory, out)
            return {}
        searches = [_search_sample(solution, query, directory, 3).to_dict(solution.name) for query in sample.queries]
        return {"solution": solution.name, "ingest": report.to_dict(), "searches": searches}


def _search_sample(solution: Solution, query: SampleQuery, directory: Path, limit: int) -> SearchResult:
    return solution.search(directory / query.query if query.is_file else query.query, limit=limit, filter=query.filter)


def _print_searches(solution: Solution, sample: Sample, directory: Path, out: Console) -> None:
    for query in sample.queries:
        result = _search_sample(solution, query, directory, 5 if query.title else 2)
        details = f"  [dim]{query.query}  {query.filter}[/]" if query.title else ""
        out.print(f"[bold green]›[/] [bold]{query.title or query.query}[/]{details}")
        out.print(build_hits_table(result.hits, render=solution.render))
        if query is sample.queries[0]:
            out.print(f"answered in {result.timings_ms['total']:.0f} ms\n", style="dim")
