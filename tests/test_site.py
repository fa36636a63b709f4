"""The site of documentation is built without warnings, needs no network, and leads nowhere that does not exist."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
ARGUMENTS = ["-W", "--keep-going", "-q", "-c", "docs", "."]


def build(source, target):
    """Build as `make docs` does: a warning is an error."""
    command = [sys.executable, "-m", "sphinx", *ARGUMENTS, target]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return target


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return build(ROOT, tmp_path_factory.mktemp("site"))


class Page(HTMLParser):
    """The ids of a page, and what it links to or loads."""

    def __init__(self, file):
        super().__init__()
        self.ids, self.links, self.loaded = set(), [], []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if given.get("src") or (tag == "link" and given.get("href")):
            self.loaded.append(given.get("src") or given["href"])


@pytest.fixture(scope="module")
def pages(site):
    return {file: Page(file) for file in site.rglob("*.html")}


def documents():
    """What is to be a page of the site."""
    others = ["CHANGELOG.md", "CONTRIBUTING.md", "configs/data/README.md", "notebooks/README.md"]
    others += ["tests/examples/vicinal-dna/README.md"]
    found = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / name for name in others)]
    return {file.relative_to(ROOT).with_suffix("").as_posix() for file in found}


def test_it_is_what_make_docs_builds():
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ndocs: ")[2]
    assert f"-m sphinx {' '.join(ARGUMENTS)} build/site\n" in recipe.partition("\n\n")[0]


def test_every_page_is_in_it(site):
    assert len(documents()) > 30
    assert [name for name in documents() if not (site / f"{name}.html").is_file()] == []


def test_every_page_is_in_the_navigation(site, pages):
    index = pages[site / "docs" / "index.html"]
    reached = {os.path.normpath(f"docs/{urlsplit(link).path}").removesuffix(".html") for link in index.links}
    assert documents() - reached == {"docs/index"}


def test_every_link_within_it_leads_somewhere(site, pages):
    dead = []
    for file, page in pages.items():
        for link in (*page.links, *page.loaded):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            ids = pages[target].ids if target in pages else {unquote(parts.fragment)}
            if not target.is_file() or (parts.fragment and unquote(parts.fragment) not in ids):
                dead.append((file.relative_to(site), link))
    assert dead == []


def test_it_loads_nothing_from_elsewhere(pages):
    assert [link for page in pages.values() for link in page.loaded if urlsplit(link).netloc] == []


def test_its_root_leads_to_the_first_page(site):
    assert 'url=docs/index.html"' in (site / "index.html").read_text(encoding="utf-8")


def test_llms_txt_lists_every_page_with_a_description(site):
    text = (site / "llms.txt").read_text(encoding="utf-8")
    assert text.startswith("# vicinal\n\n> vicinal turns one YAML file")
    links = dict(re.findall(r"^- \[.+\]\((\S+)\): (.+)$", text, re.MULTILINE))
    assert {Path(link).with_suffix("").as_posix() for link in links} == documents() - {"docs/index"}
    assert all((site / link).is_file() for link in links)
    assert [link for link, said in links.items() if len(said) < 10] == []


def test_llms_full_txt_has_the_text_of_every_page(site):
    full = (site / "llms-full.txt").read_text(encoding="utf-8")
    for name in documents() - {"docs/index"}:
        if (ROOT / f"{name}.md").is_file():
            assert (ROOT / f"{name}.md").read_text(encoding="utf-8").rstrip() in full


def test_a_notebook_is_a_page_as_it_was_run(tmp_path):
    source = tmp_path / "repository"
    shutil.copytree(ROOT / "docs" / "generator", source / "docs" / "generator")
    shutil.copytree(ROOT / "docs" / "static", source / "docs" / "static")
    shutil.copy(ROOT / "docs" / "conf.py", source / "docs")
    logo = Path("framework") / "vicinal" / "server" / "page" / "logo.svg"
    (source / logo).parent.mkdir(parents=True)
    shutil.copy(ROOT / logo, source / logo)
    (source / "docs" / "index.md").write_text("# vicinal\n\nA page.\n\n## Here\n\n- [New](new.md): a page of today\n")
    (source / "docs" / "new.md").write_text("# New\n\nNew. See [colours](../notebooks/colours.ipynb).\n")
    (source / "docs" / "unlisted.md").write_text("# Unlisted\n\nNobody has listed it yet. But it is there.\n")
    notebook = nbformat.v4.new_notebook(metadata={"language_info": {"name": "python"}})
    output = nbformat.v4.new_output("stream", name="stdout", text="what was printed")
    notebook.cells = [
        nbformat.v4.new_markdown_cell("# Colours\n\nFinds colours. Takes a minute."),
        nbformat.v4.new_code_cell("raise SystemExit('it is not run')", outputs=[output], execution_count=1),
    ]
    (source / "notebooks").mkdir()
    nbformat.write(notebook, source / "notebooks" / "colours.ipynb")
    site = build(source, tmp_path / "site")
    assert "what was printed" in (site / "notebooks" / "colours.html").read_text(encoding="utf-8")
    assert 'href="../notebooks/colours.html"' in (site / "docs" / "index.html").read_text(encoding="utf-8")
    text = (site / "llms.txt").read_text(encoding="utf-8")
    assert "- [New](docs/new.md): a page of today\n" in text
    assert "- [Unlisted](docs/unlisted.md): Nobody has listed it yet.\n" in text
    assert "- [Colours](notebooks/colours.html): Finds colours.\n" in text
