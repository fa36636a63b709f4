"""Memory that one batch has freed is there for the next one."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

BLOCKS, SIZE = 20, 24 * 1024 * 1024
PAGES = BLOCKS * SIZE // os.sysconf("SC_PAGE_SIZE")
FAULTS = f"""
import ctypes, resource, threading
from vicinal.toolkit.malloc import limit_arenas, retain_freed_memory

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes, libc.memset.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

def use(times):
    for _ in range(times):
        pair = libc.malloc({SIZE}), libc.malloc({SIZE})
        for block in pair:
            libc.memset(block, 1, {SIZE})
        for block in pair:
            libc.free(block)

def work():
    use(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    use({BLOCKS // 2})
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

limit_arenas()
{{keep}}
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


INGEST = """
from vicinal import Solution
with Solution.from_yaml("molecules.yaml") as molecules:
    assert molecules.ingest().new == 1
"""


def count_faults(keep="retain_freed_memory()", where=None, **environment):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")} | environment
    program = FAULTS.replace("{keep}", keep)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment, cwd=where
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
class TestRetainFreedMemory:
    def test_thread_gets_the_same_pages_again(self):
        assert count_faults() < PAGES / 50

    def test_every_run_retains_freed_memory(self, tmp_path):
        (tmp_path / "molecules.csv").write_text("name,smiles\nethanol,CCO\n")
        (tmp_path / "molecules.yaml").write_text(
            "name: molecules\nsource: {type: table, path: molecules.csv, key: name, content: smiles}\n"
            "encoder: {type: morgan}\n"
        )
        assert count_faults("pass", tmp_path) > PAGES / 50
        assert count_faults(INGEST, tmp_path) < PAGES / 50

    def test_environment_variables_take_precedence(self):
        variables = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TOP_PAD_": "0", "MALLOC_TRIM_THRESHOLD_": "131072"}
        assert count_faults(**variables) > PAGES / 2
