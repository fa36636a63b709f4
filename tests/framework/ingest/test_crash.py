"""kill -9 at any moment of a run: the next one makes both stores equal to the source again."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest

from redis_helpers import merge_parts
from servers import ROOT
from vicinal.ingest.changes import compute_fingerprint
from vicinal.stores.records import Record
from vicinal.types import item_id

pytestmark = pytest.mark.long_on_server

KILLS = 10
ROWS = 3_000


class ForkServer:
    """Starts ingests in processes forked from one that has imported everything, and kills them."""

    def __init__(self, yaml):
        self._yaml = yaml
        self._process = subprocess.Popen(
            [sys.executable, ROOT / "tests" / "helpers" / "fork_server.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.communicate(timeout=30)

    def ingest(self, *, batches, delay):
        """Start an ingest and kill it some seconds after it has committed some batches; returns its exit status.

        If it has fewer batches to commit, it is killed after half a second without one, unless it has ended by itself.
        """
        self._process.stdin.write(f"{self._yaml}\n".encode())
        self._process.stdin.flush()
        pid = int(self._line(60).split()[1])
        for _ in range(batches):
            if (line := self._line(0.5)) is None:
                break
            if line.startswith("end"):
                return int(line.split()[1])
        time.sleep(delay)
        with suppress(ProcessLookupError):  # it may have ended meanwhile
            os.kill(pid, signal.SIGKILL)
        while not (line := self._line(60)).startswith("end"):
            pass
        return int(line.split()[1])

    def _line(self, seconds):
        deadline = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                return None
            self._buffer += os.read(self._process.stdout.fileno(), 65_536)
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()


def text_of(number, version, segments):
    """The text of an item at a version of the source: a third changes with each, and with it the number of words."""
    last = version - (version - number) % 3
    words = 1 + (number + last) % 3 if segments else 1
    return " ".join(f"w{number}v{last}n{part}" for part in range(words))


def rows_of(version, segments):
    """All items have other metadata in each version, so that each run has them all to do; some are gone for once."""
    numbers = [number for number in range(ROWS) if number % 50 != version % 50]
    return [(f"k{number}", text_of(number, version, segments), version) for number in numbers]


@pytest.mark.parametrize("encoder", ["hashed", "words"])
def test_next_run_recovers_after_kill_9_at_any_moment(workshop, encoder):
    segments = encoder == "words"
    name = f"crash-{encoder}"
    yaml = workshop.yaml(name, encoder=f"{{type: {encoder}, batch_size: 100, pause: 0.004}}")
    rng = random.Random(f"{encoder} {workshop.embedded}")
    statuses = []
    with ForkServer(yaml) as fork_server:
        while statuses.count(-signal.SIGKILL) < KILLS and len(statuses) < 5 * KILLS:
            workshop.write(rows_of(len(statuses) // 2, segments))
            batches = rng.choice([0, rng.randrange(1, 12), rng.randrange(1, 30), 60])
            statuses.append(fork_server.ingest(batches=batches, delay=rng.uniform(0, 0.3 if batches == 0 else 0.03)))
    assert set(statuses) <= {-signal.SIGKILL, 0}
    assert statuses.count(-signal.SIGKILL) == KILLS, "too many runs ended before they were killed"

    solution = workshop.solution(name, encoder=f"{{type: {encoder}, batch_size: 100}}")
    report = solution.ingest(prune=True)
    assert_equals_source(solution, report)
    again = solution.ingest(prune=True)
    assert (again.unchanged, again.rows, again.removed, again.failed) == (report.seen, report.rows, 0, 0)


def assert_equals_source(solution, report):
    """Milvus, metadata and ledger hold exactly the items of the source."""
    items = list(solution.source)
    segments = {item.key: solution.encoder.decode(item) for item in items}
    expected = {
        item_id(key, number): part.sample for key, parts in segments.items() for number, part in enumerate(parts)
    }
    assert (report.seen, report.failed, report.rows, report.warnings) == (len(items), 0, len(expected), [])
    assert solution.failures() == []

    found = [row["id"] for batch in solution.vectors.iter_rows(["id"]) for row in batch]
    assert len(found) == len(set(found)) == solution.vectors.count_rows() == len(expected)
    assert set(found) == set(expected)
    ids = random.Random(1).sample(found, 500)
    wanted = solution.encoder.encode([expected[id_] for id_ in ids])
    stored = solution.vectors.fetch_vectors(ids)
    assert np.allclose(wanted, [stored[id_] for id_ in ids], atol=1e-6)

    ids = {item_id(item.key): item for item in items}
    assert merge_parts(solution.metadata.iter_records()) == {
        id_: Record(item.key, item.uri, item.content, item.metadata) for id_, item in ids.items()
    }
    ledger = merge_parts(solution.metadata.iter_ledger())
    assert ledger.keys() == ids.keys()
    for id_, item in ids.items():
        count = len(segments[item.key])
        assert (ledger[id_].fingerprint, ledger[id_].segments, ledger[id_].counted_segments) == (
            compute_fingerprint(item),
            count,
            count,
        )
    state = solution.metadata.state()
    assert (state["items"], state["rows"]) == (len(items), len(expected))
    check = solution.check()
    assert check.consistent
    assert (check.items, check.rows, check.unfinished) == (len(items), len(expected), 0)
