"""What one and three replicas of `vicinal serve` behind a real nginx answer a second, and what fails as replicas end.

    .venv/bin/python benchmarks/load_balancing.py --milvus http://127.0.0.1:19530

Texts are encoded by MiniLM and searched on a Milvus server; nginx runs `deploy/nginx.conf`, rendered for this machine.
The clients share one process: each keeps a connection, sends a query of 5 to 12 words, and asks again once it has the
answer. One and three replicas take turns; each computes on its share of the cores (`OMP_NUM_THREADS`). Then, behind
three, one is killed by SIGKILL and one ended by SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import common
from common import Results, median, temporary_folder

ROOT = Path(__file__).parent.parent
SERVE = "from vicinal.cli import main; raise SystemExit(main())"
Answer = tuple[float, float, str]
"""When a search began, its seconds, and what went wrong."""


def main() -> None:
    parser = common.create_parser(__doc__)
    parser.add_argument("--milvus", required=True, metavar="URI", help="a Milvus server")
    parser.add_argument("--seconds", type=float, default=20, metavar="S", help="of each measurement (20)")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="rounds (2)")
    parser.add_argument("--clients", type=int, default=32, metavar="N", help="clients at once (32)")
    parser.add_argument("--rows", type=int, default=3_000, metavar="N", help="texts that are indexed (3,000)")
    options = parser.parse_args()
    queries = common.generate_texts(5_000, 5, 12, seed=11)
    with temporary_folder() as where:
        path = common.write_lines(where / "rows.txt", common.generate_texts(options.rows, 5, 40))
        source = f"{{type: lines, path: '{path}'}}"
        with common.open_solution(where, source, "{type: sentence}", milvus=options.milvus) as made:
            assert made.ingest().rows == options.rows
            measured: dict[int, list[list[Answer]]] = {1: [], 3: []}
            for number in range(options.rounds):
                for count in (1, 3)[:: -1 if number % 2 else 1]:
                    with run(where, count) as (port, _):
                        searched = asyncio.run(search_on(port, made.name, queries, options.clients, options.seconds))
                    measured[count].append(searched)
                    print(f"  round {number + 1}: {count} replicas, {describe(searched)}", file=sys.stderr, flush=True)
            with run(where, 3) as (port, replicas):
                ends = {
                    options.seconds / 3: (replicas[0], signal.SIGKILL),
                    options.seconds * 2 / 3: (replicas[1], signal.SIGTERM),
                }
                ended = asyncio.run(search_on(port, made.name, queries, options.clients, options.seconds, ends))
    results = Results(options.json)
    title = f"{options.clients} clients, {options.rounds} rounds of {options.seconds:g} s, {options.rows:,} texts"
    results.add("replicas", title, [summarize(f"{count}", runs) for count, runs in measured.items()])
    results.add("ends", "three, of which one is killed and one is stopped", [summarize("3, then 2, then 1", [ended])])
    results.print()


@contextmanager
def run(where: Path, count: int) -> Iterator[tuple[int, list[subprocess.Popen[bytes]]]]:
    """The port of an nginx in front of so many replicas, all ready, and their processes."""
    ports = [free_port() for _ in range(count)]
    command = [sys.executable, "-c", SERVE, "serve", str(where / "bench.yaml"), "--port"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, common.CORES // count))}
    replicas = [subprocess.Popen([*command, str(port)], env=environment, stdout=subprocess.DEVNULL) for port in ports]
    try:
        for port in ports:
            wait_until_ready(port)
        with run_nginx(where / f"nginx-{time.monotonic_ns()}", ports) as port:
            yield port, replicas
    finally:
        for replica in replicas:
            replica.send_signal(signal.SIGINT)
            replica.wait()


@contextmanager
def run_nginx(folder: Path, ports: Sequence[int]) -> Iterator[int]:
    folder.mkdir()
    port = free_port()
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    assert program, "no nginx: apt-get install nginx-light"
    render = [sys.executable, ROOT / "deploy" / "render_nginx.py", "--listen", f"127.0.0.1:{port}"]
    text = subprocess.run([*render, *(f"127.0.0.1:{one}" for one in ports)], check=True, capture_output=True).stdout
    (folder / "nginx.conf").write_bytes(text)
    process = subprocess.Popen([program, "-p", folder, "-c", "nginx.conf", "-e", "stderr"], stderr=subprocess.DEVNULL)
    try:
        wait_until_ready(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def wait_until_ready(port: int) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=30):
            return
        time.sleep(0.2)
    raise TimeoutError(f"nothing is ready on port {port}")


async def search_on(
    port: int,
    solution: str,
    queries: Sequence[str],
    clients: int,
    seconds: float,
    ends: dict[float, tuple[subprocess.Popen[bytes], signal.Signals]] | None = None,
) -> list[Answer]:
    """What the clients got; ``ends`` has the replica that gets a signal after so many seconds."""
    answers: list[Answer] = []
    began = time.perf_counter()
    for after, (replica, number) in (ends or {}).items():
        asyncio.get_running_loop().call_later(after, replica.send_signal, number)
    head = f"POST /api/{solution}/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    until = began + seconds
    await asyncio.gather(*(ask(port, head, queries[number::clients], until, answers) for number in range(clients)))
    return answers


async def ask(port: int, head: str, queries: Sequence[str], until: float, answers: list[Answer]) -> None:
    connection = None
    number = 0
    while (at := time.perf_counter()) < until:
        wrong = ""
        try:
            connection = connection or await asyncio.open_connection("127.0.0.1", port)
            wrong = await search(*connection, head, queries[(number := number + 1) % len(queries)])
        except (OSError, asyncio.IncompleteReadError) as error:
            connection, wrong = None, type(error).__name__
        answers.append((at, time.perf_counter() - at, wrong))
    if connection:
        connection[1].close()


async def search(reader: Any, writer: Any, head: str, query: str) -> str:
    body = json.dumps({"query": query, "limit": 10})
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    top = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(top.partition(b"content-length: ")[2].partition(b"\r")[0]))
    return "" if top.startswith(b"http/1.1 200 ") else top.split(b"\r\n")[0].decode()


def rate(answers: Sequence[Answer]) -> float:
    return len(answers) / (max(at + taken for at, taken, _ in answers) - min(at for at, *_ in answers))


def describe(answers: Sequence[Answer]) -> str:
    return f"{rate(answers):.0f} queries/s, {sum(bool(wrong) for *_, wrong in answers)} failed"


def summarize(name: str, runs: Sequence[Sequence[Answer]]) -> dict[str, Any]:
    taken = [seconds * 1000 for answers in runs for _, seconds, _ in answers]
    cuts = statistics.quantiles(taken, n=100)
    return {
        "replicas": name,
        "queries/s": median([rate(answers) for answers in runs]),
        "searches": len(taken),
        "failed": sum(bool(wrong) for answers in runs for *_, wrong in answers),
        "p50 ms": cuts[49],
        "p99 ms": cuts[98],
        "longest ms": max(taken),
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
