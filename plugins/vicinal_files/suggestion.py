"""What ``vicinal init`` writes for a folder, a table or a text file, guessed from its first bytes."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vicinal import Suggestion
from vicinal.errors import SourceError
from vicinal.toolkit.csv_dialect import guess_delimiter, has_narrow_header, name_columns, parse_sep_line
from vicinal.toolkit.file_kinds import advise_conversion, json_advice
from vicinal.toolkit.text_encoding import detect_byte_order_mark, guess_encoding
from vicinal_files.table import detect_format

__all__ = ["suggest_solution"]

_HEAD_BYTES = 1 << 20
_KEYS = ("id", "key", "name", "uid", "sku", "slug")
_CONTENTS = {
    "morgan": ("smiles", "canonical_smiles", "structure", "inchi"),
    "sentence": ("question", "text", "content", "title", "body", "sentence", "description", "query"),
}


@dataclass(frozen=True)
class _Layout:
    """A file's columns, none for a file of lines, and the parameters without which a source misreads it."""

    columns: list[str]
    parameters: dict[str, str]


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
    key = next((c for wanted in _KEYS for c in layout.columns if c.lower() == wanted), layout.columns[0])
    encoder, content = _choose_content(layout.columns, key)
    source = {"type": "table", "path": str(path), **layout.parameters, "key": key, "content": content}
    return Suggestion(source, {"type": encoder})


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

        return _Layout(list(pq.read_schema(path).names), {})
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    guessed = guess_encoding(head, is_whole=len(head) < _HEAD_BYTES)
    is_plain = guessed in ("", "utf-8") or guessed == detect_byte_order_mark(head)
    parameters = {} if is_plain else {"encoding": guessed}
    text = codecs.getincrementaldecoder(guessed or "utf-8")("replace").decode(head).removeprefix("\ufeff")
    text = text if len(head) < _HEAD_BYTES else text[: text.rfind("\n") + 1] or text
    if kind == "jsonl":
        return _Layout(_read_json_keys(path, text), parameters)
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
    return _Layout(name_columns(header), parameters)
