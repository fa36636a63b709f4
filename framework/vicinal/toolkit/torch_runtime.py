"""Torch helpers for encoders: the device, bfloat16 detection, and a process-wide thread pool.

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
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from vicinal.errors import DependencyError
from vicinal.toolkit.malloc import retain_freed_memory
from vicinal.toolkit.vectors import min_cosine

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = [
    "MIN_COSINE",
    "Cancelled",
    "Device",
    "Precision",
    "choose_batch_size",
    "choose_precision",
    "has_native_bfloat16",
    "locked_cached_property",
    "low_priority",
    "parallel_map",
    "run_single_threaded",
    "torch_device",
]

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16"]

MIN_COSINE = 0.9995
"""The least cosine to float32 at which ``precision: auto`` computes in a lower precision."""

T = TypeVar("T")
Part = TypeVar("Part")
Result = TypeVar("Result")

_MAX_THREADS = 8
_SIDE_THREADS = 4
_LOADING = threading.RLock()


class locked_cached_property(cached_property[T]):  # noqa: N801 (it is written as a decorator)
    """A cached property behind one lock for the whole process: a model is loaded once, however many threads ask."""

    def __get__(self, instance: object, owner: type | None = None) -> T:  # type: ignore[override]
        with _LOADING:  # once it is made, it hides this property
            return super().__get__(instance, owner)


def torch_device(device: Device) -> torch.device:
    """The device that ``auto``, ``cpu`` or ``cuda`` means on this machine.

    Raises:
        DependencyError: a GPU is asked for, and torch finds none.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise DependencyError("device: cuda is asked for, but torch finds no GPU", hint="write device: auto")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


class BatchParams(Protocol):
    """An encoder's parameters that say what is computed together, and where."""

    @property
    def batch_size(self) -> int: ...
    @property
    def device(self) -> Device: ...
    @property
    def model_fields_set(self) -> set[str]: ...


def choose_batch_size(params: BatchParams, gpu: int) -> int:
    """The parameter ``batch_size``; where none was given, ``gpu`` if the parameter ``device`` means a GPU.

    Measured on an H100: ViT-S computes 10,000 to 13,000 images a second in batches of 64 to 256, and 3,600 in 16.
    """
    is_given = "batch_size" in params.model_fields_set
    return params.batch_size if is_given or torch_device(params.device).type != "cuda" else gpu


def has_native_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False
    return platform.machine() in ("x86_64", "AMD64") and not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags)


def choose_precision(
    precision: Precision,
    device: torch.device,
    encode_probe: Callable[[torch.dtype], np.ndarray],
    *,
    allow_float16: bool = False,
) -> torch.dtype:
    """Return the dtype to compute in: for ``auto`` a lower one if the device has it and its vectors match float32's.

    Args:
        precision: ``fp32`` and ``bf16`` are float32 and bfloat16 without a probe.
        device: where the network computes.
        encode_probe: encodes a few samples, typical ones, in a dtype: ``(n, dimension)``. All must have a cosine of
            ``MIN_COSINE`` to those in float32.
        allow_float16: whether a GPU without bfloat16 may compute in float16.
    """
    import torch

    if precision == "bf16":
        return torch.bfloat16
    has_float16 = allow_float16 and device.type == "cuda"
    low = torch.bfloat16 if has_native_bfloat16(device) else torch.float16 if has_float16 else None
    if precision == "fp32" or low is None:
        return torch.float32
    return low if min_cosine(encode_probe(low), encode_probe(torch.float32)) >= MIN_COSINE else torch.float32


def parallel_map(work: Callable[[Part], Result], make_parts: Callable[[int], Sequence[Part]]) -> list[Result]:
    """Run ``work`` over parts in parallel and return the results in order; ``make_parts(n)`` splits for n threads.

    Only one call at a time uses the main pool. A concurrent call runs unsplit on a side thread, so that a search never
    waits for a run that encodes a thousand samples. Calls inside ``low_priority()`` queue for the main pool instead.
    Each thread of a pool has its share of torch's own threads: batches that share all cores wait for each other after
    every layer. A single part is computed by the caller, with all of torch's threads.
    """
    is_cancelled = _STATE.is_cancelled
    before = _POOL.acquire(wait=is_cancelled is not None)
    if before is None:
        return run_single_threaded(lambda: [work(part) for part in make_parts(1)])
    try:
        parts = make_parts(1 if before else _POOL.size)
        if len(parts) == 1 and not before:
            return [work(parts[0])]
        return list(
            _POOL.main_pool.map(
                work if is_cancelled is None else partial(_run_unless_cancelled, is_cancelled, work), parts
            )
        )
    finally:
        _POOL.release()


class Cancelled(BaseException):
    """The result is not wanted any more."""


@contextmanager
def low_priority(is_cancelled: Callable[[], bool]) -> Iterator[None]:
    """Within this block ``parallel_map`` waits its turn for the main pool: a run encodes this way.

    Several threads that encode for a run then leave no core idle between one call and the next.

    Raises:
        Cancelled: before a part was begun, ``is_cancelled`` said that nobody wants it any more.
    """
    _STATE.is_cancelled = is_cancelled
    try:
        yield
    finally:
        _STATE.is_cancelled = None


def _run_unless_cancelled(is_cancelled: Callable[[], bool], work: Callable[[Part], Result], part: Part) -> Result:
    if is_cancelled():
        raise Cancelled
    return work(part)


def run_single_threaded(work: Callable[[], Result]) -> Result:
    """Run ``work`` on one thread of the side pool, whatever else is computed."""
    return _POOL.side_pool.submit(work).result()


class _ComputePool:
    """The process's compute threads: a main pool with all cores for one call at a time, a side pool for the others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls = 0

    def acquire(self, *, wait: bool) -> int | None:
        """How many calls are before this one in the main pool; None where it is taken and ``wait`` is false."""
        with self._lock:
            if self._calls and not wait:
                return None
            self._calls += 1
            return self._calls - 1

    def release(self) -> None:
        """End a call that was acquired."""
        with self._lock:
            self._calls -= 1

    @locked_cached_property
    def size(self) -> int:
        """How many threads the main pool has."""
        import torch

        retain_freed_memory()
        return min(int(torch.get_num_threads()), _MAX_THREADS)

    @locked_cached_property
    def main_pool(self) -> ThreadPoolExecutor:
        """The threads that share all cores."""
        return self._start_pool(self.size)

    @locked_cached_property
    def side_pool(self) -> ThreadPoolExecutor:
        """The threads for calls that come while the main pool is taken."""
        return self._start_pool(_SIDE_THREADS)

    def _start_pool(self, size: int) -> ThreadPoolExecutor:
        """Start threads that each have their share of torch's threads.

        That number is set by the thread itself, but becomes the default of threads that start later, so it is set back
        as soon as all have started.
        """
        import torch

        before, share = torch.get_num_threads(), torch.get_num_threads() // self.size
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


class _ThreadState(threading.local):
    """Whether this thread stands in line, and until when."""

    is_cancelled: Callable[[], bool] | None = None


_POOL, _STATE = _ComputePool(), _ThreadState()
