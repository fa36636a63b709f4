"""The source ``lines``: the lines of a text file, whose keys are their numbers."""

from __future__ import annotations

from collections.abc import Iterator

from vicinal.plugin.params import LocalPath
from vicinal.plugin.source import Source
from vicinal.types import Failure, Item
from vicinal_files.decoding import Encoding, InvalidLine
from vicinal_files.text import (
    MAX_TEXT_BYTES,
    OversizedLine,
    TruncatedFileError,
    estimate_lines,
    format_megabytes,
    read_lines,
)

__all__ = ["Lines"]


class Lines(Source["Lines.Params"]):
    """The lines of a text file. The key of a line is its number, from 1.

    Empty lines are items, too. A line ends with a line feed, with or without a carriage return before it.
    """

    class Params(Source.Params):
        path: LocalPath
        """The text file; one whose name ends in ``.gz`` is decompressed while it is read. A line's key is its number,
        so only append to the file: a line that is inserted or removed makes other items of all that follow. Where
        lines come and go, use a ``table`` with a key column."""
        encoding: Encoding | None = None
        """The file's encoding, as ``cp1252`` or ``utf-16-le``; by default that of its byte order mark, else UTF-8."""

    def __iter__(self) -> Iterator[Item | Failure]:
        number = 0
        try:
            for number, line in enumerate(read_lines(self.params.path, self.params.encoding), 1):
                if type(line) is str and len(line) <= MAX_TEXT_BYTES // 4:
                    yield Item(str(number), line.removesuffix("\n").removesuffix("\r"))
                else:
                    yield _to_item(str(number), line)
        except TruncatedFileError as error:
            yield Failure(str(number + 1), "read", str(error))

    def count(self) -> int | None:
        """Return about how many lines there are; None for a gzip file."""
        return estimate_lines(self.params.path)


def _to_item(number: str, line: str) -> Item | Failure:
    if isinstance(line, InvalidLine):
        return _make_failure(number, f"line {number} is {line.problem}{line.suggestion}")
    content = line.removesuffix("\n").removesuffix("\r")
    size = line.size if isinstance(line, OversizedLine) else len(content.encode())
    if size > MAX_TEXT_BYTES:
        sizes = f"{format_megabytes(size)}, the limit is {format_megabytes(MAX_TEXT_BYTES)}"
        return _make_failure(number, f"line {number} has {sizes}")
    return Item(number, content)


def _make_failure(number: str, message: str) -> Failure:
    return Failure(number, "read", message, hides_items=False)
