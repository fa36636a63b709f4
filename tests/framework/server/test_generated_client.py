"""A client that openapi-python-client generates from ``/openapi.json`` imports, and calls the server."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

SERVER_DOCS = Path(__file__).parents[3] / "docs" / "server.md"


def generate_client(url, folder):
    """Generate a package ``vicinal_client`` in the folder, and import all of its modules."""
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--url", f"{url}/openapi.json"]
    done = subprocess.run(
        [*command, "--meta", "none", "--output-path", folder / "vicinal_client"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    left_out = re.findall("WARNING parsing (.*) within", done.stdout + done.stderr)
    assert left_out == ["POST /api/{name}/render"], (
        "the generator knows no SVG; its clients return the bytes as they are"
    )
    package = importlib.import_module("vicinal_client")
    return {
        name: importlib.import_module(name)
        for _, name, _ in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    }


@pytest.fixture
def generate(tmp_path, monkeypatch):
    """Gives the modules of a client of a server, by name."""
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda client: generate_client(client.url, tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "vicinal_client"]:
        del sys.modules[name]


def test_generated_client_searches_lists_and_adds(text_client, generate):
    modules = generate(text_client)
    models, operations = modules["vicinal_client.models"], "vicinal_client.api"
    search, items = modules[f"{operations}.search.search"], modules[f"{operations}.items.list_items"]
    add, get = modules[f"{operations}.items.add_item"], modules[f"{operations}.items.get_item"]
    with modules["vicinal_client.client"].Client(text_client.url) as client:
        found = search.sync("things", client=client, body=models.SearchRequest("text 7", limit=3))
        assert isinstance(found, models.SearchResponse)
        assert (found.hits[0].key, found.hits[0].metadata["year"], len(found.hits)) == ("k7", 2007, 3)
        several = search.sync(
            "things", client=client, body=models.MultiSearchRequest(["text 1", "text 2"], limit=1), whole=True
        )
        assert isinstance(several, models.MultiSearchResponse)
        assert [result.hits[0].key for result in several.results] == ["k1", "k2"]

        first = items.sync("things", client=client, limit=40)
        second = items.sync("things", client=client, limit=40, cursor=first.next_)
        assert (len(first.items), len(second.items), second.next_, second.total) == (40, 20, None, 60)

        metadata = models.AddRequestMetadata.from_dict({"year": 1999})
        new = models.AddRequest("mine/one", "a text of mine", metadata=metadata)
        assert add.sync("things", client=client, body=new).status.value == "new"
        again = add.sync("things", client=client, body=models.AddRequest("mine/one", "another"), replace=False)
        assert (again.status, again.type_) == (409, "ItemExistsError")
        item = get.sync("things", "mine/one", client=client)
        assert (item.content, item.metadata.to_dict(), item.added) == ("a text of mine", {"year": 1999}, True)

        refused = search.sync("things", client=client, body=models.SearchRequest("bad"))
        assert (refused.status, refused.errors) == (422, ["query: the text says bad"])


def test_generated_client_uploads_and_downloads_files(file_client, generate):
    modules = generate(file_client)
    models, file = modules["vicinal_client.models"], modules["vicinal_client.types"].File
    add, search = modules["vicinal_client.api.items.add_item"], modules["vicinal_client.api.search.search"]
    content = modules["vicinal_client.api.items.get_content"]
    with modules["vicinal_client.client"].Client(file_client.url) as client:
        metadata = models.AddItemFilesBodyMetadata.from_dict({"label": "x"})
        upload = models.AddItemFilesBody(file(BytesIO(b"\x09" * 900), "nine.png"), metadata=metadata)
        assert add.sync("things", client=client, body=upload).key == "nine.png"
        query = models.SearchFilesBody(file(BytesIO(b"\x09"), "query.png"), limit=1)
        hit = search.sync("things", client=client, body=query).hits[0]
        assert (hit.key, hit.metadata["label"]) == ("nine.png", "x")
        assert content.sync("things", "nine.png", client=client).payload.read() == b"\x09" * 900


def test_example_of_the_docs_runs(text_client, generate, capsys):
    generate(text_client)
    text = SERVER_DOCS.read_text(encoding="utf-8").partition("## Generate a client")[2]
    example = re.search("```python\n(.*?)```", text, re.DOTALL)[1]
    for written, here in {"http://127.0.0.1:8000": text_client.url, "qa": "things"}.items():
        assert written in example
        example = example.replace(written, here)
    exec(example, {})
    assert re.fullmatch(r"\[\('k\d+', 0\.\d+\)(, \('k\d+', 0\.\d+\)){2}\]\n", capsys.readouterr().out)
