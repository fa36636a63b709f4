"""Pages that are one file each and load nothing: their templates, plotly's script, and writing them in one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from errno import EISDIR
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from vicinal.errors import DependencyError, VicinalError

__all__ = [
    "dump_json",
    "fill_template",
    "open_replacing",
    "read_plotly",
    "require_plotly",
    "require_writable",
    "write_page",
]

_HINT = "name a file in a folder that exists"


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


def require_writable(path: Path) -> None:
    """See before the work that a file can be written; what is there already stays as it is.

    Raises:
        VicinalError: it cannot be written.
    """
    with _name_path(path):
        if path.is_dir():
            raise IsADirectoryError(EISDIR, "Is a directory")
        if (part := _name_part(path)) != path:
            part.touch()
            part.unlink()


@contextmanager
def open_replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of the one at ``path`` once it is written, so that nobody sees a half of it.

    Raises:
        VicinalError: it cannot be written.
    """
    part = _name_part(path)
    with _name_path(path):
        file = part.open("wb")
    try:
        try:
            yield file
        finally:
            with _name_path(path):
                file.close()
        with _name_path(path):
            part.replace(path)
    except BaseException:
        if part != path:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        raise


def write_page(path: Path, html: str) -> None:
    """Write a page in one step.

    Raises:
        VicinalError: it cannot be written.
    """
    with open_replacing(path) as file, _name_path(path):
        file.write(html.encode(errors="replace"))


def _name_part(path: Path) -> Path:
    """Where a file is written first; a device or a pipe is written at once."""
    return path if path.exists() and not path.is_file() else path.parent / f"{path.name}.part"


@contextmanager
def _name_path(path: Path) -> Iterator[None]:
    """Name the file in errors of writing it."""
    try:
        yield
    except OSError as error:
        raise VicinalError(f"cannot write {path}: {error.strerror or error}", _HINT) from error
