"""``vicinal init``: a YAML that is guessed from a user's own data, and that is right as it stands."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vicinal import Suggestion, create_manager, hookimpl

TEMPLATE = """\
# A solution: what to read, how to encode it, where to keep it. Check it with `vicinal validate`.
name: {name}
source: {source}
encoder: {{type: {encoder}}}

# index: auto                    # or as {{type: HNSW, metric: COSINE, params: {{M: 16}}, search: {{ef: 128}}}}
# fields: {{label: varchar(64)}}   # metadata that `--filter` may use
# ingest: {{max_failures: 1%}}     # stop a run in which more items fail
# Both stores are embedded, in .vicinal/ beside this file, unless MILVUS_URI and REDIS_URL are set.
"""


def write_lines(*lines):
    return lambda path: path.write_text("\n".join(lines) + "\n")


def write_parquet(path):
    pq.write_table(pa.table({"sku": ["a"], "title": ["b"], "price": [1.0]}), path)


def write_gzip(path):
    with gzip.open(path, "wt") as file:
        file.write("id,text\n1,one\n")


@pytest.mark.parametrize(
    ("data", "write", "source", "encoder"),
    [
        ("drugs.csv", write_lines("Name,SMILES,use", "a,C,x"), 'key: "Name", content: "SMILES"', "morgan"),
        ("faq.tsv", write_lines("question\tid", "a\t1"), 'key: "id", content: "question"', "sentence"),
        ("shop.jsonl", write_lines('{"sku": 1, "body": "x"}'), 'key: "sku", content: "body"', "sentence"),
        ("shop.parquet", write_parquet, 'key: "sku", content: "title"', "sentence"),
        ("shop.csv.gz", write_gzip, 'key: "id", content: "text"', "sentence"),
        ("odd.csv", write_lines("a,b", "1,2"), 'key: "a", content: "b"', "sentence"),
        ("one.csv", write_lines("text", "x"), 'key: "text", content: "text"', "sentence"),
        ("quotes.csv", write_lines('"a ""b""",c\\d', "1,2"), r'key: "a \"b\"", content: "c\\d"', "sentence"),
    ],
)  # fmt: skip
def test_a_table(cli, tmp_path, data, write, source, encoder):
    write(tmp_path / data)
    name = data.partition(".")[0]
    assert cli("init", data) == (
        f"wrote {name}.yaml\n"
        f"next: vicinal validate {name}.yaml && vicinal ingest {name}.yaml && vicinal search {name}.yaml …\n"
    )
    block = f'{{type: table, path: "{data}", {source}}}'
    assert Path(f"{name}.yaml").read_text() == TEMPLATE.format(name=name, source=block, encoder=encoder)
    assert cli("validate", f"{name}.yaml") == f"{name}.yaml: ok\n"


@pytest.mark.parametrize(
    ("data", "content", "options", "key", "text"),
    [
        ("semi.csv", "id;text;year\n1;one;2020\n2;two, three;2021\n", 'delimiter: ";"', "id", "text"),
        ("tabs.csv", "id\ttext\n1\tone\n", r'delimiter: "\t"', "id", "text"),
        ("pipes.tsv", "text|id\none|1\n", 'delimiter: "|"', "id", "text"),
        ("commas.tsv", "id,body\n1,one\n", 'delimiter: ","', "id", "body"),
        ("excel.csv", "sep=;\r\nid;text\r\n1;one\r\n", 'delimiter: ";"', "id", "text"),
        ("wide.csv", "id,text\n1,größe\n".encode("utf-16"), "", "id", "text"),
        ("bare.csv", "id;text\n1;größe\n".encode("utf-16-le"), 'encoding: "utf-16-le", delimiter: ";"', "id", "text"),
        ("ansi.csv", "id,größe\n1,schön\n".encode("cp1252"), 'encoding: "cp1252"', "id", "größe"),
        ("ansi.jsonl", '{"größe": "é", "id": 1}\n'.encode("cp1252"), 'encoding: "cp1252"', "id", "größe"),
        ("damaged.csv", "id,größe\n1,schön\n".encode() + b"2,sch\xf6n\n", "", "id", "größe"),
        ("unnamed.csv", ",text,\n0,one,\n", "", "column 1", "text"),
    ],
)
def test_a_table_of_any_dialect(cli, tmp_path, data, content, options, key, text):
    """The YAML reads what was guessed: the first item has the first row's key and content."""
    (tmp_path / data).write_bytes(content if isinstance(content, bytes) else content.encode())
    cli("init", data, "--output", "a.yaml")
    options = f", {options}" if options else ""
    source = f'{{type: table, path: "{data}"{options}, key: "{key}", content: "{text}"}}'
    assert f"source: {source}\n" in Path("a.yaml").read_text()
    assert cli("validate", "a.yaml") == "a.yaml: ok\n"
    first = json.loads(cli("peek", "a.yaml", "--json").splitlines()[0])
    assert first["key"] in ("0", "1")
    assert first["content"] in ("one", "größe", "schön", "é")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32-le", "cp1252"])
def test_lines_of_any_encoding(cli, tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("größe\nmaß\n".encode(encoding))
    cli("init", "a.txt")
    option = "" if encoding == "utf-16" else f', encoding: "{encoding}"'
    assert f'source: {{type: lines, path: "a.txt"{option}}}\n' in Path("a.yaml").read_text()
    assert json.loads(cli("peek", "a.yaml", "--json").splitlines()[0])["content"] == "größe"


@pytest.mark.parametrize(
    ("data", "content", "kind", "hint"),
    [
        ("a.json", b'[{"id": 1}]', "a JSON array", "make a table of it: python -c .* < a.json > a.jsonl"),
        (
            "a.jsonl",
            b'[{"id": 1}]',
            "a JSON array, not an object on each line",
            "make a table of it: .* > a-converted.jsonl",
        ),
        ("a.xlsx", b"PK\x03\x04", "a spreadsheet", "save it as CSV UTF-8 in the spreadsheet, or: .*"),
        ("a.csv", b"PK\x03\x04\0\0", "a zip archive", "unpack it, and name what is in it"),
        ("a.jpg", b"\xff\xd8\xff", "a picture", "name the folder that holds it, which is read as a whole"),
        ("a", bytes(9), "a binary file", "convert it to csv, tsv, jsonl or parquet"),
    ],
)
def test_files_that_no_source_reads_are_refused(cli, tmp_path, data, content, kind, hint):
    (tmp_path / data).write_bytes(content)
    assert cli("init", data, code=1) == ""
    assert re.fullmatch(f"error: {data} is {kind}\nhint: {hint}\n", cli.err)
    assert not Path("a.yaml").exists()


class Genes:
    """A plugin that knows files of genes."""

    @hookimpl
    def suggest_solution(self, path):
        if path.suffix != ".genes":
            return None
        return Suggestion(
            source={"type": "table", "path": str(path), "key": "id", "content": "dna", "metadata": ["host"]},
            encoder={"type": "kmers", "k": 6, "index": {"type": "x"}},
            fields={"host": "varchar(64)"},
            comment="k-mers of six bases",
        )


def test_a_plugin_suggests_what_suits_its_own_files(cli, tmp_path, monkeypatch):
    manager = create_manager()
    manager.register(Genes(), "genes")
    monkeypatch.setattr("vicinal.plugin.manager.create_manager", lambda: manager)
    (tmp_path / "a.genes").write_bytes(b"\0")
    assert cli.json("init", "a.genes", "--output", "sub/b.yaml") == {
        "path": "sub/b.yaml",
        "name": "a",
        "encoder": "kmers",
    }
    path = (tmp_path / "a.genes").as_posix()
    assert Path("sub/b.yaml").read_text().splitlines()[1:6] == [
        "name: a",
        f'source: {{type: table, path: "{path}", key: "id", content: "dna", metadata: ["host"]}}',
        "# k-mers of six bases",
        "encoder: {type: kmers, k: 6, index: {type: x}}",
        'fields: {host: "varchar(64)"}',
    ]
    cli("init", "a.genes", "--output", "c.yaml", "--encoder", "morgan")
    assert "encoder: {type: morgan}\n" in Path("c.yaml").read_text()
    assert 'path: "a.genes"' in Path("c.yaml").read_text()


@pytest.mark.parametrize("text", ["one\ntwo\n", ""])
@pytest.mark.parametrize("data", ["lines.txt", "lines"])
def test_lines(cli, tmp_path, data, text):
    (tmp_path / data).write_text(text)
    assert cli.json("init", data, "--output", "a.yaml") == {
        "path": "a.yaml",
        "name": data.partition(".")[0],
        "encoder": "sentence",
    }
    assert f'source: {{type: lines, path: "{data}"}}\nencoder: {{type: sentence}}\n' in Path("a.yaml").read_text()
    assert cli("validate", "a.yaml") == "a.yaml: ok\n"


@pytest.mark.parametrize(
    ("names", "encoder", "include"),
    [
        ([], "efficientnet_lite0", "**/*"),
        (["a.txt"], "efficientnet_lite0", "**/*"),
        (["a.jpg", "sub/b.PNG"], "efficientnet_lite0", "**/*"),
        (["a.heic", "b.jpg", "c.jpg", "notes.txt", "c.xmp"], "efficientnet_lite0", "**/*.{heic,jpg}"),
        (["a.wav", "b.mp3", "cover.jpg"], "melstats", "**/*.{mp3,wav}"),
        (["a.mp4", "b.MKV"], "keyframes", "**/*"),
        (["a.mp4", "b.mp4", "poster.jpg"], "keyframes", "**/*.mp4"),
        (["a.mp4", "@eaDir/a.jpg", "@eaDir/b.jpg", ".thumbs/c.jpg", "Thumbs.db"], "keyframes", "**/*"),
    ],
)
def test_a_folder(cli, tmp_path, names, encoder, include):
    folder = tmp_path / "my files.2"
    folder.mkdir()
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    assert cli.json("init", "my files.2") == {"path": "my-files-2.yaml", "name": "my-files-2", "encoder": encoder}
    source = f'{{type: folder, path: "my files.2", include: ["{include}"]}}'
    text = Path("my-files-2.yaml").read_text()
    assert text == TEMPLATE.format(name="my-files-2", source=source, encoder=encoder)


def test_what_was_written_works(cli, small_yaml):
    assert cli.json("init", "things.csv", "--name", "mine", "--output", "sub/mine.yaml")["name"] == "mine"
    assert cli.json("ingest", "sub/mine.yaml")["new"] == 3
    assert cli.json("search", "sub/mine.yaml", "@benzene", "--limit", 1)["hits"][0]["key"] == "toluene"


def test_the_user_may_say_otherwise(cli, small_yaml):
    assert cli.json("init", "things.csv", "--encoder", "sentence", "--name", "Mine", "--output", "m.yaml") == {
        "path": "m.yaml",
        "name": "Mine",
        "encoder": "sentence",
    }
    assert "name: Mine\n" in Path("m.yaml").read_text()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("2024 Sales!.txt", "solution-2024-sales"),
        ("日本.txt", "solution"),
        ("x" * 80 + ".txt", "x" * 63),
        (".txt", "solution"),
    ],
)
def test_a_name_is_made_of_any_file_name(cli, tmp_path, data, name):
    (tmp_path / data).write_text("one\n")
    assert cli.json("init", data, "--output", "a.yaml")["name"] == name
    assert cli("validate", "a.yaml") == "a.yaml: ok\n"


def test_a_file_is_never_overwritten(cli, small_yaml):
    before = small_yaml.read_text()
    assert cli("init", "things.csv", code=1) == ""
    assert cli.err == "error: things.yaml exists already\nhint: choose another file with --output\n"
    assert small_yaml.read_text() == before


@pytest.mark.parametrize(
    ("data", "content", "error"),
    [
        ("a.csv", None, "a.csv does not exist"),
        ("a.parquet", b"not parquet", "cannot tell the columns of a.parquet: .+"),
        ("a.jsonl", b"{not json\n", "cannot tell the columns of a.jsonl: .+"),
        ("a.csv", b"", "a.csv has no line that names its columns"),
        ("a.tsv", b"", "a.tsv has no line that names its columns"),
        ("a.jsonl", b"", "a.jsonl has no object in its first line"),
        ("a.csv", b"\n\n", "a.csv has no line that names its columns"),
        ("a.csv", b"# made by us\nid;text\n1;one\n2;two\n", "the first line of a.csv does not name its columns"),
        ("a.jsonl", b'"one"\n"two"\n', "a.jsonl has no object in its first line"),
        ("a.jsonl", b"\n", "a.jsonl has no object in its first line"),
        ("a.csv.gz", b"not packed", "cannot tell the columns of a.csv.gz: .+"),
    ],
)
def test_data_that_cannot_be_read(cli, tmp_path, data, content, error):
    if content is not None:
        (tmp_path / data).write_bytes(content)
    assert cli("init", data, code=1) == ""
    assert re.match(f"error: {error}\nhint: ", cli.err)
    assert not Path("a.yaml").exists()


@pytest.mark.parametrize(
    ("data", "write", "key"),
    [
        ("a.csv", write_lines("name,sku,title", "x,1,one", "x,2,two"), "sku"),
        ("b.csv", write_lines("group,code,text", "x,1,one", "x,2,two"), "code"),
        ("c.csv", write_lines("group,text", "x,one", "x,two"), "text"),
        ("d.jsonl", write_lines('{"id": 1, "n": 1, "text": "a"}', '{"id": 1, "n": 2, "text": "b"}'), "n"),
        (
            "e.parquet",
            lambda path: pq.write_table(pa.table({"id": [1, 1], "n": [1, 2], "text": ["a", "b"]}), path),
            "n",
        ),
    ],
)
def test_a_column_whose_values_repeat_is_no_key(cli, tmp_path, data, write, key):
    write(tmp_path / data)
    cli("init", data, "--output", "a.yaml")
    assert f'key: "{key}"' in Path("a.yaml").read_text()
    assert len({json.loads(line)["key"] for line in cli("peek", "a.yaml", "--json").splitlines()}) == 2


def test_a_table_without_a_key_is_said_to_have_none(cli, tmp_path):
    write_lines("group,text", "x,one", "x,one")(tmp_path / "a.csv")
    cli("init", "a.csv")
    assert (
        "# no column has a value of its own in each row: rows of one key are failures; add a column of ids, and name"
        " it `key`\nencoder: " in Path("a.yaml").read_text()
    )
    assert cli("validate", "a.yaml") == "a.yaml: ok\n"


@pytest.mark.parametrize(
    ("header", "user", "item"),
    [("customer,article", "customer", "article"), ("USER_ID,when,movieId", "USER_ID", "movieId")],
)
def test_interactions_are_no_items(cli, tmp_path, header, user, item):
    write_lines(header, *["1,2,3"[: 2 * header.count(",") + 1]] * 2)(tmp_path / "purchases.csv")
    assert cli("init", "purchases.csv", code=1) == ""
    error, hint = cli.err.splitlines()
    assert error == (
        f"error: purchases.csv looks like interactions, a row for each {user!r} and {item!r},"
        " which are no items to search"
    )
    assert "`vicinal init --encoder als ITEMS`" in hint
    assert f"`interactions: {{path: purchases.csv, user: {user}, item: {item}}}`" in hint
    assert not Path("purchases.yaml").exists()


def test_reviews_are_texts_to_search(cli, tmp_path):
    write_lines("id,user,product,text", "1,ann,lamp,good", "2,ann,desk,bad")(tmp_path / "reviews.csv")
    cli("init", "reviews.csv")
    assert 'key: "id", content: "text"' in Path("reviews.yaml").read_text()


def test_an_encoder_that_needs_more_gets_an_example_of_it(cli, tmp_path):
    write_lines("id,title", "A1,lamp", "A2,desk")(tmp_path / "articles.csv")
    cli("init", "--encoder", "als", "articles.csv")
    assert (
        "# `interactions`: an example, to be replaced by yours\n"
        'encoder: {type: als, interactions: {path: "interactions.csv", user: "user", item: "item"}}\n'
        in Path("articles.yaml").read_text()
    )
    assert cli("validate", "articles.yaml") == "articles.yaml: ok\n"


def test_the_encoder_that_is_guessed_may_be_named(cli, tmp_path):
    (tmp_path / "ml").mkdir()
    (tmp_path / "ml" / "movies.csv").write_text("movieId,title,genres\n1,A,Drama\n")
    (tmp_path / "ml" / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,4,1\n")
    cli("init", "--encoder", "als", "ml")
    assert 'encoder: {type: als, interactions: {path: "ml"}}\n' in Path("ml.yaml").read_text()
