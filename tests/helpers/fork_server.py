"""Ingests in processes of their own, for tests that kill them: one line of stdin is the path of a YAML file to ingest.

Everything is imported once; each ingest is a fork, so that it starts at once. Lines of stdout: ``start PID``, ``batch``
after each that is committed, ``end STATUS`` (-9: it was killed).
"""

from __future__ import annotations

import os
import sys

import milvus_lite.server_manager
import pymilvus

import encoders
from vicinal import Solution, create_manager, hookimpl

_IMPORTED_EARLY = (milvus_lite.server_manager, pymilvus)


class Reporter:
    @hookimpl
    def batch_written(self):
        say("batch")


def say(*words):
    print(*words, flush=True)


def ingest(path):
    manager = create_manager()
    manager.register(encoders, "tests")
    manager.register(Reporter(), "reporter")
    with Solution.from_yaml(path, manager=manager) as solution:
        solution.ingest()


for line in sys.stdin:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            ingest(line.strip())
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)
    say("start", child)
    _, status = os.waitpid(child, 0)
    say("end", os.waitstatus_to_exitcode(status))
