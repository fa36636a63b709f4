"""``vicinal init``: writes a YAML to start from, guessed from the user's own file or folder."""

from __future__ import annotations

import csv
import gzip
import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import click

from vicinal.cli.output import json_option, print_json
from vicinal.errors import VicinalError

_KEYS = ("id", "key", "name", "uid", "sku", "slug")
_CONTENTS = {
    "morgan": ("smiles", "canonical_smiles", "structure"),
    "sentence": ("question", "text", "content", "title", "body", "sentence", "description", "query"),
}


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--name", help="The solution's name; default: that of the data.")
@click.option("--encoder", help="The encoder; default: guessed from the data.")
@click.option(
    "-o", "--output", "into", type=click.Path(path_type=Path, dir_okay=False), help="The YAML file; default: NAME.yaml."
)
@json_option
def init(data: Path, name: str | None, encoder: str | None, into: Path | None, as_json: bool) -> None:
    """Write a solution's YAML for DATA: a csv, tsv, jsonl or parquet file, a text file of lines, or a folder.

    The guess is written with comments; change what is wrong and run `vicinal validate`.
    """
    if not data.exists():
        raise VicinalError(f"{data} does not exist", hint="name a file or a folder with your data")
    name = name or _derive_name(data)
    into = into or Path(f"{name}.yaml")
    if into.exists():
        raise VicinalError(f"{into} exists already", hint="choose another file with --output")
    source, guessed = _guess_source(data, into)
    into.parent.mkdir(parents=True, exist_ok=True)
    into.write_text(_TEMPLATE.format(name=name, source=source, encoder=encoder or guessed), encoding="utf-8")
    if as_json:
        print_json({"path": str(into), "name": name, "encoder": encoder or guessed})
        return
    click.echo(f"wrote {into}")
    click.echo(f"next: vicinal validate {into} && vicinal ingest {into} && vicinal search {into} …")


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


def _guess_source(data: Path, into: Path) -> tuple[str, str]:
    path = _quote(_path_from_yaml(data, into))
    if data.is_dir():
        return f'{{type: folder, path: {path}, include: ["**/*"]}}', "resnet18"
    try:
        columns = _read_columns(data)
    except (ValueError, EOFError, csv.Error, zlib.error, gzip.BadGzipFile) as error:
        raise VicinalError(
            f"cannot tell the columns of {data}: {error}", hint="check that its suffix says what it is"
        ) from error
    if not columns:
        return f"{{type: lines, path: {path}}}", "sentence"
    key = next((c for wanted in _KEYS for c in columns if c.lower() == wanted), columns[0])
    encoder, content = _choose_content(columns, key)
    return f"{{type: table, path: {path}, key: {_quote(key)}, content: {_quote(content)}}}", encoder


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


def _read_columns(data: Path) -> list[str] | None:
    """Return the columns of a table's file, or None for a file of lines."""
    suffixes = [suffix.lower() for suffix in data.suffixes]
    kind = suffixes[-2:-1] if suffixes[-1:] == [".gz"] else suffixes[-1:]
    if kind == [".parquet"]:
        import pyarrow.parquet as pq

        return list(pq.read_schema(data).names)
    opened = gzip.open if suffixes[-1:] == [".gz"] else open
    with opened(data, "rt", encoding="utf-8-sig", errors="replace", newline="") as text:
        if kind in ([".jsonl"], [".ndjson"]):
            first = json.loads(text.readline() or "{}")
            return list(first) if isinstance(first, dict) else None
        if kind in ([".csv"], [".tsv"]):
            return next(csv.reader(text, delimiter="\t" if kind == [".tsv"] else ","), None)
    return None


def _path_from_yaml(data: Path, into: Path) -> str:
    """Return the data's path relative to the folder of the YAML, or absolute where it is not below that."""
    try:
        return data.resolve().relative_to(into.resolve().parent).as_posix()
    except ValueError:
        return data.resolve().as_posix()
