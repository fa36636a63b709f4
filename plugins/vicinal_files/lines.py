"""The source ``lines``: the lines of a text file, named by their numbers."""

from __future__ import annotations

from collections.abc import Iterator

from vicinal.plugin.params import LocalPath
from vicinal.plugin.source import Source
from vicinal.types import Failure, Item
from vicinal_files.text import MAX_TEXT, DamageError, NotUtf8, TooLong, estimate_lines, megabytes, read_lines

__all__ = ["Lines"]


class Lines(Source):
    """The lines of a UTF-8 text file. The key of a line is its number, from 1.

    Empty lines are items, too. A line feed ends a line, with or without a carriage return before it.
    """

    class Params(Source.Params):
        path: LocalPath
        """The text file; one whose name ends in ``.gz`` is unpacked on the way."""

    def __iter__(self) -> Iterator[Item | Failure]:
        number = 0
        try:
            for number, line in enumerate(read_lines(self.params.path), 1):
                if type(line) is str and len(line) <= MAX_TEXT // 4:
                    yield Item(str(number), line.removesuffix("\n").removesuffix("\r"))
                else:
                    yield _checked(str(number), line)
        except DamageError as error:
            yield Failure(str(number + 1), "read", str(error))

    def count(self) -> int | None:
        """About how many lines there are; None for a packed file."""
        return estimate_lines(self.params.path)


def _checked(number: str, line: str) -> Item | Failure:
    if isinstance(line, NotUtf8):
        return Failure(number, "read", f"line {number} is not UTF-8: {line.wrong()}")
    content = line.removesuffix("\n").removesuffix("\r")
    size = line.size if isinstance(line, TooLong) else len(content.encode())
    if size > MAX_TEXT:
        return Failure(number, "read", f"line {number} has {megabytes(size)}, the limit is {megabytes(MAX_TEXT)}")
    return Item(number, content)
