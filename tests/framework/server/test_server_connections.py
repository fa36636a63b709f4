"""Very many clients, silent ones and slow ones: each gets an answer or an end, and the server goes on serving."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import time
from contextlib import ExitStack, contextmanager

import pytest

from inprocess_server import ROWS
from serve_process import process_of

CROWD = 10_000
MORE = [(f"n{number}", f"new {number}", 1) for number in range(20_000)]


@pytest.fixture
def things(lite):
    """The YAML of sixty texts that are indexed, and of very many more that a run takes minutes for."""
    lite.write(ROWS)
    made = lite.solution()
    made.ingest()
    made.close()
    lite.write([*ROWS, *MORE])
    return lite.yaml(encoder="{type: hashed, window: 32, pause: 0.2}")


@pytest.fixture
def many_files():
    """Lets this process open a socket for each of the crowd."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = CROWD + 1_000
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"a process may open {hard:,} files here, and {CROWD:,} clients need {needed:,}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def head(path, method="GET", more=""):
    return f"{method} {path} HTTP/1.1\r\nHost: vicinal\r\n{more}\r\n".encode()


def connected(site):
    return socket.create_connection(("127.0.0.1", site.port), timeout=30)


def answer_of(data):
    """Status, headers and JSON body of an answer as it came."""
    top, _, body = data.partition(b"\r\n\r\n")
    line, *headers = top.decode().split("\r\n")
    return int(line.split()[1]), dict(one.lower().split(": ", 1) for one in headers), json.loads(body)


def is_refused(data, status):
    code, headers, body = answer_of(data)
    assert (code, body["ok"], body["status"]) == (status, False, status)
    assert body["error"]
    assert body["errors"] == [body["error"]]
    assert body["hint"]
    assert int(headers["retry-after"]) > 0
    assert headers["connection"] == "close"
    assert headers["content-type"] == "application/json"


def serves(site):
    assert site.get("/healthz").json() == {"ok": True}
    found = site.post("/api/things/search", json={"query": "text 7", "limit": 1})
    assert found.json()["hits"][0]["key"] == "k7"


def ends(wire):
    """Whether the server ends a connection, however it does."""
    try:
        while wire.recv(1 << 20):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


@contextmanager
def a_run(site):
    """The path of the events of a run that goes on."""
    job = site.post("/api/things/ingest").json()
    try:
        yield f"/api/things/ingest/{job['id']}/events"
    finally:
        site.delete(f"/api/things/ingest/{job['id']}")


class Crowd:
    """Clients that are all connected before the first of them asks for a stream."""

    def __init__(self, port, request):
        self._port = port
        self._request = request
        self._turn = asyncio.Semaphore(500)  # the listener's backlog has an end
        self.streams = []
        self.refused = []

    async def come(self, count):
        wires = await asyncio.gather(*(self._connect() for _ in range(count)))
        await asyncio.gather(*(self._ask(*wire) for wire in wires))

    async def leave(self):
        for writer in self.streams:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self.streams))

    async def _connect(self):
        async with self._turn:
            return await asyncio.open_connection("127.0.0.1", self._port)

    async def _ask(self, reader, writer):
        writer.write(self._request)
        top = await reader.readuntil(b"\r\n\r\n")
        if b" 200 OK\r\n" in top:
            assert b"text/event-stream" in top
            assert b"event: progress" in await reader.readuntil(b"\n\n")
            self.streams.append(writer)
            return
        self.refused.append(top + await reader.read())
        writer.close()
        await writer.wait_closed()


def test_ten_thousand_event_streams_are_bounded_and_the_server_lives(things, many_files):
    async def crowd(site, path):
        clients = Crowd(site.port, head(path))
        coming = asyncio.create_task(clients.come(CROWD))
        asked = 0
        while not coming.done():
            await asyncio.to_thread(serves, site)
            asked += 1
        await coming
        assert asked > 1
        assert (len(clients.streams), len(clients.refused)) == (64, CROWD - 64)
        for data in clients.refused:
            is_refused(data, 429)
        await asyncio.to_thread(serves, site)
        assert await asyncio.to_thread(lambda: site.streams) == 64
        await clients.leave()

    with process_of(things) as site, a_run(site) as path:
        asyncio.run(crowd(site, path))
        deadline = time.monotonic() + 30
        while site.streams:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        serves(site)
        with site.client.stream("GET", path) as answer:
            assert answer.status_code == 200
            assert next(answer.iter_lines()) == "event: progress"


SILENT = {
    "nothing": b"",
    "half a head": head("/healthz")[:-2],
    "half a body": head("/api/things/search", "POST", "Content-Type: application/json\r\nContent-Length: 50\r\n")
    + b"{",
    "a stream that promised a body": head("/api/things/ingest/ID/events", more="Content-Length: 5\r\n"),
    "more than is read": head("/openapi.json") * 500,
}


def test_clients_that_are_silent_or_do_not_read_are_let_go(things):
    """And one that reads a stream, on which the server is due, may stay."""
    with process_of(things, client_seconds=1, heartbeat_seconds=1) as site, a_run(site) as path, ExitStack() as stack:
        stream = stack.enter_context(connected(site))
        stream.sendall(head(path))
        wires = []
        for said in SILENT.values():
            for _ in range(20):
                wires.append(stack.enter_context(connected(site)))
                wires[-1].sendall(said.replace(b"/api/things/ingest/ID/events", path.encode()))
        drip = stack.enter_context(connected(site))
        drip.sendall(b"GET /healthz HTTP/1.1\r\nX-Name: ")
        serves(site)
        with pytest.raises(ConnectionError):  # a byte now and then is no head
            for _ in range(150):
                drip.sendall(b"x")
                time.sleep(0.2)
        assert all(map(ends, wires))
        serves(site)
        assert b" 200 OK\r\n" in stream.recv(1 << 16)
        deadline = time.monotonic() + 30
        while b": still here" not in (news := stream.recv(1 << 16)) and b"event: progress" not in news:
            assert news
            assert time.monotonic() < deadline


def test_a_slow_client_that_goes_on_is_waited_for(things):
    with process_of(things, client_seconds=1) as site, connected(site) as wire:
        body = json.dumps({"query": "text 7", "limit": 1}).encode()
        wire.sendall(head("/api/things/search", "POST", f"Connection: close\r\nContent-Length: {len(body)}\r\n"))
        for byte in range(len(body)):
            wire.sendall(body[byte : byte + 1])
            time.sleep(0.1)
        data = b"".join(iter(lambda: wire.recv(1 << 16), b""))
        status, _, found = answer_of(data)
        assert (status, found["hits"][0]["key"]) == (200, "k7")


def test_one_connection_too_many_is_refused_with_the_error_body(things):
    with process_of(things, max_connections=40) as site:
        with ExitStack() as stack:
            for _ in range(40):
                stack.enter_context(connected(site))
            for _ in range(100):
                with connected(site) as wire:
                    is_refused(b"".join(iter(lambda wire=wire: wire.recv(1 << 16), b"")), 503)
        time.sleep(0.5)
        serves(site)


def test_a_server_that_may_open_few_files_refuses_clients_and_lives(things):
    with process_of(things, files="-n 160") as site:
        serves(site)
        with ExitStack() as stack:
            wires = [stack.enter_context(connected(site)) for _ in range(500)]
            time.sleep(0.5)
            refused = 0
            for wire in wires:
                wire.setblocking(False)
                try:
                    data = wire.recv(1 << 16)
                except BlockingIOError:
                    continue
                is_refused(data, 503)
                refused += 1
            assert refused == 500 - 80 + 1
        time.sleep(0.5)
        serves(site)
