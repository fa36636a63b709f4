"""What the hardware gives to encoders that compute with torch: a device, lower precision, all cores without quarrels.

torch is imported when a function needs it, and not before.
"""

from __future__ import annotations

import functools
import platform
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vicinal.errors import DependencyMissing
from vicinal.malloc import keep_freed

if TYPE_CHECKING:
    import torch

__all__ = ["MOST_SIDE_BY_SIDE", "Device", "Precision", "has_quick_bfloat16", "side_by_side", "torch_device"]

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16"]

MOST_SIDE_BY_SIDE = 8


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


@functools.cache
def side_by_side() -> ThreadPoolExecutor:
    """Threads on which a CPU computes batches, shared by all encoders of the process; one a core, at most eight.

    Each uses few of torch's own threads: batches that share all cores wait for each other after every layer, and all
    the more so while other threads want the cores too. The number of torch's threads that a thread uses is set by the
    thread itself, but becomes the default of threads that start later, so it is set back as soon as all have started.
    """
    import torch

    keep_freed()
    before = torch.get_num_threads()
    workers = min(before, MOST_SIDE_BY_SIDE)
    started = threading.Barrier(workers + 1)

    def start() -> None:
        torch.get_num_threads()  # takes over the default, which would otherwise happen later and undo the next line
        torch.set_num_threads(before // workers)
        started.wait()

    pool = ThreadPoolExecutor(workers, "vicinal-compute", initializer=start)
    for _ in range(workers):
        pool.submit(int)
    started.wait()
    torch.set_num_threads(before)
    return pool
