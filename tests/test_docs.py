"""The documentation is true: generated pages follow the code, its solutions validate, its links lead somewhere."""

from __future__ import annotations

import dataclasses
import functools
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

import generate
import vicinal
from vicinal import create_manager
from vicinal.bench.config import load_bench_config
from vicinal.cli.app import app
from vicinal.config import check_config
from vicinal.plugin import hookspecs
from vicinal.quality.comparison.report import ComparedSolution, Comparison, PairedTest
from vicinal.quality.comparison.size import VectorSize
from vicinal.quality.comparison.speed import Speed
from vicinal.quality.evaluation.model_report import BaselineComparison, ModelReport, Trial
from vicinal.quality.evaluation.search_report import SearchReport
from vicinal.quality.index_recall import IndexRecall
from vicinal.server import Settings, create_app

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")), *sorted(DOCS.rglob("*.md"))]
FROM_THE_EXAMPLE = {"dna-stats"}
"""Commands that tests/examples/vicinal-dna adds."""
BLOCK = re.compile(r"^```yaml\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")


def prose(page):
    """A page without what stands in fences."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """The headings of a page as GitHub links to them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@functools.cache
def generated_pages():
    """The pages as the code has them, made once for all tests: that takes seconds."""
    return generate.pages()


@pytest.mark.long
def test_the_generated_pages_are_what_the_code_says():
    """`make test` runs the very command, too, as a part of `make lint`."""
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True, cwd="/"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_stale_page_is_named(tmp_path):
    pages = generated_pages()
    assert {
        "cli.md",
        "config.md",
        "http.md",
        "python.md",
        "solutions.md",
        "vicinal.schema.json",
        "bench.schema.json",
    } <= set(pages)
    assert generate.stale(tmp_path) == list(pages)
    for name, text in pages.items():
        generate.write(tmp_path / name, text)
    assert generate.stale(tmp_path) == []
    (tmp_path / "cli.md").write_text("of yesterday", encoding="utf-8")
    assert generate.stale(tmp_path) == ["cli.md"]


def test_the_page_of_a_hook_that_is_gone_is_stale(tmp_path):
    for name, text in generated_pages().items():
        generate.write(tmp_path / name, text)
    generate.write(tmp_path / "hooks" / "register_colours.md", "gone")
    assert generate.stale(tmp_path) == ["hooks/register_colours.md"]
    generate.write(tmp_path / "hooks" / "register_colours.md", None)
    assert generate.stale(tmp_path) == []


def test_every_hook_has_a_page_with_an_example():
    hooks = [name for name, it in vars(hookspecs).items() if hasattr(it, "vicinal_spec")]
    pages = generated_pages()
    assert len(hooks) >= 13
    assert {f"hooks/{name}.md" for name in hooks} == {name for name in pages if name.startswith("hooks/")}
    for name in hooks:
        assert f"hooks/{name}.md" in pages["hooks.md"]
        assert re.search(rf"## An example\n.+```python\n(@.*\n)+def {name}\(", pages[f"hooks/{name}.md"], re.DOTALL)


def test_the_python_reference_has_every_public_name():
    page = generated_pages()["python.md"]
    described = set(re.findall(r"^### (?:\S+\.)?(\w+)$", page, re.MULTILINE))
    assert {*vicinal.__all__} - described == {"__version__"}
    assert {name for name in vicinal.__all__ if not python_doc(page, name)} == {"__version__"}


def python_doc(page, name):
    """What the page says of a name, without its signature."""
    found = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    return re.sub(r"```python\n.*?```", "", found[1], flags=re.DOTALL).strip() if found else ""


def test_the_python_reference_has_what_public_functions_return():
    """Whatever class of vicinal stands in a return annotation, and what the reports of an evaluation hold."""
    page = generated_pages()["python.md"]
    described = set(re.findall(r"^### (?:\S+\.)?(\w+)$", page, re.MULTILINE))
    returned = re.findall(r"^\S*\(?.*\) -> (.+)$", page, re.MULTILINE)
    classes = {name for said in returned for name in re.findall(r"\b[A-Z][a-z]\w+", said)}
    known = {
        "Any",
        "Iterator",
        "Sequence",
        "Mapping",
        "Self",
        "SolutionConfig",
        "FastAPI",
        "Callable",
        "Path",
        "Literal",
        "None",
        "Exception",
    }
    assert classes - described - known == set()
    measured = (SearchReport, ModelReport, BaselineComparison, Trial, IndexRecall)
    compared = (Comparison, ComparedSolution, PairedTest, VectorSize, Speed)
    for report in measured + compared:
        assert report.__name__ in described
        fields = [field.name for field in dataclasses.fields(report)]
        signature = page.partition(f"\n### {report.__name__}\n")[2].partition("```\n")[0]
        assert [name for name in fields if f"{name}: " not in signature] == []


def test_the_http_reference_has_every_route():
    page = generated_pages()["http.md"]
    document = create_app([], settings=Settings()).openapi()
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"\n### {method.upper()} {path}\n" in page


def test_no_page_tells_of_the_machine_that_wrote_it():
    for name, text in generated_pages().items():
        assert str(ROOT) not in text and str(Path.home()) not in text, name
        assert not re.search(r"0x[0-9a-f]{6}", text), name


def test_the_pages_do_not_depend_on_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert generated_pages()["cli.md"] == (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def solutions():
    """The YAML blocks that are whole solutions."""
    for page in PAGES:
        for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
            if re.search(r"^name:", block["text"], re.M) and re.search(r"^source:", block["text"], re.M):
                line = page.read_text(encoding="utf-8")[: block.start()].count("\n") + 2
                yield pytest.param(block["text"], id=f"{page.name}:{line}")


@pytest.mark.parametrize("text", list(solutions()))
def test_every_solution_in_the_documentation_validates(tmp_path, monkeypatch, text):
    for variable in re.findall(r"\$\{(\w+)\}", text):
        monkeypatch.setenv(variable, "x")
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    assert check_config(tmp_path / "a.yaml", create_manager())[1] == []


COMMAND = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*vicinal +(?P<rest>.+?)(?: +#.*)?$", re.MULTILINE)


def commands():
    """Every command of vicinal that a page shows in a block for terminals."""
    for page in PAGES:
        for block in re.findall(r"^```(?:console|sh)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.M):
            for command in COMMAND.finditer(block):
                yield pytest.param(command["rest"], id=f"{page.name}: {command['rest'][:60]}")


@pytest.mark.parametrize("command", list(commands()))
def test_every_command_in_the_documentation_exists_with_its_options(command):
    words = [word for word in shlex.split(command) if word not in ("-v", "-vv")]
    found, context = app, click.Context(app)
    while isinstance(found, click.Group):
        name = words.pop(0)
        if name in FROM_THE_EXAMPLE:
            return
        found = found.get_command(context, name)
        assert found is not None, name
    known = {option for parameter in found.get_params(context) for option in parameter.opts}
    known |= {f"--{entry.name}" for entry in create_manager().item_filters} if found.name == "search" else set()
    assert [word for word in words if re.match(r"--?[a-z]", word) and word not in known] == []


def test_there_are_solutions_to_validate():
    assert len(list(solutions())) >= 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_within_the_repository_leads_somewhere(page):
    dead = []
    for link in LINK.finditer(prose(page)):
        target, _, anchor = link["target"].partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        found = (page.parent / target).resolve() if target else page
        if not found.exists() or (anchor and found.suffix == ".md" and anchor not in anchors(found)):
            dead.append(link["target"])
    assert dead == []


@pytest.mark.parametrize(
    "file",
    sorted((ROOT / "configs").glob("*.yaml")),
    ids=lambda file: file.name,
)
def test_the_samples_name_the_schema_beside_the_documentation(file):
    first = file.read_text(encoding="utf-8").splitlines()[0]
    schema = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)[1]
    assert (
        file.parent / schema
    ).resolve() == ROOT / "docs" / f"{'bench' if file.name.startswith('bench-') else 'vicinal'}.schema.json"
    assert (file.parent / schema).is_file()


@pytest.mark.parametrize("file", sorted((ROOT / "configs").glob("bench-*.yaml")), ids=lambda file: file.name)
def test_the_benchmarks_are_valid(file, monkeypatch):
    monkeypatch.delenv("MILVUS_URI", raising=False)
    config, _ = load_bench_config(file)
    assert config.name == file.stem


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150
