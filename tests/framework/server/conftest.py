"""Clients of servers with a solution of texts or of files."""

from __future__ import annotations

import pytest

import file_encoders
from inprocess_server import FIELDS, ROWS, run_server


@pytest.fixture
def manager(manager):
    row = manager.register(file_encoders, "files of the tests")
    assert row.status == "ok", row.reason
    return manager


@pytest.fixture
def client(workshop):
    """A client of sixty indexed texts, on each engine."""
    workshop.write(ROWS)
    solution = workshop.solution(extra=FIELDS)
    solution.ingest()
    with run_server(solution) as client:
        yield client


@pytest.fixture
def text_client(lite):
    """A client of sixty indexed texts on the embedded engine, for what does not depend on the engine."""
    lite.write(ROWS)
    solution = lite.solution(extra=FIELDS)
    solution.ingest()
    with run_server(solution) as client:
        yield client


@pytest.fixture
def file_client(lite):
    """A client of a folder of small files, searched by files."""
    folder = lite.folder / "files"
    (folder / "sub dir").mkdir(parents=True)
    for number in range(5):
        (folder / f"f{number}.png").write_bytes(bytes([number]) * (1000 + number))
    (folder / "sub dir" / "content").write_bytes(b"abc" * 50)
    solution = lite.solution(encoder="{type: bytes}", source="{type: folder, path: files}")
    solution.ingest()
    with run_server(solution, max_upload_mb=1) as client:
        client.folder = folder
        yield client
