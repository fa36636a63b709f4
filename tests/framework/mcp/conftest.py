"""An assistant, and solutions that it asks about."""

from __future__ import annotations

import pytest

from inprocess_server import FIELDS, ROWS
from mcp_assistant import Assistant


@pytest.fixture
def assistant(tmp_path):
    return Assistant(tmp_path)


@pytest.fixture
def things(lite):
    """The YAML of sixty indexed texts."""
    lite.write(ROWS)
    solution = lite.solution(extra=FIELDS)
    solution.ingest()
    solution.close()
    return lite.folder / "things.yaml"


@pytest.fixture
def files(lite):
    """Makes the YAML of three indexed files, by their encoder, and names one of them."""
    import file_encoders

    assert lite.manager.register(file_encoders, "files of the tests").status == "ok"
    (lite.folder / "files").mkdir()
    for number in range(3):
        (lite.folder / "files" / f"f{number}.png").write_bytes(bytes([number]) * 1000)

    def make(encoder):
        solution = lite.solution("files", encoder=encoder, source="{type: folder, path: files}")
        solution.ingest()
        solution.close()
        return lite.folder / "files.yaml", lite.folder / "files" / "f2.png"

    return make
