"""The table of the six solutions: what belongs to each, found in the repository. Where nothing is found, a dash stands.

A file belongs to a solution when one of the solution's words is in its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from generator.markdown import anchor, fence, table
from vicinal.cli.app import app
from vicinal.cli.demo import SAMPLES, Sample

__all__ = ["CELLS", "MISSING", "SOLUTIONS", "solutions_page"]

ROOT = Path(__file__).parents[2]
MISSING = "–"

INTRODUCTION = """\
Six kinds of search work as they are, on the sample data of this repository; your own data are a change of `source`.
What belongs to each:

"""
AFTER = """
`vicinal demo` fills all of them and searches each. The commands below are for a checkout of the repository; an
installed vicinal writes the samples into a folder with `vicinal demo FOLDER`.

Embeddings that exist already, of a model that runs elsewhere, are a solution like these, with the encoder `vectors`:
[Your own embeddings](solutions/vectors.md).
"""


@dataclass(frozen=True, slots=True)
class SolutionKind:
    """One of the six. ``name`` is that of its page, its container service and its profile."""

    name: str
    title: str
    words: tuple[str, ...]

    def find(self, pattern: str) -> list[Path]:
        """The repository's files of a pattern whose names have one of its words."""
        return sorted(path for path in ROOT.glob(pattern) if any(word in path.stem for word in self.words))

    @property
    def sample(self) -> Sample | None:
        """Its part of the demo."""
        return next((it for it in SAMPLES if any(word in it.yaml for word in self.words)), None)

    @property
    def config(self) -> Path | None:
        """The YAML that works offline: that of the demo, or else the first."""
        files = self.find("configs/*.yaml")
        return ROOT / "configs" / self.sample.yaml if self.sample else next(iter(files), None)

    @property
    def settings(self) -> dict[str, Any]:
        return yaml.safe_load(self.config.read_text(encoding="utf-8")) if self.config else {}

    @property
    def page(self) -> Path | None:
        return next(iter([*self.find("docs/solutions/*.md"), *self.find("docs/*.md")]), None)


SOLUTIONS = (
    SolutionKind("image", "Images", ("image", "picture")),
    SolutionKind("video", "Videos", ("video",)),
    SolutionKind("audio", "Sounds", ("audio", "sound")),
    SolutionKind("questions", "Questions", ("qa", "question")),
    SolutionKind("molecule", "Molecules", ("molecule",)),
    SolutionKind("recommend", "Recommendation", ("recommend",)),
)


def _link(path: Path, text: str = "") -> str:
    target = path.relative_to(ROOT)
    inside = target.parts[0] == "docs"
    return f"[{text or target.name}]({target.relative_to('docs') if inside else Path('..') / target})"


def _describe_config(kind: SolutionKind) -> str:
    return ", ".join(_link(file) for file in kind.find("configs/*.yaml"))


def _describe_data(kind: SolutionKind) -> str:
    """The paths that the YAML reads, below ``configs/``, if all of them are there."""
    paths = list(dict.fromkeys(_iter_paths([kind.settings.get(block) for block in ("source", "encoder")])))
    if not paths or not all((ROOT / "configs" / path).exists() for path in paths):
        return ""
    return ", ".join(f"[{Path(path).name}](../configs/data/README.md)" for path in paths)


def _iter_paths(block: Any) -> Iterator[str]:
    if isinstance(block, dict):
        yield from [block["path"]] if isinstance(block.get("path"), str) else []
    for inner in block.values() if isinstance(block, dict) else block if isinstance(block, list) else ():
        yield from _iter_paths(inner)


def _describe_demo(kind: SolutionKind) -> str:
    return f"[{len(kind.sample.queries)} queries](#{anchor(kind.title)})" if kind.sample else ""


def _describe_cli(kind: SolutionKind) -> str:
    return "[`vicinal search`](cli.md#vicinal-search)" if kind.sample and kind.sample.next_search else ""


def _describe_api(kind: SolutionKind) -> str:
    name = kind.settings.get("name")
    return f"[`/api/{name}`](http.md)" if name else ""


def _describe_web_page(kind: SolutionKind) -> str:
    return ", ".join(_link(file, "picture") for file in _find_pictures(kind))


def _find_pictures(kind: SolutionKind) -> list[Path]:
    """The first picture of its page, if there is one."""
    return kind.find("docs/images/page-*.png")[:1]


def _describe_notebook(kind: SolutionKind) -> str:
    return ", ".join(_link(file, file.stem) for file in kind.find("notebooks/*.ipynb"))


def _describe_evaluation(kind: SolutionKind) -> str:
    return f"[`vicinal evaluate`](#{anchor(kind.title)})" if _find_evaluation(kind) else ""


def _find_evaluation(kind: SolutionKind) -> str:
    """The command that measures it, as its page has it; the command line must have it, too."""
    if not kind.page or not kind.config or app.get_command(click.Context(app), "evaluate") is None:
        return ""
    command = re.search(rf"^\$ (vicinal evaluate configs/{kind.config.name}.*)$", kind.page.read_text("utf-8"), re.M)
    return command[1] if command else ""


def _describe_container(kind: SolutionKind) -> str:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    service = services.get(kind.name, {})
    serves_it = kind.config is not None and service.get("command", [])[-1:] == [kind.config.name]
    alone = service.get("profiles") == [kind.name]
    return f"[`--profile {kind.name}`](containers.md#one-solution-alone)" if serves_it and alone else ""


def _describe_page(kind: SolutionKind) -> str:
    return _link(kind.page, kind.title) if kind.page else ""


CELLS: dict[str, Callable[[SolutionKind], str]] = {
    "page of documentation": _describe_page,
    "config": _describe_config,
    "sample data": _describe_data,
    "demo": _describe_demo,
    "CLI": _describe_cli,
    "API": _describe_api,
    "web page": _describe_web_page,
    "notebook": _describe_notebook,
    "evaluation": _describe_evaluation,
    "container service": _describe_container,
}


def solutions_page() -> str:
    rows = [(name, *(describe(kind) or MISSING for kind in SOLUTIONS)) for name, describe in CELLS.items()]
    text = "# Solutions\n\n" + INTRODUCTION
    text += table(("", *(kind.title for kind in SOLUTIONS)), rows) + AFTER
    return text + "".join(_describe_commands(kind) for kind in SOLUTIONS if kind.sample and kind.config)


def _describe_commands(kind: SolutionKind) -> str:
    """What a user does with it: the demo's questions, and the commands of every client."""
    sample, name = kind.sample, kind.settings["name"]
    asked = [f"- {query.title or query.query}\n" for query in sample.queries]
    file = f"configs/{sample.yaml}"
    lines = [f"vicinal ingest {file}", f"vicinal search {file} {sample.next_search}"]
    lines += [command] if (command := _find_evaluation(kind)) else []
    lines += [f"vicinal serve {file}", f"curl http://127.0.0.1:8000/api/{name}/items"]
    lines += [f"docker compose --profile {kind.name} up"] if _describe_container(kind) else []
    paragraphs = [f"## {kind.title}"]
    paragraphs += [f"{_link(kind.page, 'About it')}."] if kind.page else []
    paragraphs += [f"![{kind.title} on the page]({path.relative_to(ROOT / 'docs')})" for path in _find_pictures(kind)]
    paragraphs += ["The demo asks:", "".join(asked), fence("".join(f"$ {line}\n" for line in lines), "console")]
    return "".join(f"\n{paragraph.rstrip()}\n" for paragraph in paragraphs)
