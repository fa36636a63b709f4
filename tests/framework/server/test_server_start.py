"""A server that starts is ready once its model is loaded: until then a load balancer has others answer."""

from __future__ import annotations

import signal
from contextlib import suppress

import httpx

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
