"""What the site holds for programs: ``llms.txt``, ``llms-full.txt``, and every page as the Markdown that it is made of.

``llms.txt`` is as https://llmstxt.org has it: a heading, a summary, and sections of links with a description each.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

from docutils import nodes

from generator.navigation import iter_sections

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["write_llms_files", "write_redirect"]

_REDIRECT = """\
<!doctype html><meta charset="utf-8"><title>vicinal</title>
<meta http-equiv="refresh" content="0; url={url}"><a href="{url}">vicinal</a>
"""


def write_redirect(app: Sphinx, error: Exception | None) -> None:
    """Have the site's root lead to its first page, whose address begins with ``docs/`` as in the repository."""
    if error is None and app.builder.format == "html":
        url = app.builder.get_target_uri(app.config.root_doc)
        (app.outdir / "index.html").write_text(_REDIRECT.format(url=url), encoding="utf-8")


def write_llms_files(app: Sphinx, error: Exception | None) -> None:
    """Write both files, and beside each page its Markdown; a notebook is linked to as HTML."""
    if error is not None or app.builder.format != "html":
        return
    index = (app.srcdir / f"{app.config.root_doc}.md").read_text(encoding="utf-8")
    summary = next(part for part in index.split("\n\n")[1:] if part.strip())
    short = [f"# {app.config.project}\n\n> {' '.join(summary.split())}\n"]
    full = []
    for title, pages in _iter_sections_with_pages(app, index):
        short.append(f"\n## {title}\n\n")
        for document, said in pages:
            source = app.env.doc2path(document)
            name = app.env.titles[document].astext()
            if source.suffix == ".md":
                target = app.outdir / source.relative_to(app.srcdir)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
                full.append(f"<!-- {document}.md -->\n\n{source.read_text(encoding='utf-8').rstrip()}\n")
                uri = f"{document}.md"
            else:
                uri = app.builder.get_target_uri(document)
            short.append(f"- [{name}]({uri}): {said or _first_sentence(app, document)}\n")
    (app.outdir / "llms.txt").write_text("".join(short), encoding="utf-8")
    (app.outdir / "llms-full.txt").write_text("\n".join(full), encoding="utf-8")


def _iter_sections_with_pages(app: Sphinx, index: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield each section with all its pages, those below a page after it."""
    listed: set[str] = {app.config.root_doc}
    for title, links in iter_sections(index):
        pages = [(below, said) for link in links for below, said in _with_pages_below(app, link.document, link.said)]
        listed |= {document for document, _ in pages}
        yield title, pages
    others = sorted(app.env.found_docs - listed)
    for title, prefix in (("Notebooks", "notebooks/"), ("Others", "docs/")):
        if pages := [(document, "") for document in others if document.startswith(prefix)]:
            yield title, pages


def _with_pages_below(app: Sphinx, document: str, said: str) -> Iterator[tuple[str, str]]:
    yield document, said
    for below in app.env.toctree_includes.get(document, ()):
        yield from _with_pages_below(app, below, "")


def _first_sentence(app: Sphinx, document: str) -> str:
    paragraph = next(iter(app.env.get_doctree(document).findall(nodes.paragraph)), None)
    text = " ".join(paragraph.astext().split()) if paragraph else app.env.titles[document].astext()
    return text.partition(". ")[0].rstrip(".") + "."
