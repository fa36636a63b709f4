"""Uploaded files: saved in a folder under names that the server makes, or on disk for the time of one query."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from shutil import copyfileobj
from typing import BinaryIO

from vicinal.errors import ConfigError
from vicinal.server.media_types import MEDIA_TYPES
from vicinal.solution.solution import Solution
from vicinal.types import Item, item_id

__all__ = ["Uploads"]


class Uploads:
    """The uploaded files of one solution, in ``.vicinal/{name}/uploads`` beside its YAML or in ``{root}/{name}``.

    A file's name consists of the item's id and the content's hash. Of the client's own file name only a well-known
    suffix is kept, from which the media type is derived later.
    """

    def __init__(self, solution: Solution, root: str = "") -> None:
        """
        Raises:
            ConfigError: ``root`` is not a folder that files can be written to.
        """
        self.folder = solution.folder / ".vicinal" / solution.name / "uploads"
        if root:
            self.folder = Path(root).expanduser().absolute() / solution.name
            _require_writable(self.folder)

    @contextmanager
    def temporary_file(self, file: BinaryIO, name: str) -> Iterator[Path]:
        """Copy the file to disk while the block runs, for a query."""
        with tempfile.NamedTemporaryFile(prefix="vicinal-", suffix=_known_suffix(name)) as copy:
            file.seek(0)
            copyfileobj(file, copy)
            copy.flush()
            yield Path(copy.name)

    def save(self, file: BinaryIO, name: str, key: str, metadata: dict[str, object]) -> tuple[Item, bool]:
        """Save a file; return its item, and whether the file is new."""
        digest = blake2b(digest_size=16)
        file.seek(0)
        while chunk := file.read(1 << 20):
            digest.update(chunk)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{item_id(key):016x}-{digest.hexdigest()}{_known_suffix(name)}"
        if is_new := not path.exists():
            file.seek(0)
            with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as copy:
                copyfileobj(file, copy)
            Path(copy.name).replace(path)
        return Item(key, path, path.as_uri(), metadata, digest.hexdigest()), is_new

    def discard(self, item: Item) -> None:
        """Delete a saved file that could not be indexed."""
        Path(item.content).unlink(missing_ok=True)

    def delete(self, key: str, except_: Path | None = None) -> None:
        """Delete the saved files of an item, ``except_`` the one that it has now."""
        for path in self.folder.glob(f"{item_id(key):016x}-*"):
            if path != except_:
                path.unlink(missing_ok=True)


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"VICINAL_UPLOADS: cannot write to {folder}: {reason}") from error


def _known_suffix(name: str) -> str:
    suffix = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    return suffix if suffix in MEDIA_TYPES else ""
