"""What the plugin ``log`` writes to Python's logging."""

from __future__ import annotations

import io
import json
import logging
import warnings
from contextlib import contextmanager, redirect_stderr

import pytest

from vicinal.errors import ConfigError
from vicinal.toolkit.logs import JsonFormatter, set_up_logging, writes_json
from vicinal.types import Failure
from vicinal_log import configure, item_failed, search_finished
from vicinal_log.settings import LogSettings


def test_a_failure_is_one_short_line_that_no_terminal_obeys(caplog):
    with caplog.at_level(logging.WARNING, "vicinal"):
        item_failed("things", [Failure("a\nb\x1b[31m", "read", "x" * 10_000), Failure("c", "decode", "no\u202e")])
    first, second = caplog.messages
    assert first == f"things: a\\nb\\x1b[31m failed to read: {'x' * 499}…"
    assert second == "things: c failed to decode: no\\u202e"


@contextmanager
def fresh_logging():
    """Within this block the root logger has no handlers, as a command line finds it; gives what stderr gets."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    root.handlers = []
    try:
        with redirect_stderr(io.StringIO()) as stderr:
            yield stderr
    finally:
        logging.captureWarnings(False)
        root.handlers = handlers
        root.setLevel(level)


def test_private_attributes_of_a_record_are_no_fields():
    """Ray's factory of records gives each of them ``_ray_timestamp_ns``."""
    record = logging.makeLogRecord({"msg": "done", "_ray_timestamp_ns": 1, "count": 2})
    assert json.loads(JsonFormatter().format(record))["fields"] == {"count": 2}


def test_each_line_of_json_is_one_object_with_the_fields_of_the_text(monkeypatch):
    monkeypatch.setenv("VICINAL_LOG_FORMAT", "json")
    with fresh_logging() as stderr:
        set_up_logging("%(message)s", logging.WARNING)
        item_failed("things", [Failure("a\nb", "read", "gone \u202e")])
        try:
            raise ValueError("a\nb\x1b[31m")
        except ValueError:
            logging.getLogger("vicinal.server").error("broken %d", 1, exc_info=True)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("old", UserWarning, stacklevel=1)
    first, second, third = map(json.loads, stderr.getvalue().splitlines())
    assert first.pop("time")[10] == "T"
    assert first == {
        "level": "WARNING",
        "logger": "vicinal",
        "message": "things: a\\nb failed to read: gone \\u202e",
        "solution": "things",
        "fields": {"key": "a\\nb", "stage": "read", "reason": "gone \\u202e"},
    }
    assert (second["logger"], second["message"]) == ("vicinal.server", "broken 1")
    assert third["logger"] == "py.warnings" and "UserWarning: old" in third["message"]
    assert second["error"].endswith("ValueError: a\nb\x1b[31m")
    assert "\x1b" not in stderr.getvalue()


def test_a_search_tells_its_steps():
    record = []

    class Handler(logging.Handler):
        def emit(self, one):
            record.append(json.loads(JsonFormatter().format(one)))

    logger, handler = logging.getLogger("vicinal"), Handler()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        search_finished("things", 2, 20, 7.25, {"encode": 5.12345, "total": 7.25})
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert record[0]["fields"] == {"queries": 2, "hits": 20, "timings_ms": {"encode": 5.123, "total": 7.25}}


def test_a_yaml_sets_the_format_of_the_command_line_alone(monkeypatch):
    monkeypatch.delenv("VICINAL_LOG_FORMAT", raising=False)
    own = logging.StreamHandler(io.StringIO())
    with fresh_logging() as stderr:
        set_up_logging("%(message)s", logging.WARNING)
        logging.getLogger().addHandler(own)
        assert not writes_json()
        configure("things", LogSettings(format="json"))
        assert writes_json()
        assert own.formatter is None
        configure("things", LogSettings(format="text"))
        logging.getLogger("vicinal.server").warning("hello")
    assert stderr.getvalue() == "hello\n"


def test_a_format_that_there_is_not_is_an_error(monkeypatch):
    monkeypatch.setenv("VICINAL_LOG_FORMAT", "xml")
    with pytest.raises(ConfigError, match="VICINAL_LOG_FORMAT is 'xml'"):
        set_up_logging("%(message)s", logging.WARNING)
