"""The rows of Milvus by their ids, and the backup of a solution whose embedded Milvus a server holds."""

from __future__ import annotations

from base64 import b64decode

import numpy as np
import pytest

from inprocess_server import FIELDS, ROWS, run_server
from vicinal import Solution, back_up, restore
from vicinal.types import item_id


@pytest.fixture(scope="module", params=["words", "letters"])
def encoder(request):
    return f"{{type: {request.param}}}"


def test_a_backup_reads_the_vectors_through_the_server(lite, encoder):
    lite.write(ROWS)
    served = lite.solution(encoder=encoder, extra=FIELDS)
    served.ingest()
    with run_server(served) as client:
        served.publish_address(client.url)
        with Solution.from_yaml(lite.folder / "things.yaml", manager=lite.manager) as there:
            report = back_up(there, str(lite.folder / "backups"))
            assert "vectors" not in there.__dict__
        rows = served.vectors.count_rows()
        assert (report.items, report.rows, report.incomplete) == (60, rows, 0)
    served.close()
    away = lite.solution("away", encoder=encoder, extra=FIELDS)
    assert restore(away, report.path).consistent
    found, wanted = (
        away.search(ROWS[7][1], limit=60),
        lite.solution(encoder=encoder, extra=FIELDS).search(ROWS[7][1], limit=60),
    )
    assert [(hit.key, hit.similarity, hit.metadata) for hit in found] == [
        (hit.key, hit.similarity, hit.metadata) for hit in wanted
    ]


def test_rows_are_described_as_they_are(lite):
    lite.write(ROWS[:3])
    solution = lite.solution(encoder="{type: words}")
    solution.ingest()
    with run_server(solution) as client:
        ids = [item_id("k1", 1), item_id("k1", 0), item_id("nobody")]
        response = client.post("/api/things/rows", json={"ids": ids})
        assert response.status_code == 200
        rows = {row["id"]: row for row in response.json()["rows"]}
        assert set(rows) == set(ids[:2])
        row = rows[ids[0]]
        vector = np.frombuffer(b64decode(row.pop("vector")), "<f4")
        np.testing.assert_allclose(vector, solution.encoder.encode(["1"])[0], atol=1e-6)
        assert row == {
            "id": ids[0],
            "start": 1.0,
            "end": 2.0,
            "segment_label": None,
            "segment_excerpt": None,
            "kind": "float",
        }
        for ids in ([], [-1], [2**63], ["1"], [1] * 1001):
            assert client.post("/api/things/rows", json={"ids": ids}).status_code == 422
