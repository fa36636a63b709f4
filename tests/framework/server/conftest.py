"""Solutions of texts and of files behind a server."""

from __future__ import annotations

import pytest

import file_encoders
from inprocess_server import FIELDS, ROWS, serving


@pytest.fixture
def manager(manager):
    row = manager.register(file_encoders, "files of the tests")
    assert row.status == "ok", row.reason
    return manager


@pytest.fixture
def site(workshop):
    """Sixty texts on each engine."""
    workshop.write(ROWS)
    things = workshop.solution(extra=FIELDS)
    things.ingest()
    with serving(things) as site:
        yield site


@pytest.fixture
def texts(lite):
    """Sixty texts on the embedded engine, for what does not depend on it."""
    lite.write(ROWS)
    things = lite.solution(extra=FIELDS)
    things.ingest()
    with serving(things) as site:
        yield site


@pytest.fixture
def files(lite):
    """A folder of small files, searched by files."""
    folder = lite.folder / "files"
    (folder / "sub dir").mkdir(parents=True)
    for number in range(5):
        (folder / f"f{number}.png").write_bytes(bytes([number]) * (1000 + number))
    (folder / "sub dir" / "content").write_bytes(b"abc" * 50)
    things = lite.solution(encoder="{type: bytes}", source="{type: folder, path: files}")
    things.ingest()
    with serving(things, max_upload_mb=1) as site:
        site.folder = folder
        yield site
