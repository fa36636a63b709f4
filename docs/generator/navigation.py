"""The navigation of the site, made of what the pages are to a reader of plain Markdown."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["Link", "add_navigation", "iter_sections"]

_SECTION = re.compile(r"^## (?P<title>.+)\n(?P<body>(?:(?!## ).*\n?)*)", re.MULTILINE)
_LINK = re.compile(r"^- \[(?P<title>.+?)\]\((?P<target>[^)\s]+)\): (?P<said>.+(?:\n  .+)*)", re.MULTILINE)

_BELOW = re.compile(r"\]\([\w-]+/([\w-]+)\.md\)")
"""A link to a page of a folder beside this one; the first ones give the order of the navigation."""


class Link:
    """A line of a list in ``index.md``: a page, relative to ``docs/``, and what it says."""

    def __init__(self, title: str, target: str, said: str) -> None:
        self.title, self.target, self.said = title, target, re.sub(r"\s+", " ", said)

    @property
    def document(self) -> str:
        """The page's name in Sphinx, relative to the repository."""
        return os.path.normpath(Path("docs") / Path(self.target).with_suffix(""))


def iter_sections(index: str) -> Iterator[tuple[str, list[Link]]]:
    """Yield each section of ``index.md`` that has a list of links."""
    for section in _SECTION.finditer(index):
        links = [Link(link["title"], link["target"], link["said"]) for link in _LINK.finditer(section["body"])]
        if links:
            yield section["title"], links


def add_navigation(app: Sphinx, document: str, source: list[str]) -> None:
    """Append to a page, as Sphinx reads it, the lists of the pages that stand below it."""
    page = app.srcdir / document
    if document == app.config.root_doc:
        for title, links in iter_sections(source[0]):
            source[0] += _toctree([f"/{link.document}" for link in links], title)
        if others := sorted(f"/{other}" for other in app.env.found_docs if _is_unlisted(other, source[0])):
            source[0] += _toctree(others, "Others")
        if notebooks := sorted((app.srcdir / "notebooks").glob("*.ipynb")):
            source[0] += _toctree([f"/notebooks/{notebook.stem}" for notebook in notebooks], "Notebooks")
    elif document.startswith("docs/") and page.is_dir():
        below = sorted(file.stem for file in page.glob("*.md"))
        linked = [name for name in dict.fromkeys(_BELOW.findall(source[0])) if name in below]
        names = [*linked, *(name for name in below if name not in linked)]
        source[0] += _toctree([f"/{document}/{name}" for name in names])


def _is_unlisted(document: str, index: str) -> bool:
    """Whether a page directly below ``docs/`` stands in no list of the index: one that somebody has just written."""
    listed = {link.document for _, links in iter_sections(index) for link in links}
    return document.startswith("docs/") and document.count("/") == 1 and document not in {*listed, "docs/index"}


def _toctree(documents: list[str], caption: str = "") -> str:
    options = ":hidden:\n" + (f":caption: {caption}\n" if caption else "")
    return "\n\n```{toctree}\n" + options + "\n" + "\n".join(documents) + "\n```\n"
