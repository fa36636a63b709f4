"""``demo``: two solutions on real data, from their YAML to answers, in one command."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vicinal.cli.output import Progress, console, json_option, print_json, show_hits
from vicinal.errors import DependencyMissing, VicinalError

if TYPE_CHECKING:
    from rich.console import Console

    from vicinal.solution import Solution

_QUESTIONS = {
    "molecule.yaml": [
        ("CC(=O)Oc1ccccc1C(=O)O", "What is built like aspirin? (asked by its SMILES)", ""),
        ("@caffeine", "More like caffeine (asked by its key)", ""),
        ("@diazepam", "Like diazepam, but not a benzodiazepine (asked with a filter)", 'use != "benzodiazepine"'),
    ],
    "qa.yaml": [
        ("how do I pick nprobe", "", ""),
        ("which distance suits text embeddings?", "", ""),
        ("why was my second ingest over in a moment?", "", ""),
    ],
}


@click.command()
@click.argument("directory", default="configs", type=click.Path(path_type=Path, file_okay=False))
@json_option
def demo(directory: Path, as_json: bool) -> None:
    """Fill the sample solutions in DIRECTORY (written there if missing) and ask each a few questions."""
    write_samples(directory)
    answers = [_run(directory / name, as_json=as_json) for name in _QUESTIONS]
    if as_json:
        print_json(answers)
        return
    out = console()
    out.rule("your turn", style="dim")
    out.print(f"  vicinal search {directory / 'molecule.yaml'} 'CN1C=NC2=C1C(=O)N(C(=O)N2C)C' --limit 5")
    out.print(f"  vicinal search {directory / 'qa.yaml'} 'what happens to a broken file?' --limit 3")
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
    for name in (*_QUESTIONS, "data"):
        for file in [origin / name] if (origin / name).is_file() else sorted((origin / name).rglob("*")):
            target = directory / file.relative_to(origin)
            target.parent.mkdir(parents=True, exist_ok=True)
            if file.is_file() and not target.exists():
                shutil.copyfile(file, target)


def _run(file: Path, *, as_json: bool) -> dict[str, object]:
    from vicinal.solution import Solution

    with Solution.from_yaml(file) as solution:
        try:
            with Progress(quiet=as_json) as progress:
                solution.manager.register(progress, "progress")
                report = solution.ingest()
        except DependencyMissing as error:
            error.hint = 'pip install "vicinal[all]"'
            raise
        if not as_json:
            out = console()
            out.rule(f"[bold]{solution.name}[/]  [dim]{file}[/]", style="cyan", align="left")
            done = f"{report.unchanged:,} unchanged, nothing to encode" if not report.new else f"{report.new:,} new"
            out.print(f"{report.seen:,} items in {report.seconds:.1f} s: {done}, {report.failed} failed\n", style="dim")
            _ask(solution, _QUESTIONS[file.name], out)
            return {}
        results = [solution.search(q, limit=3, filter=f).to_dict(solution.name) for q, _, f in _QUESTIONS[file.name]]
        return {"solution": solution.name, "ingest": report.to_dict(), "searches": results}


def _ask(solution: Solution, questions: list[tuple[str, str, str]], out: Console) -> None:
    for query, meaning, filter_ in questions:
        result = solution.search(query, limit=2 if not meaning else 5, filter=filter_)
        out.print(
            f"[bold green]›[/] [bold]{meaning or query}[/]" + (f"  [dim]{query}  {filter_}[/]" if meaning else "")
        )
        out.print(show_hits(result.hits))
        if query == questions[0][0]:
            out.print(f"answered in {result.timings_ms['total']:.0f} ms\n", style="dim")
