"""The site of documentation, which ``make docs`` builds in ``build/site``: the repository's pages and notebooks.

The pages stay readable on a code host: the navigation is made of plain lists and folders. Each section of ``index.md``
with a list of links becomes a part of the navigation, and the pages of a folder beside a page of its name
(``solutions/`` beside ``solutions.md``) stand below that page. Nothing is loaded from a network; no notebook is run.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path.insert(0, str(DOCS))

from generator.llms import write_llms_files, write_redirect  # noqa: E402
from generator.navigation import add_navigation  # noqa: E402

project = "vicinal"
author = "the contributors of vicinal"
extensions = ["myst_nb"]
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "notebooks/*.ipynb",
    "notebooks/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "configs/data/README.md",
    "tests/examples/vicinal-dna/README.md",
]
exclude_patterns = [".*", "build", "framework", "plugins", "benchmarks", "deploy", "tests/framework", "tests/plugins"]

myst_heading_anchors = 4
nb_execution_mode = "off"
nb_execution_show_tb = True
suppress_warnings = ["mystnb.unknown_mime_type"]

html_theme = "furo"
html_title = "vicinal"
html_logo = "../framework/vicinal/server/page/logo.svg"
html_favicon = html_logo
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_navigation)
    app.connect("build-finished", write_redirect)
    app.connect("build-finished", write_llms_files)
