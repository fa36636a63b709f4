"""A fork server of ingests, for tests that kill them: each line of stdin is the path of a YAML file to ingest.

Everything is imported once; each ingest is a fork, so that it starts immediately. Lines of stdout: ``start PID``,
``batch`` after each committed batch, ``end STATUS`` (-9: killed).
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
        print_line("batch")


def print_line(*words):
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
    print_line("start", child)
    _, status = os.waitpid(child, 0)
    print_line("end", os.waitstatus_to_exitcode(status))
