"""Writes the pages of this folder that follow from the code: ``python docs/generate.py``, or ``--check`` to compare.

    cli.md                 every command with its help
    config.md              every key of the YAML, the parameters of every plugin, and the plugins themselves
    hooks.md, hooks/       every hook, with an example
    http.md                every route of the HTTP API
    python.md              every public name
    solutions.md           what belongs to each of the six solutions
    vicinal.schema.json    the same for editors
    bench.schema.json      the YAML of `vicinal bench`, for editors

Only vicinal's own plugins are described, whatever else is installed.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import click

from generator.hooks import hook_pages, hooks_page
from generator.http_api import http_page
from generator.markdown import fence, table
from generator.python_api import python_page
from generator.solutions import solutions_page
from vicinal.bench.schema import bench_json_schema
from vicinal.cli.app import app
from vicinal.config.indexes import INDEXES, IndexDescription
from vicinal.config.schema import json_schema
from vicinal.plugin.manager import Manager, Registry, create_manager

WIDTH = 88
MARK = "<!-- Written by docs/generate.py; change the code, then run it again. -->\n\n"


def pages() -> dict[str, str]:
    """The generated pages by their file names."""
    manager = own_plugins()
    schema = json_schema(manager)
    return {
        "cli.md": MARK + cli_page(manager),
        "config.md": MARK + config_page(manager, schema),
        "http.md": MARK + http_page(),
        "python.md": MARK + python_page(),
        "solutions.md": MARK + solutions_page(),
        "hooks.md": MARK + hooks_page(),
        **{name: MARK + text for name, text in hook_pages().items()},
        "vicinal.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        "bench.schema.json": json.dumps(bench_json_schema(), indent=2, ensure_ascii=False) + "\n",
    }


def stale(folder: Path) -> list[str]:
    """The generated pages that are not in a folder as they should be, and those that should not be there."""
    files = {file.relative_to(folder).as_posix(): file for file in (*folder.iterdir(), *folder.glob("hooks/*.md"))}
    found = {name: file.read_text(encoding="utf-8") for name, file in files.items() if file.suffix in (".md", ".json")}
    wanted = pages()
    changed = [name for name, text in wanted.items() if found.get(name) != text]
    return changed + [name for name in found if name.startswith("hooks/") and name not in wanted]


def write(path: Path, text: str | None) -> None:
    """Write a page, or remove one that there is none of any more."""
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def own_plugins() -> Manager:
    """A manager with the plugins of this distribution."""
    manager = create_manager(entry_points=False)
    vicinal = distribution("vicinal")
    for entry_point in sorted(vicinal.entry_points.select(group="vicinal"), key=lambda found: found.name):
        manager.load_entry_point(entry_point, "vicinal", vicinal.version)
    return manager


# --- the command line


def cli_page(manager: Manager) -> str:
    commands = dict(_commands(manager))
    rows = [(f"[`vicinal {name}`](#vicinal-{name.replace(' ', '-')})", _summary(it)) for name, it in commands.items()]
    text = "# The command line\n\n" + fence(_help(app, "vicinal").partition("\n\nCommands:")[0])
    text += "\n" + table(("command", "what it does"), rows)
    for name, command in commands.items():
        text += f"\n## vicinal {name}\n\n" + fence(_help(command, f"vicinal {name}"))
    return text


def _commands(manager: Manager) -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name, those of groups in place of the group."""
    context = click.Context(app)
    plugged = click.Group()
    manager.register_commands(plugged)
    names = [name for name in app.list_commands(context) if name not in app.commands or name in plugged.commands]
    for name in names:
        command = app.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", it) for inner, it in command.commands.items())
        elif command is not None:
            yield name, command


def _summary(command: click.Command) -> str:
    return (command.help or "").split("\n\n")[0].replace("\n", " ")


def _help(command: click.Command, name: str) -> str:
    context = click.Context(
        command,
        info_name=name,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    return command.get_help(context)


# --- the YAML


EXAMPLE = """\
# yaml-language-server: $schema=vicinal.schema.json
name: papers
source: {type: table, path: data/papers.csv, key: doi, content: abstract}
encoder: {type: sentence}
index: {type: HNSW, metric: COSINE, params: {M: 16}, search: {ef: 128}}
fields: {year: int64 = 0, venue: varchar(64)}
stores: {milvus: "${MILVUS_URI:-.vicinal/papers/milvus.db}", redis: "${REDIS_URL:-.vicinal/redis}"}
ingest: {max_failures: 1%}
"""

RULES = """\
- Only `true` and `false` are booleans; `no` and `010` stay texts. A key given twice, an unknown key, a merge key
  (`<<`), a tag (`!!int`) and a second document are refused.
- `${NAME}` stands for an environment variable, `${NAME:-default}` for one that may be unset. Passwords and tokens come
  from there only.
- Relative paths are relative to the YAML file; `~` is the home directory.
- Every mistake is reported at once, as `file:line:col: key: message`, by `vicinal validate FILE`.
- `vicinal schema` prints a JSON Schema with the parameters of all installed plugins, third parties' included;
  [vicinal.schema.json](vicinal.schema.json) is that of vicinal's own. Editors with a YAML language server complete
  and check by it.
"""


IMAGES = """\
Encoders of images read what Pillow reads, whatever the file's name: JPEG, PNG, WebP, AVIF, GIF, TIFF, BMP, JPEG 2000,
TGA, Photoshop's merged image and others; `vicinal[heif]` adds HEIC, the photos of phones, and `vicinal[jxl]` JPEG XL.

- Of an animation or a file of several pages the first is encoded, of a transparent image what is seen on white.
- Colours are those of the embedded profile (Adobe RGB, ProPhoto, Display P3, the inks of a press); a broken one is
  ignored.
- EXIF says what is upright, XMP does not, as in browsers.
- Metadata are no reason to refuse an image, and neither is a missing end; missing rows are.
- TIFFs of 8 or 16 bits a colour are read, grey ones also of 32 bits or in floating point; 16 bits with planes apart are
  refused, since Pillow misreads them.
- SVG, EPS, camera raw files, OpenEXR and DPX are refused by name: save them as PNG or JPEG.
"""

FIELDS = """\
Metadata that becomes a column of the collection, so that `--filter` can use it: the metadata's name, and one of `bool`,
`int32`, `int64`, `float`, `double` and `varchar(N)`, N being the most bytes that a text may have. An item without a
value fails, unless a default follows the type: `year: int64 = 0`. Where the metadata has another name, or one that a
field cannot have, name it after `from`, in quotes if it has a quote or `=` in it: `year: int64 from yr = 0`. In a hit's
metadata a field stands under its own name and with its own type.

A filter is a [Milvus expression](https://milvus.io/docs/boolean.md) over these fields: `year >= 2020 and seen == true`.
It may also use `item`, the item's key, and `segment`, the number of an item's segment, unless a field has that name.

```yaml
fields:
  title: varchar(200)
  year: int64 = 0
  published: double from "publication date" = 0
  seen: bool = false
```
"""


BLOCKS = {"index": "IndexConfig", "stores": "StoresConfig", "ingest": "IngestConfig", "ray": "RayConfig"}
"""The sections on blocks of keys, each with its definition in the JSON Schema."""


def config_page(manager: Manager, schema: dict[str, Any]) -> str:
    definitions = schema["$defs"]
    text = f"# The YAML of a solution\n\n```yaml\n{EXAMPLE}```\n\n{RULES}"
    text += f"\n## Keys\n\n{_keys(schema)}\n## fields\n\n{FIELDS}"
    for key, name in BLOCKS.items():
        text += f"\n## {key}\n\n{definitions[name]['description']}\n\n" + _keys(definitions[name])
        text += _index_tables(definitions) if key == "index" else ""
    for title, registry in (
        ("Sources", manager.sources),
        ("Encoders", manager.encoders),
        ("Rerankers", manager.rerankers),
    ):
        text += f"\n## {title}\n" + "".join(_plugged(registry, definitions))
    text += f"\n## Item filters\n\n{ITEM_FILTERS}" + "".join(_describe_filters(manager))
    return text + f"\n## Images\n\n{IMAGES}\n## Plugins\n\n" + _plugin_table(manager)


ITEM_FILTERS = """\
A condition on items that Milvus cannot look for: `vicinal search FILE QUERY --NAME PATTERN`, in Python
`item_filters={NAME: PATTERN}`, over HTTP `"item_filters": {NAME: PATTERN}`. Candidates that do not meet it are left
out, before any reranker sees them, and more are fetched until `limit` of them do. A shorter result means that no other
does of those that have any similarity to the query; of these the nearest 16,384 are looked at, since Milvus returns no
more. `--filter` narrows what they are taken from.
"""


def _describe_filters(manager: Manager) -> Iterator[str]:
    for entry in manager.item_filters:
        said = manager.item_filters.load(entry.name).__doc__ or ""
        yield f"\n### {entry.name}\n\n{inspect.cleandoc(said).replace('``', '`')}\n"


INDEX = """
`auto` is exact (FLAT) for up to 5,000 rows; beyond, HNSW_SQ on Milvus Lite, and on a server HNSW, from 2,000,000 rows
IVF_SQ8. For binary vectors it is exact (BIN_FLAT), from 2,000,000 rows BIN_IVF_FLAT. Its `params` and `search` may be
those of any of these. A parameter that an index does not have and a value out of its range are mistakes; what Milvus
requires and the file leaves out is filled in.

"""


def _index_tables(definitions: Mapping[str, Any]) -> str:
    """The indexes, and the parameters of all of them."""
    rows = [
        (f"`{index.name}`", index.summary, index.vectors, _engines(index), _names(index.build), _names(index.search))
        for index in INDEXES.values()
    ]
    text = INDEX + table(("index", "what it is", "vectors", "engines", "`params`", "`search`"), rows) + "\n"
    parameters: dict[str, tuple[str, ...]] = {}
    for index in INDEXES.values():
        for model in (index.build, index.search):
            for name, value in definitions[f"index.{model.__name__}"].get("properties", {}).items():
                parameters.setdefault(name, (f"`{name}`", _kind(value), value["description"]))
    return text + table(("parameter", "type", "what it says"), parameters.values())


def _engines(index: IndexDescription) -> str:
    server = f"Milvus {'.'.join(map(str, index.since))} and later" + (", disk index enabled" * index.needs_disk)
    return ", ".join([*["Milvus Lite"] * index.in_lite, server])


def _names(model: type[Any]) -> str:
    return ", ".join(f"`{name}`" for name in model.model_fields)


def _plugged(registry: Registry[Any], definitions: Mapping[str, Any]) -> Iterator[str]:
    for entry in registry:
        block = definitions[f"{registry.kind}.{entry.name}"]
        yield f"\n### {entry.name}\n\n{entry.summary[:1].upper()}{entry.summary[1:]}.\n\n"
        yield _keys(block, leave="type") or "It has no parameters.\n"
        for key, value in block["properties"].items():
            if blocks := _list_blocks(value, definitions):
                yield f"\nKeys of `{key}`:\n\n" + "\n".join(map(_keys, blocks))


def _list_blocks(value: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The blocks of several keys that a parameter may be."""
    names = [branch["$ref"].rpartition("/")[2] for branch in (value, *value.get("anyOf", ())) if "$ref" in branch]
    return [definitions[name] for name in names if len(definitions[name].get("properties", {})) > 1]


def _plugin_table(manager: Manager) -> str:
    rows = []
    for row in manager.rows:
        names = [f"[{name}](#{name})" for name in (*row.sources, *row.encoders, *row.rerankers, *row.item_filters)]
        observes = [f"`{hook}`" for hook in row.hooks if not hook.startswith("register_")]
        commands = ["commands"] if "register_commands" in row.hooks else []
        needs = sorted({entry.install for entry in _entries(manager, row.name) if entry.install})
        rows.append((row.name, ", ".join([*names, *commands, *observes]), ", ".join(f"`{need}`" for need in needs)))
    return table(("plugin", "registers or observes", "install"), rows)


def _entries(manager: Manager, plugin: str) -> list[Any]:
    registries = (manager.sources, manager.encoders, manager.rerankers, manager.item_filters)
    return [entry for registry in registries for entry in registry if entry.plugin == plugin]


def _keys(schema: Mapping[str, Any], leave: str = "") -> str:
    """A table of an object's keys, or nothing where it has none."""
    required = schema.get("required", [])
    rows = []
    for key, value in schema["properties"].items():
        if key != leave:
            said = value.get("description") or f"See [{key}](#{key})."
            rows.append((f"`{key}`", _kind(value), _default(value, key in required), said))
    return table(("key", "type", "default", "what it says"), rows) if rows else ""


def _default(value: Mapping[str, Any], required: bool) -> str:
    if required:
        return "required"
    default = value.get("default")
    return "" if default in (None, "", [], {}) else f"`{json.dumps(default)}`".replace('"', "")


def _kind(value: Mapping[str, Any]) -> str:
    """A JSON Schema's type in words."""
    if "anyOf" in value:
        kinds = [_kind(branch) for branch in value["anyOf"] if branch.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in value or "const" in value:
        return " or ".join(f"`{choice}`" for choice in value.get("enum", [value.get("const")]))
    if "oneOf" in value or "$ref" in value:
        return "mapping"
    if value["type"] == "array":
        return f"list of {_kind(value['items'])}s"
    return _NAMES[value["type"]] + _range(value) if value.get("format") != "path" else "path"


_NAMES = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean", "object": "mapping"}


def _range(value: Mapping[str, Any]) -> str:
    low, high = value.get("minimum"), value.get("maximum")
    above = value.get("exclusiveMinimum")
    words = [f"{low} to {high}"] if None not in (low, high) else []
    words += [f"from {low}"] if low is not None and high is None else []
    words += [f"above {above}"] if above is not None else []
    words += [f"below {value['exclusiveMaximum']}"] if "exclusiveMaximum" in value else []
    words += [f"up to {high}"] if high is not None and low is None else []
    words += [f"a multiple of {value['multipleOf']}"] if "multipleOf" in value else []
    return f" ({', '.join(words)})" if words else ""


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a page is stale, and name it.")
def main(check: bool) -> None:
    """Write the generated pages of the documentation."""
    folder = Path(__file__).parent
    names, wanted = stale(folder), pages()
    for name in names:
        click.echo(f"{folder.name}/{name} {'is stale; run python docs/generate.py' if check else 'written'}")
        if not check:
            write(folder / name, wanted.get(name))
    sys.exit(1 if check and names else 0)


if __name__ == "__main__":
    main()
