"""Very many clients, idle ones and slow ones: each gets a response or is disconnected, and the server keeps serving."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import time
from contextlib import ExitStack, contextmanager

import pytest

from inprocess_server import ROWS
from serve_process import run_server_process

CLIENT_COUNT = 10_000
MORE = [(f"n{number}", f"new {number}", 1) for number in range(20_000)]


@pytest.fixture
def solution_yaml(lite):
    """The YAML file of sixty indexed texts, and of many more whose ingest takes minutes."""
    lite.write(ROWS)
    solution = lite.solution()
    solution.ingest()
    solution.close()
    lite.write([*ROWS, *MORE])
    return lite.yaml(encoder="{type: hashed, batch_size: 32, pause: 0.2}")


@pytest.fixture
def many_open_files():
    """Let this process open a socket for each client."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = CLIENT_COUNT + 1_000
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"a process may open {hard:,} files here, and {CLIENT_COUNT:,} clients need {needed:,}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def request_head(path, method="GET", more=""):
    return f"{method} {path} HTTP/1.1\r\nHost: vicinal\r\n{more}\r\n".encode()


def open_socket(client):
    return socket.create_connection(("127.0.0.1", client.port), timeout=30)


def parse_response(data):
    """Return status, headers and JSON body of a raw response."""
    head, _, body = data.partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    return int(line.split()[1]), dict(one.lower().split(": ", 1) for one in headers), json.loads(body)


def check_refused(data, status):
    code, headers, body = parse_response(data)
    assert (code, body["ok"], body["status"]) == (status, False, status)
    assert body["error"]
    assert body["errors"] == [body["error"]]
    assert body["hint"]
    assert int(headers["retry-after"]) > 0
    assert headers["connection"] == "close"
    assert headers["content-type"] == "application/json"


def check_serving(client):
    assert client.get("/healthz").json() == {"ok": True}
    found = client.post("/api/things/search", json={"query": "text 7", "limit": 1})
    assert found.json()["hits"][0]["key"] == "k7"


def is_closed_by_server(connection):
    """Return whether the server closes a connection, in whatever way."""
    try:
        while connection.recv(1 << 20):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


@contextmanager
def run_ingest(client):
    """Run an ingest while the block runs; gives the path of its events."""
    job = client.post("/api/things/ingest").json()
    try:
        yield f"/api/things/ingest/{job['id']}/events"
    finally:
        client.delete(f"/api/things/ingest/{job['id']}")


class StreamClients:
    """Clients that are all connected before the first of them requests a stream."""

    def __init__(self, port, request):
        self._port = port
        self._request = request
        self._connecting = asyncio.Semaphore(500)  # the listener's backlog is limited
        self.streams = []
        self.refused = []

    async def connect(self, count):
        connections = await asyncio.gather(*(self._connect() for _ in range(count)))
        await asyncio.gather(*(self._request_stream(*connection) for connection in connections))

    async def disconnect(self):
        for writer in self.streams:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self.streams))

    async def _connect(self):
        async with self._connecting:
            return await asyncio.open_connection("127.0.0.1", self._port)

    async def _request_stream(self, reader, writer):
        writer.write(self._request)
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 OK\r\n" in head:
            assert b"text/event-stream" in head
            assert b"event: progress" in await reader.readuntil(b"\n\n")
            self.streams.append(writer)
            return
        self.refused.append(head + await reader.read())
        writer.close()
        await writer.wait_closed()


@pytest.mark.long
def test_ten_thousand_event_streams_do_not_stop_the_server(solution_yaml, many_open_files):
    async def connect_all(client, path):
        clients = StreamClients(client.port, request_head(path))
        connecting = asyncio.create_task(clients.connect(CLIENT_COUNT))
        searches = 0
        while not connecting.done():
            await asyncio.to_thread(check_serving, client)
            searches += 1
        await connecting
        assert searches > 1
        assert (len(clients.streams), len(clients.refused)) == (64, CLIENT_COUNT - 64)
        for data in clients.refused:
            check_refused(data, 429)
        await asyncio.to_thread(check_serving, client)
        assert await asyncio.to_thread(lambda: client.open_streams) == 64
        await clients.disconnect()

    with run_server_process(solution_yaml) as client, run_ingest(client) as path:
        asyncio.run(connect_all(client, path))
        deadline = time.monotonic() + 30
        while client.open_streams:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        check_serving(client)
        with client.http.stream("GET", path) as response:
            assert response.status_code == 200
            assert next(response.iter_lines()) == "event: progress"


IDLE_REQUESTS = {
    "nothing": b"",
    "half a head": request_head("/healthz")[:-2],
    "half a body": request_head(
        "/api/things/search", "POST", "Content-Type: application/json\r\nContent-Length: 50\r\n"
    )
    + b"{",
    "a stream that promised a body": request_head("/api/things/ingest/ID/events", more="Content-Length: 5\r\n"),
    "more than is read": request_head("/openapi.json") * 500,
}


def test_idle_clients_are_disconnected(solution_yaml):
    """A client that waits for the server on an event stream stays connected."""
    with (
        run_server_process(solution_yaml, client_timeout_seconds=1, heartbeat_seconds=1) as client,
        run_ingest(client) as path,
        ExitStack() as stack,
    ):
        stream = stack.enter_context(open_socket(client))
        stream.sendall(request_head(path))
        connections = []
        for request in IDLE_REQUESTS.values():
            for _ in range(20):
                connections.append(stack.enter_context(open_socket(client)))
                connections[-1].sendall(request.replace(b"/api/things/ingest/ID/events", path.encode()))
        dripping = stack.enter_context(open_socket(client))
        dripping.sendall(b"GET /healthz HTTP/1.1\r\nX-Name: ")
        check_serving(client)
        with pytest.raises(ConnectionError):  # single bytes are no progress with a head
            for _ in range(150):
                dripping.sendall(b"x")
                time.sleep(0.2)
        assert all(map(is_closed_by_server, connections))
        check_serving(client)
        assert b" 200 OK\r\n" in stream.recv(1 << 16)
        deadline = time.monotonic() + 30
        while b": still here" not in (events := stream.recv(1 << 16)) and b"event: progress" not in events:
            assert events
            assert time.monotonic() < deadline


def test_slow_client_that_makes_progress_is_served(solution_yaml):
    with run_server_process(solution_yaml, client_timeout_seconds=1) as client, open_socket(client) as connection:
        body = json.dumps({"query": "text 7", "limit": 1}).encode()
        connection.sendall(
            request_head("/api/things/search", "POST", f"Connection: close\r\nContent-Length: {len(body)}\r\n")
        )
        for byte in range(len(body)):
            connection.sendall(body[byte : byte + 1])
            time.sleep(0.1)
        data = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        status, _, found = parse_response(data)
        assert (status, found["hits"][0]["key"]) == (200, "k7")


def test_connections_beyond_the_limit_are_a_503(solution_yaml):
    with run_server_process(solution_yaml, max_connections=40) as client:
        with ExitStack() as stack:
            for _ in range(40):
                stack.enter_context(open_socket(client))
            for _ in range(100):
                with open_socket(client) as connection:
                    check_refused(b"".join(iter(lambda connection=connection: connection.recv(1 << 16), b"")), 503)
        time.sleep(0.5)
        check_serving(client)


def test_connections_are_limited_by_the_open_files_limit(solution_yaml):
    with run_server_process(solution_yaml, ulimit="-n 160") as client:
        check_serving(client)
        with ExitStack() as stack:
            connections = [stack.enter_context(open_socket(client)) for _ in range(500)]
            time.sleep(0.5)
            refused = 0
            for connection in connections:
                connection.setblocking(False)
                try:
                    data = connection.recv(1 << 16)
                except BlockingIOError:
                    continue
                check_refused(data, 503)
                refused += 1
            assert refused == 500 - 80 + 1
        time.sleep(0.5)
        check_serving(client)
