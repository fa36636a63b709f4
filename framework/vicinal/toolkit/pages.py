"""Pages that are one file each and load nothing: their templates, plotly's script, and writing them in one step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from vicinal.errors import DependencyError
from vicinal.toolkit.atomic_files import replace_file

__all__ = ["dump_json", "fill_template", "read_plotly", "require_plotly", "write_page"]


def fill_template(template: str, parts: Mapping[str, str]) -> str:
    """Put the parts, which are HTML, in the places of their names in double braces; parts may have braces, too."""
    first, *pieces = template.split("{{")
    return first + "".join(parts[name] + rest for name, _, rest in (piece.partition("}}") for piece in pieces))


def dump_json(value: Any) -> str:
    """JSON that may stand in a ``<script type="application/json">``: it ends no tag."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode().replace("<", "\\u003c")


def read_plotly() -> str:
    """Plotly's script, of 5 MB."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def require_plotly(extra: str) -> None:
    """
    Args:
        extra: the one of vicinal's packages that brings it.

    Raises:
        DependencyError: plotly is not installed.
    """
    try:
        import plotly.offline  # noqa: F401
    except ImportError:
        message = "a page with plots needs the package plotly"
        raise DependencyError(message, hint=f'pip install "vicinal[{extra}]"') from None


def write_page(path: Path, html: str) -> None:
    """Write a page in one step.

    Raises:
        VicinalError: it cannot be written.
    """
    replace_file(path, html.encode(errors="replace"))
