"""Splits files of molecules into records: lines of SMILES or InChI with names, and the records of an SDF."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

__all__ = ["Record", "read_line_records", "read_sdf_records"]

MAX_RECORD_CHARS = 4 << 20
"""What is beyond this in a record of an SDF is left out; the longest molfile that is read has half a million."""
_STRUCTURES = ("inchi", "structure", "molecule", "mol", "smi", "smile")
_NAMES = ("name", "id", "title", "key")


@dataclass(slots=True)
class Record:
    """One molecule of a file: its notation, its name where it has one, and what else the file says of it."""

    notation: str
    name: str = ""
    properties: dict[str, str] = field(default_factory=dict)


# --- lines


def read_line_records(lines: Iterable[str]) -> Iterator[Record]:
    """Yield the molecules of lines ``SMILES name``, separated by blanks or tabs, with or without a header.

    Empty lines, and those that begin with ``#``, are skipped. An InChI may stand in place of the SMILES.
    """
    rows = (line for line in lines if line.strip() and not line.startswith("#"))
    for number, line in enumerate(rows):
        if number == 0 and (header := _Header.parse(line)):
            yield from map(header.to_record, rows)
            return
        yield _to_record(line)


@dataclass(frozen=True, slots=True)
class _Header:
    """A file's first line, where it names columns: which has the molecule, and which its name."""

    columns: Sequence[str]
    structure: int
    name: int | None
    is_tabbed: bool

    @classmethod
    def parse(cls, line: str) -> _Header | None:
        columns = [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split()
        lowered = [column.lower() for column in columns]
        structure = next((n for n, c in enumerate(lowered) if c in _STRUCTURES or c.endswith("smiles")), None)
        if structure is None:
            return None
        others = [number for number in range(len(columns)) if number != structure]
        name = next((n for n in others if re.split(r"\W|_", lowered[n])[-1] in _NAMES), next(iter(others), None))
        return cls(columns, structure, name, "\t" in line)

    def to_record(self, line: str) -> Record:
        cells = [cell.strip() for cell in self._split_line(line)]
        found = dict(zip(self.columns, cells, strict=False))
        notation = found.pop(self.columns[self.structure], "")
        name = "" if self.name is None else found.pop(self.columns[self.name], "")
        return Record(notation, name, {column: cell for column, cell in found.items() if cell})

    def _split_line(self, line: str) -> list[str]:
        if self.is_tabbed:
            return line.split("\t")
        if self.structure > 0:
            return line.split(None, len(self.columns) - 1)
        notation, rest = _split_notation(line)
        return [notation, *rest.split(None, max(0, len(self.columns) - 2))]


def _to_record(line: str) -> Record:
    """The molecule of a line without header; columns beyond the second are called by their position."""
    if "\t" not in line:
        return Record(*_split_notation(line))
    notation, name, *others = (cell.strip() for cell in line.split("\t"))
    return Record(notation, name, {f"column {number}": cell for number, cell in enumerate(others, 3) if cell})


def _split_notation(line: str) -> tuple[str, str]:
    """Split ``SMILES name``; an extension ``|…|`` of CXSMILES belongs to the SMILES."""
    notation, _, rest = line.strip().replace("\t", " ").partition(" ")
    rest = rest.strip()
    if rest.startswith("|"):
        end = rest.find("|", 1) + 1 or len(rest)  # one that is not closed is broken, which the encoder says
        return f"{notation} {rest[:end]}", rest[end:].strip()
    return notation, rest


# --- SDF


def read_sdf_records(lines: Iterable[str]) -> Iterator[Record]:
    """Yield the records of an SDF, or of a molfile, which is one without ``$$$$`` at its end.

    Raises:
        Exception: what reading the lines raises, after the records before it.
    """
    record: list[str] = []
    size = 0
    for line in lines:
        if line.startswith("$$$$"):
            yield _parse_sdf_record(record)
            record, size = [], 0
        elif size < MAX_RECORD_CHARS:
            size += len(line) + 1
            record.append(line)
    if any(map(str.strip, record)):
        yield _parse_sdf_record(record)


def _parse_sdf_record(lines: Sequence[str]) -> Record:
    end = next((number for number, line in enumerate(lines, 1) if line.startswith("M  END")), None)
    if end is None:
        end = next((number for number, line in enumerate(lines) if line.startswith(">")), len(lines))
    name = lines[0].strip() if lines else ""
    return Record("\n".join(lines[:end]), name, _parse_properties(lines[end:]))


def _parse_properties(lines: Sequence[str]) -> dict[str, str]:
    """The data of a record: a line ``> <name>``, its value in the lines below it, and an empty one."""
    found: dict[str, list[str]] = {}
    values: list[str] | None = None
    for line in lines:
        if values is None and (named := re.match(r">.*<(.*)>", line)):
            values = found.setdefault(named[1], [])
        elif not line.strip():
            values = None
        elif values is not None:
            values.append(line)
    return {name: "\n".join(parts) for name, parts in found.items() if parts}
