"""What ``vicinal init`` writes for a folder, a table or a text file, guessed from its first bytes."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from vicinal import Suggestion
from vicinal.errors import SourceError
from vicinal.toolkit.csv_dialect import guess_delimiter, has_narrow_header, name_columns, parse_sep_line
from vicinal.toolkit.file_kinds import advise_conversion, json_advice
from vicinal.toolkit.text_encoding import detect_byte_order_mark, guess_encoding
from vicinal_files.table import detect_format

__all__ = ["suggest_solution"]

_HEAD_BYTES = 1 << 20
_KEYS = ("id", "key", "name", "uid", "sku", "slug")
_USERS = ("user", "customer", "client", "visitor", "member", "buyer", "listener", "reader", "viewer")
_ITEMS = ("item", "article", "product", "movie", "film", "track", "song", "book", "sku")
_NO_KEY = (
    "no column has a value of its own in each row: rows of one key are failures; add a column of ids, and name it `key`"
)
_MAX_ROWS = 2_000
_CONTENTS = {
    "morgan": ("smiles", "canonical_smiles", "structure", "inchi"),
    "sentence": ("question", "text", "content", "title", "body", "sentence", "description", "query"),
}


@dataclass(frozen=True)
class _Layout:
    """A file's columns, none for a file of lines, and the parameters without which a source misreads it.

    In ``rows`` are the first cells of the columns, as far as they were read.
    """

    columns: list[str]
    parameters: dict[str, str]
    rows: Sequence[Sequence[Any]] = ()

    def has_repeated(self, column: str) -> bool:
        """Whether two of the rows that were read have one value in a column, which then is no key."""
        place = self.columns.index(column)
        values = [str(row[place]) for row in self.rows if len(row) > place]
        return len(set(values)) < len(values)


def suggest_solution(path: Path) -> Suggestion | None:
    """Return how a folder, a table or a text file is read and encoded; None for a file of another kind.

    Raises:
        SourceError: the columns of a table cannot be read.
    """
    if path.is_dir():
        return Suggestion({"type": "folder", "path": str(path), "include": ["**/*"]}, {"type": "efficientnet_lite0"})
    if advise_conversion(path):
        return None
    try:
        layout = _read_layout(path)
    except (ValueError, EOFError, csv.Error, zlib.error, OSError) as error:
        raise SourceError(
            f"cannot tell the columns of {path}: {error}", hint="check that its suffix says what it is"
        ) from error
    if not layout.columns:
        return Suggestion({"type": "lines", "path": str(path), **layout.parameters}, {"type": "sentence"})
    if pair := _find_interaction_columns(layout):
        raise _interactions_error(path, *pair)
    key, is_unique = _choose_key(layout)
    encoder, content = _choose_content(layout.columns, key)
    source = {"type": "table", "path": str(path), **layout.parameters, "key": key, "content": content}
    return Suggestion(source, {"type": encoder}, comment="" if is_unique else _NO_KEY)


def _choose_key(layout: _Layout) -> tuple[str, bool]:
    """The column that names each row, and whether its values differ: by its name, else the first; no text's, if any."""
    named = [column for wanted in _KEYS for column in layout.columns if column.lower() == wanted]
    texts = [column for column in layout.columns if column.lower() in chain.from_iterable(_CONTENTS.values())]
    others = [column for column in layout.columns if column not in texts]
    candidates = [*named, layout.columns[0], *others, *texts]
    key = next((column for column in candidates if not layout.has_repeated(column)), None)
    return (candidates[0], False) if key is None else (key, True)


def _find_interaction_columns(layout: _Layout) -> tuple[str, str] | None:
    """The columns of users and of items, where a table has both by name, and no text to search by."""
    by_name = {_to_plain_name(column): column for column in reversed(layout.columns)}
    users, items = (next((by_name[name] for name in names if name in by_name), None) for names in (_USERS, _ITEMS))
    has_text = any(column.lower() in chain.from_iterable(_CONTENTS.values()) for column in layout.columns)
    return (users, items) if users and items and not has_text else None


def _to_plain_name(column: str) -> str:
    """The name without its end in ``id``: ``user`` for ``userId``, ``USER_ID`` and ``user``."""
    return re.sub(r"[\s_-]*id$", "", column.strip().lower())


def _interactions_error(path: Path, user: str, item: str) -> SourceError:
    block = f"{{path: {path.name}, user: {user}, item: {item}}}"
    return SourceError(
        f"{path} looks like interactions, a row for each {user!r} and {item!r}, which are no items to search",
        hint="for recommendations name the table of the items: `vicinal init --encoder als ITEMS`, and in what that"
        f" writes `interactions: {block}` (docs/recommendation.md#your-own-interactions)",
    )


def _choose_content(columns: Sequence[str], key: str) -> tuple[str, str]:
    """Return the encoder and the column that it suits: by the column's name, else a text in the first other one."""
    by_name = {column.lower(): column for column in reversed(columns)}
    for encoder, wanted in _CONTENTS.items():
        for name in wanted:
            if name in by_name:
                return encoder, by_name[name]
    return "sentence", next((column for column in columns if column != key), key)


def _read_layout(path: Path) -> _Layout:
    kind = detect_format(path)
    if kind == "parquet":
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            batches = islice(file.iter_batches(_MAX_ROWS), 1)
            rows = [list(row.values()) for batch in batches for row in batch.to_pylist()]
            return _Layout(list(file.schema_arrow.names), {}, rows)
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    guessed = guess_encoding(head, is_whole=len(head) < _HEAD_BYTES)
    is_plain = guessed in ("", "utf-8") or guessed == detect_byte_order_mark(head)
    parameters = {} if is_plain else {"encoding": guessed}
    text = codecs.getincrementaldecoder(guessed or "utf-8")("replace").decode(head).removeprefix("\ufeff")
    text = text if len(head) < _HEAD_BYTES else text[: text.rfind("\n") + 1] or text
    if kind == "jsonl":
        columns = _read_json_keys(path, text)
        return _Layout(columns, parameters, list(_read_json_rows(text, columns)))
    if kind in ("csv", "tsv"):
        return _read_csv_layout(path, text, "\t" if kind == "tsv" else ",", parameters)
    return _Layout([], parameters)


def _read_json_keys(path: Path, text: str) -> list[str]:
    if text.lstrip().startswith("["):
        advice = json_advice(path, text.encode())
        raise SourceError(f"{path} is {advice.kind}, not an object on each line", hint=advice.hint)
    first = json.loads(text.lstrip().partition("\n")[0] or "{}")
    if not isinstance(first, dict) or not first:
        raise SourceError(f"{path} has no object in its first line", hint='write {"id": …, "text": …} on each line')
    return list(first)


def _read_json_rows(text: str, columns: Sequence[str]) -> Iterator[list[Any]]:
    for line in text.splitlines():
        with suppress(ValueError):  # a line that is no object is the source's to report
            if isinstance(row := json.loads(line), dict):
                yield [row.get(column) for column in columns]


def _read_csv_layout(path: Path, text: str, default: str, parameters: dict[str, str]) -> _Layout:
    lines = io.StringIO(text, newline=None).readlines()
    delimiter = guess_delimiter(lines, default)
    if delimiter != default:
        parameters = {**parameters, "delimiter": delimiter}
    rows = lines[1:] if lines and parse_sep_line(lines[0]) else lines
    header = next(filter(None, csv.reader(rows, delimiter=delimiter)), [])
    if not header or has_narrow_header(rows, delimiter):
        raise SourceError(
            f"the first line of {path} does not name its columns"
            if header
            else f"{path} has no line that names its columns",
            hint="remove what stands above the line with their names, or write one",
        )
    return _Layout(name_columns(header), parameters, _read_csv_rows(rows, delimiter))


def _read_csv_rows(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """The cells below the header, up to a quote that is not closed."""
    records: list[list[str]] = []
    with suppress(csv.Error):
        records.extend(filter(None, csv.reader(lines, delimiter=delimiter)))
    return records[1:]
