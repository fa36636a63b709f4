"""A clock that stands still during imports."""

from __future__ import annotations

import builtins
import sys
import threading
import time

import pytest

from vicinal.cli.import_clock import ImportClock


@pytest.fixture
def slow_modules(tmp_path, monkeypatch):
    """A module that takes 0.3 s to import, 0.1 s of them for another one that it imports."""
    (tmp_path / "slow_outer.py").write_text("import time\ntime.sleep(0.2)\nimport slow_inner\n")
    (tmp_path / "slow_inner.py").write_text("import time\ntime.sleep(0.1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("slow_outer", "slow_inner"):
        sys.modules.pop(name, None)


def test_imports_are_measured_once_and_left_out_of_the_clock(slow_modules):
    before = builtins.__import__
    with ImportClock() as clock:
        started, wall = clock.now(), time.perf_counter()
        import slow_outer  # noqa: F401

        time.sleep(0.1)
        elapsed, wall = clock.now() - started, time.perf_counter() - wall
    assert builtins.__import__ is before
    assert clock.import_seconds == pytest.approx(wall - elapsed, abs=0.1)
    assert clock.import_seconds >= 0.3
    assert 0.1 <= elapsed < wall - 0.29


def test_imports_that_fail_and_those_of_other_threads(slow_modules):
    with ImportClock() as clock:
        thread = threading.Thread(target=lambda: __import__("slow_outer"))
        thread.start()
        thread.join()
        assert clock.import_seconds < 0.1
        with pytest.raises(ImportError):
            import nobody_has_this  # noqa: F401
        assert clock.now() <= time.perf_counter()
