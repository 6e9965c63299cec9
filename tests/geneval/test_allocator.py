from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

from geneval.allocator import keep_freed_memory
from tests.geneval.jobs import ROOT

#: Bytes of anonymous memory mapped for a block of 64 MB: with the setting it comes from the heap instead.
SCRIPT = """
import ctypes
from geneval.allocator import keep_freed_memory
assert keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
size = 64 << 20
block = libc.malloc(size)
ctypes.memset(block, 1, size)
libc.free(block)
held = int(open("/proc/self/statm").read().split()[1]) * 4096
print(held >= size)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_freed_memory_is_kept() -> None:
    command = [sys.executable, "-c", SCRIPT]
    answer = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)
    assert answer.stdout == "True\n"


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not keep_freed_memory()
