"""Pages that are one file each and load nothing: their templates, plotly's script, and writing them in one step."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from vicinal.errors import DependencyError, VicinalError

__all__ = ["dump_json", "fill_template", "read_plotly", "require_writable", "write_page"]

_HINT = "name a file in a folder that exists"


def fill_template(template: str, parts: Mapping[str, str]) -> str:
    """Put the parts, which are HTML, in the places of their names in double braces; parts may have braces, too."""
    first, *pieces = template.split("{{")
    return first + "".join(parts[name] + rest for name, _, rest in (piece.partition("}}") for piece in pieces))


def dump_json(value: Any) -> str:
    """JSON that may stand in a ``<script type="application/json">``: it ends no tag."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode().replace("<", "\\u003c")


def read_plotly(extra: str) -> str:
    """Plotly's script, of 5 MB; ``extra`` is the one of vicinal's packages that brings it.

    Raises:
        DependencyError: plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        message = "a page with plots needs the package plotly"
        raise DependencyError(message, hint=f'pip install "vicinal[{extra}]"') from None
    return str(get_plotlyjs())


def require_writable(path: Path) -> None:
    """See before the work that a file can be written; what is there already stays as it is.

    Raises:
        VicinalError: it cannot be written.
    """
    part = _name_part(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "Is a directory")
        part.touch()
        part.unlink()
    except OSError as error:
        raise VicinalError(f"cannot write {path}: {error.strerror or error}", _HINT) from error


def write_page(path: Path, html: str) -> None:
    """Write a page in one step, so that nobody sees a half of it.

    Raises:
        VicinalError: it cannot be written.
    """
    part = _name_part(path)
    try:
        part.write_text(html, encoding="utf-8", errors="replace")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise VicinalError(f"cannot write {path}: {error.strerror or error}", _HINT) from error


def _name_part(path: Path) -> Path:
    return path.parent / f"{path.name}.part"
