"""What tests of the core share: texts that are checked as configs, vector stores on both engines."""

from __future__ import annotations

from pathlib import Path

import pytest

import encoders
from vicinal import create_manager
from vicinal.config import check_config


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
