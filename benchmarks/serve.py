"""What `vicinal serve` answers a second: 32 clients, one client, and the encoder called directly in batches of 32.

The server is a process of its own on Milvus Lite, with texts encoded by MiniLM. The clients share one process: each
keeps a connection, sends a query of 5 to 12 words, reads the answer, and asks again. The encoder alone encodes the same
queries in this process, in batches of 32, while the server idles. So does the whole search without a server: in batches
as large and as many at once as the server's. All take turns; what counts is the median over the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `vicinal serve` does; numpy reads it when it is imported

import common
from common import Results, median, temporary_folder
from vicinal import Solution
from vicinal.server.batching import MAX_BATCHES_IN_FLIGHT
from vicinal.types import SearchRequest

CLIENTS = 32
GAIN, SHARE = 3.0, 0.7
SERVE = "from vicinal.cli import main; raise SystemExit(main())"


def main() -> None:
    parser = common.create_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=10, metavar="S", help="of each measurement (10)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds (3)")
    parser.add_argument("--rows", type=int, default=1_000, metavar="N", help="texts that are indexed (1,000)")
    parser.add_argument("--clients", type=int, default=CLIENTS, metavar="N", help="clients at once (32)")
    parser.add_argument("--milvus", metavar="URI", help="a Milvus server in place of Milvus Lite")
    options = parser.parse_args()
    queries = common.generate_texts(5_000, 5, 12, seed=11)
    with temporary_folder() as where:
        path = common.write_lines(where / "rows.txt", common.generate_texts(options.rows, 5, 40))
        source = f"{{type: lines, path: '{path}'}}"
        with common.open_solution(where, source, "{type: sentence}", milvus=options.milvus) as made:
            assert made.ingest().rows == options.rows
            encoder = made.new_encoder()
            made.close()
            with (
                server(where / "bench.yaml", made.name) as url,
                temporary_folder() as beside,
                common.open_solution(beside, source, "{type: sentence}", milvus=options.milvus) as other,
            ):
                other.ingest()
                measured, batches = rounds(url, encoder, other, queries, options)
    print_table(measured, batches, options)


@contextmanager
def server(path: Path, name: str) -> Iterator[str]:
    """The URL to search at, while the server runs and after its model is loaded."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, "serve", path, "--port", "0"], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().decode().split(" at ")[1].split()[0]
            asyncio.run(load(f"{url}/api/{name}/search", ["warm up"], 1, 1.0))
            yield f"{url}/api/{name}/search"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def rounds(
    url: str, encoder: object, other: Solution, queries: Sequence[str], options: argparse.Namespace
) -> tuple[dict[str, list[list[float]]], float]:
    """The latencies of each measurement in milliseconds, its queries a second before them; and the mean batch of many.

    A batch is what the server encoded together while there were many clients.
    """
    direct(encoder, queries, 1.0)
    many = f"{options.clients} clients"
    ways = {
        "encoder alone, batches of 32": lambda: direct(encoder, queries, options.seconds),
        "no server": lambda: served_by_nobody(
            other, queries, options.clients // MAX_BATCHES_IN_FLIGHT, options.seconds
        ),
        "one client": lambda: asyncio.run(load(url, queries, 1, options.seconds)),
        many: lambda: asyncio.run(load(url, queries, options.clients, options.seconds)),
    }
    measured: dict[str, list[list[float]]] = {name: [] for name in ways}
    gathered, batches = 0.0, 0.0
    for number in range(options.rounds):
        for name in list(ways)[:: -1 if number % 2 else 1]:
            before = batch_counts(url)
            measured[name].append(ways[name]())
            if name == many:
                after = batch_counts(url)
                gathered, batches = gathered + after[0] - before[0], batches + after[1] - before[1]
            print(f"  round {number + 1}: {name} {measured[name][-1][0]:.0f}/s", file=sys.stderr, flush=True)
    return measured, gathered / batches


def direct(encoder: object, queries: Sequence[str], seconds: float) -> list[float]:
    done, taken, batches = 0, [], itertools.cycle(range(0, len(queries) - 32, 32))
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        start = next(batches)
        at = time.perf_counter()
        samples = [segment.sample for query in queries[start : start + 32] for segment in encoder.decode_query(query)]  # type: ignore[attr-defined]
        encoder.encode(samples)  # type: ignore[attr-defined]
        taken.append((time.perf_counter() - at) * 1000)
        done += 32
    return [done / (time.perf_counter() - began), *taken]


def served_by_nobody(made: Solution, queries: Sequence[str], size: int, seconds: float) -> list[float]:
    """Queries a second, then the milliseconds of each batch, by the threads of a server and without HTTP."""
    batches = itertools.cycle(range(0, len(queries) - size, size))
    taken: list[float] = []
    began = time.perf_counter()

    def work(_: int) -> None:
        while (at := time.perf_counter()) < began + seconds:
            start = next(batches)
            made.search_many([SearchRequest(query, 10) for query in queries[start : start + size]])
            taken.append((time.perf_counter() - at) * 1000)

    with ThreadPoolExecutor(MAX_BATCHES_IN_FLIGHT) as threads:
        list(threads.map(work, range(MAX_BATCHES_IN_FLIGHT)))
    return [len(taken) * size / (time.perf_counter() - began), *taken]


async def load(url: str, queries: Sequence[str], clients: int, seconds: float) -> list[float]:
    """Queries a second, then the latency of each."""
    parts = urlsplit(url)
    taken: list[float] = []
    until = time.perf_counter() + seconds
    began = time.perf_counter()
    await asyncio.gather(*(client(parts, queries[number::clients], until, taken) for number in range(clients)))
    return [len(taken) / (time.perf_counter() - began), *taken]


async def client(parts: object, queries: Sequence[str], until: float, taken: list[float]) -> None:
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)  # type: ignore[attr-defined]
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\nContent-Length: "  # type: ignore[attr-defined]
    for query in itertools.cycle(queries):
        if (at := time.perf_counter()) >= until:
            break
        body = json.dumps({"query": query, "limit": 10})
        writer.write(f"{head}{len(body)}\r\n\r\n{body}".encode())
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert answer.startswith(b"http/1.1 200 "), answer
        length = int(answer.partition(b"content-length: ")[2].partition(b"\r")[0])
        await reader.readexactly(length)
        taken.append((time.perf_counter() - at) * 1000)
    writer.close()
    await writer.wait_closed()


def batch_counts(url: str) -> tuple[float, float]:
    """How many queries the server has encoded, and in how many batches."""
    parts = urlsplit(url)
    with urllib.request.urlopen(f"{parts.scheme}://{parts.netloc}/metrics") as answer:
        lines = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#"))
    found = {name.partition("{")[0]: float(value) for name, value in lines.items() if "batch_size" in name}
    return found["vicinal_batch_size_sum"], found["vicinal_batch_size_count"]


def print_table(measured: dict[str, list[list[float]]], batches: float, options: argparse.Namespace) -> None:
    results = Results(options.json)
    speed = {name: median([one[0] for one in runs]) for name, runs in measured.items()}
    table = []
    for name, runs in measured.items():
        cuts = statistics.quantiles([ms for one in runs for ms in one[1:]], n=100)
        table.append({"": name, "queries/s": speed[name], "p50 ms": cuts[49], "p99 ms": cuts[98]})
    title = f"vicinal serve, {options.rows:,} texts, {options.rounds} rounds of {options.seconds:g} s"
    results.add("serve", title, table)
    alone, nobody, one, many = speed.values()
    results.add(
        "ratios",
        f"mean batch {batches:.1f} queries",
        [
            {"": f"{options.clients} clients to one", "ratio": many / one, "wanted": GAIN},
            {"": f"{options.clients} clients to the encoder alone", "ratio": many / alone, "wanted": SHARE},
            {"": "no server to the encoder alone", "ratio": nobody / alone},
        ],
    )
    results.print()


if __name__ == "__main__":
    main()
