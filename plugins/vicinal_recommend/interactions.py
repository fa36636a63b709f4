"""Interactions: which user has had to do with which item, how much, and when.

They are streamed: a chunk has the ids of its rows once each, and for each row the number of its id.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, field_validator, model_validator

from vicinal import LocalPath, Params, SourceError
from vicinal_recommend.formats import RATING_FILES, find_file
from vicinal_recommend.tables import FORMATS, Dialect, TableReader, detect_format

if TYPE_CHECKING:
    import numpy as np
    import pyarrow

__all__ = ["Ids", "InteractionChunk", "InteractionReader", "InteractionTable"]

_MOVIELENS_COLUMNS = {"user": "userId", "item": "movieId", "time": "timestamp"}


class InteractionTable(Params):
    """The block ``interactions``: a file with a row for each interaction, and its columns."""

    path: LocalPath
    """A csv, tsv, jsonl or parquet file (the first three also in .gz), or MovieLens' `ratings.csv`, `ratings.dat` or
    `u.data`, whose columns are known, or a folder with one of these."""
    user: str | None = None
    """The column of users; MovieLens' is known."""
    item: str | None = None
    """The column of items, which holds the keys of the source's items; MovieLens' is known."""
    weight: str | None = None
    """The column of weights, as ratings, plays or prices; without it every interaction counts alike. A weight counts in
    relation to the mean of all."""
    time: str | None = None
    """The column of times, numbers or ISO 8601, by which an evaluation splits; MovieLens' is known."""
    min_weight: float | None = None
    """Leave out interactions of a smaller weight, as ratings below 4; needs `weight`."""
    delimiter: str | None = Field(default=None, pattern=r'^[^"\r\n]$')
    """The character between the cells; by default a comma in csv, a tab in tsv."""
    header: bool = True
    """Whether the first line names the columns; if not, they are called `column 1`, `column 2` and so on."""
    encoding: str = "utf-8"
    """The encoding of a csv or tsv file, as `cp1252`."""

    @field_validator("encoding")
    @classmethod
    def _require_encoding(cls, name: str) -> str:
        try:
            return codecs.lookup(name).name
        except LookupError as error:
            raise ValueError(f"{name!r} is not an encoding of Python; some are utf-8, cp1252, latin-1") from error

    @model_validator(mode="after")
    def _require_readable(self) -> Self:
        if self.min_weight is not None and self.weight is None:
            raise ValueError("min_weight needs `weight`, the column that is compared with it, as rating")
        is_folder = self.path.is_dir() or (not self.path.suffix and not self.path.is_file())
        if self.is_movielens or is_folder:
            return self
        if detect_format(self.path) is None:
            raise ValueError(f"{self.path.name} is none of {', '.join(FORMATS)}, or of the texts in .gz")
        if missing := [name for name in ("user", "item") if getattr(self, name) is None]:
            raise ValueError(f"name the columns of {self.path.name}: `{'` and `'.join(missing)}`")
        return self

    @property
    def is_movielens(self) -> bool:
        """Whether the file is MovieLens', by its name, and no other columns are given."""
        return self.file.name in RATING_FILES and self.user is None and self.item is None

    @property
    def file(self) -> Path:
        """The file itself, where the path is a folder."""
        return find_file(self.path, list(RATING_FILES))

    @property
    def dialect(self) -> Dialect:
        """How the file is written."""
        if self.is_movielens:
            known = RATING_FILES[self.file.name]
            return Dialect(known.delimiter, known.columns, known.quotes, self.encoding)
        default = "\t" if detect_format(self.file) == "tsv" else ","
        return Dialect(self.delimiter or default, None, True, self.encoding, self.header)

    @property
    def columns(self) -> dict[str, str]:
        """The file's columns by what they hold: ``user``, ``item`` and, where there are, ``weight`` and ``time``."""
        known = _MOVIELENS_COLUMNS if self.is_movielens else {}
        given = {name: getattr(self, name) or known.get(name) for name in ("user", "item", "weight", "time")}
        return {name: column for name, column in given.items() if column}


@dataclass(slots=True)
class Ids:
    """The ids in a column: for each row the number of its id in ``values``, or -1 where it has none."""

    codes: np.ndarray
    values: Sequence[str | None]
    """Each id once, an item's as it is written; None for bytes that are no text."""


@dataclass(slots=True)
class InteractionChunk:
    """Some hundred thousand interactions; ``weights`` and ``times``, float64, are NaN where they cannot be read."""

    users: Ids
    items: Ids
    weights: np.ndarray | None
    times: np.ndarray | None


class InteractionReader:
    """Reads the interactions of a table; ``malformed`` counts rows that have other columns."""

    def __init__(self, table: InteractionTable, *, with_times: bool = False) -> None:
        used = {name: column for name, column in table.columns.items() if name != "time" or with_times}
        self._columns = used
        self._path = table.file
        self._reader = TableReader(table.file, list(used.values()), table.dialect)

    @property
    def malformed(self) -> int:
        return self._reader.malformed

    def __iter__(self) -> Iterator[InteractionChunk]:
        """Yield the interactions in the file's order.

        Raises:
            SourceError: the file cannot be read to its end, or lacks a column, or one has neither texts nor numbers.
        """
        for arrays in self._reader:
            users = self._convert_column(arrays, "user", _to_ids, str.strip)
            items = self._convert_column(arrays, "item", _to_ids, str)  # a key of the source may have spaces around it
            weights = self._convert_column(arrays, "weight", _to_numbers, float) if "weight" in self._columns else None
            times = self._convert_column(arrays, "time", _to_numbers, _parse_time) if "time" in self._columns else None
            yield InteractionChunk(users, items, weights, times)

    def _convert_column(
        self, arrays: dict[str, pyarrow.Array], name: str, convert: Callable[..., Any], *args: object
    ) -> Any:
        import pyarrow

        column = self._columns[name]
        try:
            return convert(arrays[column], *args)
        except pyarrow.ArrowException as error:
            raise SourceError(
                f"{self._path}: the column {column!r}, of type {arrays[column].type}, cannot be read as {name}s",
                f"write it as texts or numbers, or name another column in `interactions.{name}`",
            ) from error


def _to_ids(array: pyarrow.Array, clean: Callable[[str], str]) -> Ids:
    import pyarrow.compute as pc

    encoded = _to_texts(array).dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    values = [_to_id(value, clean) for value in encoded.dictionary.to_pylist()]
    return Ids(codes, values)


def _to_id(value: str | bytes, clean: Callable[[str], str]) -> str | None:
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return None
    return clean(value) or None


def _to_texts(array: pyarrow.Array) -> Any:
    """The array as texts or bytes; whole numbers in floating point, as pandas writes them beside gaps, as integers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind):
        return _to_texts(array.dictionary_decode())
    if pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_string(kind):
        return array
    if pa.types.is_floating(kind):
        array = pc.if_else(pc.is_finite(array), array, None)
        is_int64 = pc.and_(pc.equal(array, pc.floor(array)), pc.less(pc.abs(array), 2.0**63))
        if pc.all(is_int64).as_py() is not False:
            array = array.cast(pa.int64(), safe=False)
    return array.cast(pa.string())


def _to_numbers(array: pyarrow.Array, parse: Callable[[str], float]) -> np.ndarray:
    """The array as float64; a text that is no number is read by ``parse``, and NaN where that cannot either."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_temporal(array.type):
        microseconds = array.cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.float64())
        return np.asarray(microseconds.to_numpy(zero_copy_only=False)) / 1e6
    try:
        numbers = (array.cast(pa.string()) if pa.types.is_binary(array.type) else array).cast(pa.float64())
    except pa.ArrowInvalid:  # some cell is empty, or no number
        numbers = pa.array([_parse_cell(value, parse) for value in array.to_pylist()], pa.float64())
    return np.asarray(numbers.to_numpy(zero_copy_only=False), np.float64)


def _parse_cell(value: object, parse: Callable[[str], float]) -> float:
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return parse(text.strip())
    except ValueError:
        return math.nan


def _parse_time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
