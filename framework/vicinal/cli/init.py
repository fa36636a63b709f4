"""``vicinal init``: writes a YAML to start from, as the plugin that knows the user's file or folder suggests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vicinal.cli.output import json_option, print_json
from vicinal.errors import VicinalError

if TYPE_CHECKING:
    from vicinal import Suggestion
    from vicinal.plugin.manager import Manager


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--name", help="The solution's name; default: that of the data.")
@click.option("--encoder", help="The encoder; default: guessed from the data.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The YAML file; default: NAME.yaml."
)
@json_option
def init(data: Path, name: str | None, encoder: str | None, output: Path | None, as_json: bool) -> None:
    """Write a solution's YAML for DATA: a csv, tsv, jsonl or parquet file, a text file of lines, or a folder.

    The guess is written with comments; change what is wrong and run `vicinal validate`. Plugins may know other files;
    those that none knows are refused with the command that converts them.
    """
    from vicinal.plugin.manager import create_manager

    if not data.exists():
        raise VicinalError(f"{data} does not exist", hint="name a file or a folder with your data")
    name = name or _derive_name(data)
    output = output or Path(f"{name}.yaml")
    if output.exists():
        raise VicinalError(f"{output} exists already", hint="choose another file with --output")
    manager = create_manager()
    suggestion = _suggest_solution(manager, data, encoder)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(_format_yaml(name, suggestion, output), encoding="utf-8")
    if as_json:
        print_json({"path": str(output), "name": name, "encoder": suggestion.encoder["type"]})
        return
    click.echo(f"wrote {output}")
    click.echo(f"next: vicinal validate {output} && vicinal ingest {output} && vicinal search {output} …")


_TEMPLATE = """\
# A solution: what to read, how to encode it, where to keep it. Check it with `vicinal validate`.
name: {name}
source: {source}
{comment}encoder: {encoder}
{fields}
# index: auto                    # or as {{type: HNSW, metric: COSINE, params: {{M: 16}}, search: {{ef: 128}}}}
{fields_comment}# ingest: {{max_failures: 1%}}     # stop a run in which more items fail
# Both stores are embedded, in .vicinal/ beside this file, unless MILVUS_URI and REDIS_URL are set.
"""
_FIELDS_COMMENT = "# fields: {label: varchar(64)}   # metadata that `--filter` may use\n"


def _derive_name(data: Path) -> str:
    path = data.resolve()
    name = re.sub(r"[^A-Za-z0-9]+", "-", path.name if path.is_dir() else path.name.split(".")[0]).strip("-").lower()
    name = name if name[:1].isalpha() else f"solution-{name}"
    return name[:63].strip("-")


def _suggest_solution(manager: Manager, data: Path, encoder: str | None) -> Suggestion:
    """Return the suggestion of the first plugin that knows such data, with the encoder that the user names.

    Raises:
        VicinalError: none knows it; with what to do.
    """
    from vicinal.toolkit.file_kinds import advise_conversion

    if suggestion := manager.suggest_solution(data):
        return _replace_encoder(manager, suggestion, encoder) if encoder else suggestion
    advice = advise_conversion(data)
    kind = advice.kind if advice else "of a kind that no plugin knows"
    raise VicinalError(
        f"{data} is {kind}", hint=advice.hint if advice else "run `vicinal plugins` to see what is installed"
    )


def _replace_encoder(manager: Manager, suggestion: Suggestion, encoder: str) -> Suggestion:
    """The suggestion with another encoder, and examples of what that needs; as it is where it has that encoder."""
    if suggestion.encoder["type"] == encoder:
        return suggestion
    examples = _list_examples(manager, encoder)
    names = " and ".join(f"`{name}`" for name in examples)
    comment = f"{names}: an example, to be replaced by yours" if names else suggestion.comment
    return replace(suggestion, encoder={"type": encoder, **examples}, comment=comment)


def _list_examples(manager: Manager, encoder: str) -> dict[str, Any]:
    """An example of each parameter without which the encoder is not made; none of one that nobody registered."""
    if encoder not in manager.encoders:
        return {}
    fields = manager.encoders.load(encoder).Params.model_fields
    return {name: (field.examples or [f"<{name}>"])[0] for name, field in fields.items() if field.is_required()}


def _format_yaml(name: str, suggestion: Suggestion, output: Path) -> str:
    return _TEMPLATE.format(
        name=name,
        source=_format_block(_relate_paths(suggestion.source, output)),
        comment=f"# {suggestion.comment}\n" if suggestion.comment else "",
        encoder=_format_block(_relate_paths(suggestion.encoder, output)),
        fields=f"fields: {_format_block(suggestion.fields)}\n" if suggestion.fields else "",
        fields_comment="" if suggestion.fields else _FIELDS_COMMENT,
    )


def _format_block(block: Mapping[str, Any]) -> str:
    """Format a block in YAML's flow style: texts in double quotes, but for the plugin's type."""
    pairs = (f"{key}: {value if key == 'type' else _format_value(value)}" for key, value in block.items())
    return "{" + ", ".join(pairs) + "}"


def _format_value(value: Any) -> str:
    return _format_block(value) if isinstance(value, Mapping) else json.dumps(value, ensure_ascii=False)


def _relate_paths(block: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """The block with each ``path``, also of the blocks in it, as the YAML has it."""
    related = {
        key: _relate_paths(value, output) if isinstance(value, Mapping) else value for key, value in block.items()
    }
    if isinstance(block.get("path"), str):
        related["path"] = _path_from_yaml(Path(block["path"]), output)
    return related


def _path_from_yaml(data: Path, output: Path) -> str:
    """Return the data's path relative to the folder of the YAML, or absolute where it is not below that."""
    try:
        return data.resolve().relative_to(output.resolve().parent).as_posix()
    except ValueError:
        return data.resolve().as_posix()
