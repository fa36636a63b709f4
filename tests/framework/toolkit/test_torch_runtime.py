"""Computing on all cores, and beside those who do."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from vicinal.toolkit.torch_runtime import (
    Cancelled,
    locked_cached_property,
    low_priority,
    parallel_map,
    run_single_threaded,
)

SECONDS = 60


def threads_of_torch(_=None):
    return threading.current_thread().name, torch.get_num_threads()


def test_each_of_several_parts_has_a_share_of_the_threads_of_torch():
    before = torch.get_num_threads()
    cores = []
    found = parallel_map(threads_of_torch, lambda threads: cores.append(threads) or range(8))
    assert cores == [min(before, 8)]
    assert {number for _, number in found} == {max(1, before // cores[0])}
    assert all(name.startswith("vicinal-compute") for name, _ in found)
    assert run_single_threaded(threads_of_torch)[1] == max(1, before // cores[0])


def test_a_single_part_has_all_threads_of_torch_and_they_are_left_as_they_were():
    before = torch.get_num_threads()
    assert parallel_map(threads_of_torch, lambda _: [0]) == [(threading.current_thread().name, before)]
    with ThreadPoolExecutor(1) as other:
        assert other.submit(torch.get_num_threads).result() == before
    assert torch.get_num_threads() == before


def test_results_come_in_the_order_of_the_parts():
    assert parallel_map(lambda part: part * 10, lambda _: list(range(50))) == [part * 10 for part in range(50)]


def test_a_call_that_comes_meanwhile_waits_for_no_part_of_another():
    begun, go_on = threading.Event(), threading.Event()

    def wait(_):
        begun.set()
        assert go_on.wait(SECONDS)

    with ThreadPoolExecutor(1) as other:
        first = other.submit(parallel_map, wait, lambda _: range(50))
        assert begun.wait(SECONDS)
        cut_for = []
        assert parallel_map(str, lambda threads: cut_for.append(threads) or [1, 2]) == ["1", "2"]
        assert cut_for == [1]
        go_on.set()
        first.result(SECONDS)
    assert parallel_map(str, lambda threads: cut_for.append(threads) or [1, 2]) == ["1", "2"]
    assert cut_for[1] == min(torch.get_num_threads(), 8), "once the first is done, all cores are free again"


def map_in_low_priority(work, parts, is_cancelled=bool):
    with low_priority(is_cancelled):
        return parallel_map(work, lambda threads: parts(threads) if callable(parts) else parts)


@pytest.mark.skipif(torch.get_num_threads() < 2, reason="there is one core")
def test_a_call_of_low_priority_begins_as_soon_as_a_core_is_free():
    begun, behind = threading.Event(), threading.Event()

    def work(part):
        if part == "last":
            begun.set()
            assert behind.wait(SECONDS), "a core waits for the last part of the call before"
        elif part == "behind":
            behind.set()
        return part

    with ThreadPoolExecutor(1) as other:
        first = other.submit(map_in_low_priority, work, ["last", "quick", "quick"])
        assert begun.wait(SECONDS)
        assert map_in_low_priority(work, ["behind", "behind"]) == ["behind", "behind"]
        assert first.result(SECONDS) == ["last", "quick", "quick"]


def test_low_priority_waits_for_the_cores_and_other_calls_do_not_wait_for_it():
    begun, behind, go_on = threading.Event(), threading.Event(), threading.Event()
    order, cut_for = [], []

    def wait(_):
        begun.set()
        assert go_on.wait(SECONDS)
        order.append("first")

    with ThreadPoolExecutor(2) as others:
        first = others.submit(map_in_low_priority, wait, range(50))
        assert begun.wait(SECONDS)
        second = others.submit(
            map_in_low_priority,
            lambda _: order.append("second"),
            lambda threads: cut_for.append(threads) or behind.set() or [0],
        )
        assert behind.wait(SECONDS)
        assert parallel_map(str, lambda threads: cut_for.append(threads) or [1, 2]) == ["1", "2"]
        assert order == []
        go_on.set()
        first.result(SECONDS), second.result(SECONDS)
    assert order.index("second") >= 50 - torch.get_num_threads()
    assert cut_for == [1, 1], "neither has all cores to itself"


def test_a_call_of_low_priority_that_is_cancelled_begins_nothing_more():
    done = []
    with pytest.raises(Cancelled):
        map_in_low_priority(done.append, range(50), is_cancelled=lambda: len(done) > 4)
    assert 4 < len(done) < 50
    assert parallel_map(str, lambda _: [1, 2]) == ["1", "2"], "the line is left"


def test_what_fails_is_told_and_leaves_the_cores_free():
    with pytest.raises(ZeroDivisionError):
        parallel_map(lambda part: 1 / part, lambda _: [1, 0, 2])
    with pytest.raises(ZeroDivisionError):
        parallel_map(lambda part: 1 / part, lambda _: [0])
    with pytest.raises(ZeroDivisionError):
        run_single_threaded(lambda: 1 / 0)
    threads = []
    parallel_map(str, lambda count: threads.append(count) or [1, 2])
    assert threads == [min(torch.get_num_threads(), 8)]


def test_what_is_loaded_is_made_once_however_many_ask():
    begun = threading.Barrier(8)
    made = []

    class Holder:
        @locked_cached_property
        def model(self):
            """What it holds."""
            made.append(threading.get_ident())
            return object()

    holder = Holder()

    def ask(_):
        begun.wait(SECONDS)
        return holder.model

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1
    assert len(made) == 1
    assert Holder().model is not holder.model
    assert Holder.model.__doc__ == "What it holds."
