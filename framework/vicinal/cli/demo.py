"""``demo``: the sample solutions, from their YAML to answers, in one command."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vicinal.cli.output import Progress, console, json_option, print_json, show_hits
from vicinal.errors import DependencyError, VicinalError

if TYPE_CHECKING:
    from rich.console import Console

    from vicinal.solution.solution import Solution
    from vicinal.types import SearchResult


@dataclass(frozen=True, slots=True)
class Ask:
    """A search; what it means, if the query does not say that itself; whether the query is a file beside the YAML."""

    query: str
    meaning: str = ""
    filter: str = ""
    file: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample solution by the name of its YAML, what it is asked, and what a user may ask it next."""

    yaml: str
    asks: tuple[Ask, ...]
    next: str


SAMPLES = (
    Sample(
        "molecule.yaml",
        (
            Ask("CC(=O)Oc1ccccc1C(=O)O", "What is built like aspirin? (asked by its SMILES)"),
            Ask("@caffeine", "More like caffeine (asked by its key)"),
            Ask("@diazepam", "Like diazepam, but not a benzodiazepine (with a filter)", 'use != "benzodiazepine"'),
        ),
        "'CN1C=NC2=C1C(=O)N(C(=O)N2C)C' --limit 5",
    ),
    Sample(
        "qa.yaml",
        (
            Ask("how do I pick nprobe"),
            Ask("which distance suits text embeddings?"),
            Ask("why was my second ingest over in a moment?"),
        ),
        "'what happens to a broken file?' --limit 3",
    ),
    Sample(
        "image-offline.yaml",
        (
            Ask("data/cut-out.jpg", "What was this blurred part cut out of?", file=True),
            Ask("@flowers/flowers-3.jpg", "More like these flowers (asked by their key)"),
            Ask("@sunset/sunset-2.jpg", "Like this sunset, but no sunset (with a filter)", 'folder != "sunset"'),
        ),
        "@fish/fish-2.jpg --limit 5",
    ),
    Sample(
        "audio.yaml",
        (
            Ask("data/owl-in-the-rain.ogg", "What was heard here for two seconds, in the rain?", file=True),
            Ask("@drums/rock.ogg", "More like these drums (asked by their key)"),
        ),
        "@sirens/wail.ogg --limit 5",
    ),
    Sample(
        "video.yaml",
        (
            Ask("data/videos/train.jpg", "In which video, and when, is this still seen?", file=True),
            Ask("@new-year.mp4", "Videos that share moments with this one (asked by its key)"),
        ),
        "@colours.mp4 --limit 3",
    ),
)


@click.command()
@click.argument("directory", default="configs", type=click.Path(path_type=Path, file_okay=False))
@json_option
def demo(directory: Path, as_json: bool) -> None:
    """Fill the sample solutions in DIRECTORY (written there if missing) and ask each a few questions."""
    write_samples(directory)
    answers = [_run(sample, directory, as_json=as_json) for sample in SAMPLES]
    if as_json:
        print_json(answers)
        return
    out = console()
    out.rule("your turn", style="dim")
    for sample in SAMPLES:
        out.print(f"  vicinal search {directory / sample.yaml} {sample.next}", highlight=False)
    out.print("  vicinal init YOUR-FILE-OR-FOLDER        [dim]a YAML for your own data[/]")
    out.print("  vicinal plugin new NAME                 [dim]an encoder of your own[/]")


def samples() -> Path:
    """Where the sample solutions lie: in the installed package, or in the checkout that it was installed from."""
    package = Path(__file__).parents[1]
    for candidate in (package / "samples", package.parents[1] / "configs"):
        if (candidate / "molecule.yaml").is_file():
            return candidate
    raise VicinalError("the sample solutions are not part of this installation", hint="install vicinal again")


def write_samples(directory: Path) -> None:
    """Copy the samples into a folder, leaving alone what is there."""
    origin = samples()
    if directory.resolve() == origin.resolve():
        return
    for name in (*(sample.yaml for sample in SAMPLES), "data"):
        for file in [origin / name] if (origin / name).is_file() else sorted((origin / name).rglob("*")):
            target = directory / file.relative_to(origin)
            target.parent.mkdir(parents=True, exist_ok=True)
            if file.is_file() and not target.exists():
                shutil.copyfile(file, target)


def _run(sample: Sample, directory: Path, *, as_json: bool) -> dict[str, object]:
    from vicinal.solution.solution import Solution

    with Solution.from_yaml(directory / sample.yaml) as solution:
        try:
            with Progress(quiet=as_json) as progress:
                solution.manager.register(progress, "progress")
                report = solution.ingest()
        except DependencyError as error:
            error.hint = 'pip install "vicinal[all]"'
            raise
        if not as_json:
            out = console()
            out.rule(f"[bold]{solution.name}[/]  [dim]{directory / sample.yaml}[/]", style="cyan", align="left")
            done = f"{report.unchanged:,} unchanged, nothing to encode" if not report.new else f"{report.new:,} new"
            out.print(f"{report.seen:,} items in {report.seconds:.1f} s: {done}, {report.failed} failed\n", style="dim")
            _show(solution, sample, directory, out)
            return {}
        searches = [_search(solution, ask, directory, 3).to_dict(solution.name) for ask in sample.asks]
        return {"solution": solution.name, "ingest": report.to_dict(), "searches": searches}


def _search(solution: Solution, ask: Ask, directory: Path, limit: int) -> SearchResult:
    return solution.search(directory / ask.query if ask.file else ask.query, limit=limit, filter=ask.filter)


def _show(solution: Solution, sample: Sample, directory: Path, out: Console) -> None:
    for ask in sample.asks:
        result = _search(solution, ask, directory, 5 if ask.meaning else 2)
        said = f"  [dim]{ask.query}  {ask.filter}[/]" if ask.meaning else ""
        out.print(f"[bold green]›[/] [bold]{ask.meaning or ask.query}[/]{said}")
        out.print(show_hits(result.hits))
        if ask is sample.asks[0]:
            out.print(f"answered in {result.timings_ms['total']:.0f} ms\n", style="dim")
