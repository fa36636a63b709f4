"""What the plugin ``log`` writes to Python's logging."""

from __future__ import annotations

import logging

from vicinal.types import Failure
from vicinal_log import item_failed


def test_a_failure_is_one_short_line_that_no_terminal_obeys(caplog):
    with caplog.at_level(logging.WARNING, "vicinal"):
        item_failed("things", [Failure("a\nb\x1b[31m", "read", "x" * 10_000), Failure("c", "decode", "no\u202e")])
    first, second = caplog.messages
    assert first == f"things: a\\nb\\x1b[31m failed to read: {'x' * 499}…"
    assert second == "things: c failed to decode: no\\u202e"
