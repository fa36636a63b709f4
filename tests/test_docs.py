"""The documentation is true: generated pages follow the code, its solutions validate, its links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vicinal import create_manager
from vicinal.config import check_config

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```yaml\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")


def prose(page):
    """A page without what stands in fences."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """The headings of a page as GitHub links to them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_pages_are_what_the_code_says():
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True, cwd="/"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_stale_page_is_named(generate, tmp_path):
    assert generate.stale(tmp_path) == ["cli.md", "config.md", "vicinal.schema.json"]
    for name, text in generate.pages().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert generate.stale(tmp_path) == []
    (tmp_path / "cli.md").write_text("of yesterday", encoding="utf-8")
    assert generate.stale(tmp_path) == ["cli.md"]


def test_the_pages_do_not_depend_on_the_terminal(generate, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert generate.pages()["cli.md"] == (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


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


def test_there_are_solutions_to_validate():
    assert len(list(solutions())) >= 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
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


@pytest.mark.parametrize("file", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda file: file.name)
def test_the_samples_name_the_schema_beside_the_documentation(file):
    first = file.read_text(encoding="utf-8").splitlines()[0]
    schema = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)[1]
    assert (file.parent / schema).resolve() == ROOT / "docs" / "vicinal.schema.json"
    assert (file.parent / schema).is_file()


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150
