"""What an encoder says of how it was fitted stands in the report of the run that fitted it, and of no other."""

from __future__ import annotations

import sys

import numpy as np

from encoders import Hashed
from vicinal import hookimpl

ROWS = [("a", "one", 1), ("b", "two", 2)]


class Counting(Hashed):
    """Learns how many items there are."""

    fit_note = "one of them was odd"

    def fit(self, items):
        return {"count": np.array([sum(1 for _ in items)])}


@hookimpl
def register_encoders(encoders):
    encoders.add("counting", f"{__name__}:Counting", summary="for tests")


def test_the_first_run_says_it(lite):
    lite.manager.register(sys.modules[__name__], "counting")
    lite.write(ROWS)
    solution = lite.solution(encoder="{type: counting}")
    assert solution.ingest().warnings == ["one of them was odd"]
    assert solution.ingest().warnings == []
    solution.drop()
    assert solution.fit()["note"] == "one of them was odd"
