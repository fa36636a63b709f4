"""A server that starts is ready once it can answer: until then a load balancer has others answer."""

from __future__ import annotations

import signal
from contextlib import suppress

import httpx

from inprocess_server import check_error, run_server
from load_balancer import Replica
from servers import wait_until


def test_a_server_is_ready_once_its_model_is_loaded(lite):
    lite.write([("k1", "text 1", 2000)])
    solution = lite.solution()
    solution.ingest()
    solution.close()
    yaml = lite.yaml(encoder="{type: hashed, pause: 2.0}")  # which the first search takes, too
    replica = Replica(yaml, lite.folder / "serve.log", preload_models=1)
    seen = []

    def is_ready():
        with suppress(httpx.ConnectError):
            seen.append(replica.get("/readyz").json())
        return bool(seen) and seen[-1]["ready"]

    try:
        wait_until(is_ready, 60)
    finally:
        replica.end(signal.SIGKILL)
    assert seen[0]["solutions"]["things"] == {"ready": False, "reason": "the model is being loaded"}
    assert seen[-1] == {"ready": True, "solutions": {"things": {"ready": True, "reason": ""}}}


def test_a_server_whose_yaml_does_not_describe_what_is_stored_is_not_ready_until_a_reindex(lite, caplog):
    """So that a rolling update with a wrong YAML takes no server away that answers."""
    lite.write([("k1", "text 1", 2000)])
    solution = lite.solution()
    solution.ingest()
    solution.close()
    changed = lite.solution(extra="fields: {year: int64}")
    with run_server(changed, preload_models=True, health_interval_seconds=0.05) as client:
        wait_until(lambda: "was built with fields" in client.get("/readyz").text)
        refused = check_error(client.get("/readyz"), 503)
        assert refused["solutions"]["things"] == {
            "ready": False,
            "reason": "'things' was built with fields {}; the YAML now says {'year': 'int64'}",
        }
        assert client.get("/healthz").status_code == 200  # to start it again would not help
        assert 'vicinal_ready{solution="things"} 0.0' in client.get("/metrics").text
        check_error(client.search("text 1"), 409)
        assert client.wait_for_job(client.post("/api/things/reindex").json())["state"] == "done"
        wait_until(lambda: client.get("/readyz").status_code == 200)
        assert client.search("text 1", filter="year == 2000").json()["hits"][0]["key"] == "k1"
    (warning,) = (record for record in caplog.records if "was built with fields" in record.getMessage())
    assert warning.solution == "things"
