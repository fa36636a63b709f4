"""What tests of the core share: texts checked as configs, vector stores, a module in a heavy one's place, a browser."""

from __future__ import annotations

import os
import sys
import zlib
from pathlib import Path

import pytest

import encoders
from browser_server import find_browser
from milvus_helpers import FLOATS
from vicinal import create_manager
from vicinal.config import check_config
from vicinal.stores.milvus import Schema, VectorStore


@pytest.fixture(scope="module")
def plugins():
    made = create_manager()
    made.register(encoders, "tests")
    return made


@pytest.fixture
def no_stores_in_the_environment(monkeypatch):
    monkeypatch.delenv("MILVUS_URI", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)


@pytest.fixture
def check(tmp_path, monkeypatch, plugins):
    """Checks a text as ``a.yaml``; gives its config and its problems."""
    monkeypatch.chdir(tmp_path)

    def check(text):
        Path("a.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return check_config("a.yaml", plugins)

    return check


@pytest.fixture
def config(check):
    def config(text):
        found, problems = check(text)
        assert problems == []
        return found

    return config


@pytest.fixture
def problems(check):
    def problems(text):
        found, problems = check(text)
        assert found is None
        return problems

    return problems


@pytest.fixture(params=["lite", "server"])
def where(request, tmp_path):
    """An embedded file, then a server."""
    return str(tmp_path / "milvus.db") if request.param == "lite" else request.getfixturevalue("milvus_server")


@pytest.fixture
def opened(where, request):
    """Opens vector stores, and drops what they made."""
    made = []

    def open_(space=FLOATS, *, segmented=False, fields=None):
        name = f"test-{zlib.crc32(request.node.nodeid.encode()):x}"
        made.append(VectorStore(name, where, Schema(space, segmented, fields or {})))
        return made[-1]

    yield open_
    for store in made:
        store.drop_collection()
        store.close()


@pytest.fixture
def light_onnxruntime(tmp_path_factory, monkeypatch):
    """An empty module in place of a heavy one, so that importing it is quick."""
    folder = tmp_path_factory.mktemp("heavy")
    (folder / "onnxruntime.py").write_text("")
    monkeypatch.syspath_prepend(folder)
    yield
    sys.modules.pop("onnxruntime", None)


@pytest.fixture(scope="module")
def browser():
    """A browser for one module: while it is open, asyncio cannot be used in this thread."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if (path := find_browser()) is None:
        reason = "no browser: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
