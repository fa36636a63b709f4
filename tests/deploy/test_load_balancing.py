"""Three replicas behind a real nginx, by `deploy/nginx.conf`: replicas end in any way, and no search fails."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from itertools import groupby

import httpx
import pytest

from load_balancer import NGINX, Clients, Nginx, render_nginx, run_replicas
from servers import wait_until
from vicinal.server import Settings, create_app

ROWS = [(f"k{number}", f"text {number}", 2000) for number in range(200)]
CLIENTS, WRITERS = 32, 2
on_the_server = pytest.mark.parametrize("workshop", ["server"], indirect=True)


@pytest.fixture
def nginx_at_hand():
    if NGINX is None:
        pytest.skip("no nginx: apt-get install nginx-light")


def test_the_configuration_is_rendered_for_replicas_at_fixed_addresses():
    text = render_nginx.render("127.0.0.1:9000", ["10.0.0.1:8000", "10.0.0.2:8000"])
    assert text.count("    server 10.0.0.1:8000 max_fails=2 fail_timeout=10s;\n    server 10.0.0.2:8000 max") == 2
    assert "listen 127.0.0.1:9000;" in text
    assert "resolve" not in text and "replica:8000" not in text
    source = render_nginx.SOURCE.read_text()
    kept = set(source[source.index("map $request_method") :].splitlines()) - {"    listen 80;"}
    assert kept <= set(text.splitlines())


READING = {"/api/{name}/search", "/api/{name}/render", "/api/{name}/rows"}
"""What is asked by POST and changes nothing."""
COMPUTED_BY_ONE = {"/api/{name}/map", "/api/{name}/duplicates"}


def test_every_route_goes_where_it_belongs():
    """What writes, and what tells of a run, to the owner; what only reads to any replica."""
    text = render_nginx.SOURCE.read_text()
    locations = re.findall(r"location ~ (\S+) \{.*?proxy_pass http://(\S+);", text, re.DOTALL)
    places = [(re.compile(pattern.replace("(?<", "(?P<")), place) for pattern, place in locations]
    for path, methods in create_app([], settings=Settings()).openapi()["paths"].items():
        route = path.replace("{name}", "things").replace("{key}", "k1").replace("{id}", "r1")
        place = next((place for pattern, place in places if pattern.match(route)), "readers")
        writes = {"post", "delete"} & set(methods) and path.startswith("/api/{name}/") and path not in READING
        if path.startswith("/api/{name}/items"):
            assert place == "$items"
        elif writes or path.startswith("/api/{name}/ingest") or path in COMPUTED_BY_ONE:
            assert place == "writers", path
        else:
            assert place == "readers", path


@pytest.mark.long
@pytest.mark.timeout(600)
@on_the_server
def test_replicas_end_and_no_search_fails(workshop, tmp_path, nginx_at_hand):
    workshop.write(ROWS)
    workshop.solution().ingest()
    with (
        run_replicas(workshop.yaml(), 3) as replicas,
        Nginx(tmp_path / "nginx", replicas) as nginx,
    ):
        workshop.write([*ROWS, ("k200", "text 200", 2000)])  # for the reindex
        clients = Clients(nginx.port, "things")
        told = asyncio.run(_drive(clients, nginx, replicas))
        log = nginx.read_log()
    print(told, f"{clients.searches} searches, {len(clients.written)} writes, refused {dict(clients.refused)}")
    assert clients.failed == []
    assert clients.searches > 10 * CLIENTS
    _require_one_owner(log, told["owners"])
    assert told["followed_seconds"] < 10
    # What was in the hands of the killed owner may have got a 503; nobody else ever refused a write.
    assert set(clients.refused) <= {503} and clients.refused[503] <= 2 * WRITERS
    solution = workshop.solution()
    assert solution.status()["items"] == len(ROWS) + 1 + len(clients.written)
    assert solution.check().consistent
    assert all(solution.get_record(key).content == f"written {key}" for key in clients.written)


async def _drive(clients, nginx, replicas):
    """Search and write all the time while what is searched is replaced, the owner killed, and the next one stopped."""
    searching = [asyncio.create_task(clients.search_on(number, len(ROWS))) for number in range(CLIENTS)]
    writing = [asyncio.create_task(clients.write_on(f"w{number}")) for number in range(WRITERS)]
    await asyncio.sleep(4)
    followed = await asyncio.to_thread(_reindex, nginx.url, replicas)
    owners = [_find_owner(nginx)]
    await asyncio.to_thread(_find_replica(replicas, owners[0]).end, signal.SIGKILL)
    await asyncio.sleep(5)
    owners.append(_find_owner(nginx))
    ended = await asyncio.to_thread(_find_replica(replicas, owners[1]).end, signal.SIGTERM)
    await asyncio.sleep(5)
    owners.append(_find_owner(nginx))
    clients.stop()
    await asyncio.gather(*searching, *writing)
    return {"owners": owners, "followed_seconds": followed, "ended": ended}


def _reindex(url, replicas):
    """Replace what is searched by what has one more item; the seconds until the searches of all replicas find it."""
    assert httpx.post(f"{url}/api/things/reindex", timeout=30).status_code == 202

    def has_ended():
        job = httpx.get(f"{url}/api/things/ingest", timeout=30).json()
        assert (job["kind"], job["error"]) == ("reindex", None)
        return job["state"] == "done"

    wait_until(has_ended, 120)
    began = time.monotonic()
    wait_until(lambda: all(_finds_new_item(replica) for replica in replicas), seconds=30)
    return round(time.monotonic() - began, 2)


def _finds_new_item(replica):
    url = f"http://{replica.address}/api/things/search"
    return httpx.post(url, json={"query": "text 200", "limit": 1}, timeout=30).json()["hits"][0]["key"] == "k200"


def _find_owner(nginx):
    """The replica that had the last write."""
    return _list_owners(nginx.read_log())[-1]


def _find_replica(replicas, address):
    return next(replica for replica in replicas if replica.address == address)


def _list_owners(log):
    """The replica that had each write."""
    return [line["tried"][-1] for line in log if (line["method"], line["path"]) == ("POST", "/api/things/items")]


def _require_one_owner(log, owners):
    """All writes of a time went to one replica, and never back to one before."""
    assert [owner for owner, _ in groupby(_list_owners(log))] == owners
    assert len(set(owners)) == 3
