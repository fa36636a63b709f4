"""A server that starts is ready once it can answer: until then a load balancer has others answer."""

from __future__ import annotations

import signal
from contextlib import suppress

import httpx
import pytest

from inprocess_server import check_error, run_server
from load_balancer import Replica
from servers import wait_until
from vicinal import Solution


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


REASON = "'things' was built with fields {}; the YAML now says {'year': 'int64'}"
SETTINGS = {"preload_models": True, "health_interval_seconds": 0.05}


def test_a_server_whose_yaml_does_not_describe_what_is_stored_is_not_ready_until_a_reindex(lite, caplog):
    """So that a rolling update with a changed YAML takes no server away that answers."""
    lite.write([("k1", "text 1", 2000)])
    solution = lite.solution()
    solution.ingest()
    solution.close()
    with run_server(lite.solution(extra="fields: {year: int64}"), **SETTINGS) as client:
        unready = {"things": {"ready": False, "reason": REASON}}
        wait_until(lambda: check_error(client.get("/readyz"), 503)["solutions"] == unready)  # and at no moment ready
        assert client.get("/healthz").status_code == 200  # to start it again would not help
        wait_until(lambda: 'vicinal_ready{solution="things"} 0.0' in client.get("/metrics").text)
        check_error(client.search("text 1"), 409)
        assert client.wait_for_job(client.post("/api/things/reindex").json())["state"] == "done"
        wait_until(lambda: client.get("/readyz").status_code == 200)
        assert client.search("text 1", filter="year == 2000").json()["hits"][0]["key"] == "k1"
    (warning,) = (record for record in caplog.records if REASON in record.getMessage())
    assert (warning.levelname, warning.solution) == ("WARNING", "things")


@pytest.mark.long
def test_a_rolling_update_goes_on_after_the_reindex_of_a_job(lite, milvus_server, redis_url):
    """The old server answers all the time: by its YAML, and then by that which the reindex has kept."""
    workshop = type(lite)(lite.folder, lite.manager, milvus_server, redis_url)
    workshop.write([("k1", "text 1", 2000)])
    old = Solution.from_yaml(workshop.yaml().rename(lite.folder / "old.yaml"), manager=lite.manager)
    old.ingest()
    changed, job = (workshop.solution(extra="fields: {year: int64}") for _ in range(2))
    with run_server(old, **SETTINGS) as first, run_server(changed, **SETTINGS) as second:
        wait_until(lambda: REASON in second.get("/readyz").text)
        wait_until(lambda: first.get("/readyz").status_code == 200)
        assert first.search("text 1").json()["hits"][0]["key"] == "k1"
        job.reindex()
        wait_until(lambda: second.get("/readyz").status_code == 200)
        for server in (first, second):
            assert server.search("text 1", filter="year == 2000").json()["hits"][0]["key"] == "k1"
            assert server.get("/readyz").status_code == 200
    workshop.close()
