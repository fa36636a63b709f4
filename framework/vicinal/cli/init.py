"""``vicinal init``: writes a YAML to start from, guessed from the user's own file or folder."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from vicinal.cli.output import json_option, print_json
from vicinal.errors import VicinalError
from vicinal.toolkit.csv_dialect import guess_delimiter, name_columns, parse_sep_line
from vicinal.toolkit.file_kinds import advise_conversion, json_advice
from vicinal.toolkit.text_encoding import detect_byte_order_mark, guess_encoding

_HEAD_BYTES = 1 << 20
_KEYS = ("id", "key", "name", "uid", "sku", "slug")
_CONTENTS = {
    "morgan": ("smiles", "canonical_smiles", "structure"),
    "sentence": ("question", "text", "content", "title", "body", "sentence", "description", "query"),
}


def _refuse_into(context: click.Context, option: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise click.UsageError("--into is now -o, --output", context)


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--name", help="The solution's name; default: that of the data.")
@click.option("--encoder", help="The encoder; default: guessed from the data.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The YAML file; default: NAME.yaml."
)
@click.option("--into", hidden=True, expose_value=False, callback=_refuse_into)
@json_option
def init(data: Path, name: str | None, encoder: str | None, output: Path | None, as_json: bool) -> None:
    """Write a solution's YAML for DATA: a csv, tsv, jsonl or parquet file, a text file of lines, or a folder.

    The guess is written with comments; change what is wrong and run `vicinal validate`. Files of other kinds are
    refused with the command that converts them.
    """
    if not data.exists():
        raise VicinalError(f"{data} does not exist", hint="name a file or a folder with your data")
    name = name or _derive_name(data)
    output = output or Path(f"{name}.yaml")
    if output.exists():
        raise VicinalError(f"{output} exists already", hint="choose another file with --output")
    source, guessed = _guess_source(data, output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(_TEMPLATE.format(name=name, source=source, encoder=encoder or guessed), encoding="utf-8")
    if as_json:
        print_json({"path": str(output), "name": name, "encoder": encoder or guessed})
        return
    click.echo(f"wrote {output}")
    click.echo(f"next: vicinal validate {output} && vicinal ingest {output} && vicinal search {output} …")


_TEMPLATE = """\
# A solution: what to read, how to encode it, where to keep it. Check it with `vicinal validate`.
name: {name}
source: {source}
encoder: {{type: {encoder}}}

# index: auto                    # or as {{type: HNSW, metric: COSINE, params: {{M: 16}}, search: {{ef: 128}}}}
# fields: {{label: varchar(64)}}   # metadata that `--filter` may use
# ingest: {{max_failures: 1%}}     # stop a run in which more items fail
# Both stores are embedded, in .vicinal/ beside this file, unless MILVUS_URI and REDIS_URL are set.
"""


def _derive_name(data: Path) -> str:
    path = data.resolve()
    name = re.sub(r"[^A-Za-z0-9]+", "-", path.name if path.is_dir() else path.name.split(".")[0]).strip("-").lower()
    name = name if name[:1].isalpha() else f"solution-{name}"
    return name[:63].strip("-")


def _guess_source(data: Path, output: Path) -> tuple[str, str]:
    """Return the source's block and the encoder.

    Raises:
        VicinalError: no source reads such a file, or its columns cannot be read.
    """
    path = _quote(_path_from_yaml(data, output))
    if data.is_dir():
        return f'{{type: folder, path: {path}, include: ["**/*"]}}', "resnet18"
    if advice := advise_conversion(data):
        raise VicinalError(f"{data} is {advice.kind}", hint=advice.hint)
    try:
        layout = _read_layout(data)
    except (ValueError, EOFError, csv.Error, zlib.error, OSError) as error:
        raise VicinalError(
            f"cannot tell the columns of {data}: {error}", hint="check that its suffix says what it is"
        ) from error
    options = "".join(f", {name}: {_quote(value)}" for name, value in layout.options.items())
    if not layout.columns:
        return f"{{type: lines, path: {path}{options}}}", "sentence"
    key = next((c for wanted in _KEYS for c in layout.columns if c.lower() == wanted), layout.columns[0])
    encoder, content = _choose_content(layout.columns, key)
    return f"{{type: table, path: {path}{options}, key: {_quote(key)}, content: {_quote(content)}}}", encoder


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _choose_content(columns: Sequence[str], key: str) -> tuple[str, str]:
    for encoder, wanted in _CONTENTS.items():
        for name in wanted:
            for column in columns:
                if column.lower() == name:
                    return encoder, column
    rest = [column for column in columns if column != key]
    return "sentence", rest[0] if rest else key


@dataclass(frozen=True)
class _Layout:
    """A file's columns, none for a file of lines, and the options without which a source misreads it."""

    columns: list[str]
    options: dict[str, str]


def _read_layout(data: Path) -> _Layout:
    suffixes = [suffix.lower() for suffix in data.suffixes]
    kind = "".join(suffixes[-2:-1] if suffixes[-1:] == [".gz"] else suffixes[-1:])
    if kind == ".parquet":
        import pyarrow.parquet as pq

        return _Layout(list(pq.read_schema(data).names), {})
    with gzip.open(data) if suffixes[-1:] == [".gz"] else data.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    guessed = guess_encoding(head, is_whole=len(head) < _HEAD_BYTES)
    is_plain = guessed in ("", "utf-8") or guessed == detect_byte_order_mark(head)
    options = {} if is_plain else {"encoding": guessed}
    text = codecs.getincrementaldecoder(guessed or "utf-8")("replace").decode(head).removeprefix("\ufeff")
    text = text if len(head) < _HEAD_BYTES else text[: text.rfind("\n") + 1] or text
    if kind in (".jsonl", ".ndjson"):
        return _Layout(_read_json_keys(data, text), options)
    if kind in (".csv", ".tsv"):
        return _read_csv_layout(text, "\t" if kind == ".tsv" else ",", options)
    return _Layout([], options)


def _read_json_keys(data: Path, text: str) -> list[str]:
    if text.lstrip().startswith("["):
        advice = json_advice(data, text.encode())
        raise VicinalError(f"{data} is {advice.kind}, not an object a line", hint=advice.hint)
    first = json.loads(text.lstrip().partition("\n")[0] or "{}")
    return list(first) if isinstance(first, dict) else []


def _read_csv_layout(text: str, default: str, options: dict[str, str]) -> _Layout:
    lines = io.StringIO(text, newline=None).readlines()
    delimiter = guess_delimiter(lines, default)
    if delimiter != default:
        options = {**options, "delimiter": delimiter}
    rows = lines[1:] if lines and parse_sep_line(lines[0]) else lines
    return _Layout(name_columns(next(filter(None, csv.reader(rows, delimiter=delimiter)), [])), options)


def _path_from_yaml(data: Path, output: Path) -> str:
    """Return the data's path relative to the folder of the YAML, or absolute where it is not below that."""
    try:
        return data.resolve().relative_to(output.resolve().parent).as_posix()
    except ValueError:
        return data.resolve().as_posix()
