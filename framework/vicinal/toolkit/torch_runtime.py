"""What the hardware gives to encoders that compute with torch: a device, lower precision, all cores without quarrels.

torch is imported when a function needs it, and not before.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from vicinal.errors import DependencyMissing
from vicinal.toolkit.malloc import keep_freed

if TYPE_CHECKING:
    import torch

__all__ = [
    "Device",
    "GivenUp",
    "Precision",
    "aside",
    "has_quick_bfloat16",
    "in_line",
    "loaded",
    "spread",
    "torch_device",
]

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16"]

T = TypeVar("T")
Part = TypeVar("Part")
Result = TypeVar("Result")

_MOST = 8
_BESIDE = 4
_LOADING = threading.RLock()


class loaded(cached_property[T]):  # noqa: N801 (it is written as a decorator)
    """A cached property that one thread makes while others wait for it: a model is loaded once, however many ask."""

    def __get__(self, instance: object, owner: type | None = None) -> T:  # type: ignore[override]
        with _LOADING:  # once it is made, it hides this property
            return super().__get__(instance, owner)


def torch_device(device: Device) -> torch.device:
    """The device that ``auto``, ``cpu`` or ``cuda`` means on this machine.

    Raises:
        DependencyMissing: a GPU is asked for, and torch finds none.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise DependencyMissing("device: cuda is asked for, but torch finds no GPU", hint="write device: auto")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


def has_quick_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False
    return platform.machine() in ("x86_64", "AMD64") and not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags)


def spread(work: Callable[[Part], Result], cut: Callable[[int], Sequence[Part]]) -> list[Result]:
    """The result of ``work`` for each part, computed on all cores; ``cut`` is told for how many threads it cuts.

    Each thread uses few of torch's own threads: batches that share all cores wait for each other after every layer, and
    all the more so while other threads want the cores too. A single part is computed by the caller, with all of them.
    One call at a time has all cores. A call that comes meanwhile waits for none of its parts: it is cut for one thread,
    and the system shares the cores out, so that a search does not wait for a run that encodes a thousand samples. The
    calls of a run itself stand ``in_line``, and behind another one they need not end on all cores at the same time.
    """
    given_up = _LINE.given_up
    before = _CREW.come(waits=given_up is not None)
    if before is None:
        return aside(lambda: [work(part) for part in cut(1)])
    try:
        parts = cut(1 if before else _CREW.count)
        if len(parts) == 1 and not before:
            return [work(parts[0])]
        return list(_CREW.cores.map(work if given_up is None else partial(_unless, given_up, work), parts))
    finally:
        _CREW.go()


class GivenUp(BaseException):
    """Nobody wants the result any more."""


@contextmanager
def in_line(given_up: Callable[[], bool]) -> Iterator[None]:
    """What this thread ``spread``s is in no hurry, and has all cores when those before it in the line are done.

    So several threads that encode for a run leave no core idle between one call and the next.

    Raises:
        GivenUp: before a part was begun, ``given_up`` said that nobody wants it any more.
    """
    _LINE.given_up = given_up
    try:
        yield
    finally:
        _LINE.given_up = None


def _unless(given_up: Callable[[], bool], work: Callable[[Part], Result], part: Part) -> Result:
    if given_up():
        raise GivenUp
    return work(part)


def aside(work: Callable[[], Result]) -> Result:
    """The result of ``work``, computed on one thread whatever others do."""
    return _CREW.others.submit(work).result()


class _Crew:
    """The threads that compute for all encoders of the process: some for a call that has all cores, some for others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls = 0

    def come(self, *, waits: bool) -> int | None:
        """How many calls have all cores before this one; None where it does not wait for them, and has none."""
        with self._lock:
            if self._calls and not waits:
                return None
            self._calls += 1
            return self._calls - 1

    def go(self) -> None:
        """A call that came is done."""
        with self._lock:
            self._calls -= 1

    @loaded
    def count(self) -> int:
        """How many threads have all cores between them."""
        import torch

        keep_freed()
        return min(int(torch.get_num_threads()), _MOST)

    @loaded
    def cores(self) -> ThreadPoolExecutor:
        """Those that have all cores."""
        return self._started(self.count)

    @loaded
    def others(self) -> ThreadPoolExecutor:
        """Those for whoever comes meanwhile."""
        return self._started(_BESIDE)

    def _started(self, size: int) -> ThreadPoolExecutor:
        """Threads that have each their share of torch's threads.

        That number is set by the thread itself, but becomes the default of threads that start later, so it is set back
        as soon as all have started.
        """
        import torch

        before, share = torch.get_num_threads(), torch.get_num_threads() // self.count
        started = threading.Barrier(size + 1)

        def start() -> None:
            torch.get_num_threads()  # takes over the default, which would later undo the next line
            torch.set_num_threads(max(share, 1))
            started.wait()

        pool = ThreadPoolExecutor(size, "vicinal-compute", initializer=start)
        for _ in range(size):
            pool.submit(int)
        started.wait()
        torch.set_num_threads(before)
        return pool


class _Line(threading.local):
    """Whether this thread stands in line, and until when."""

    given_up: Callable[[], bool] | None = None


_CREW, _LINE = _Crew(), _Line()
