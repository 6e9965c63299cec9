from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

from tests.real_environments import ROOT
from wire.allocator import keep_freed_memory, return_freed_memory

#: Whether the process holds 64 MB that it has freed: as it is, kept, and after giving back.
SCRIPT = """
import ctypes, resource
from wire.allocator import keep_freed_memory, return_freed_memory
libc, size = ctypes.CDLL(None), 64 << 20
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]

def held():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() >= size

def use():
    block = libc.malloc(size)
    ctypes.memset(block, 1, size)
    libc.free(block)
    return held()

print(use(), keep_freed_memory(), use(), return_freed_memory(), held())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="settings of glibc")
def test_freed_memory_is_kept_until_it_is_returned() -> None:
    command = [sys.executable, "-c", SCRIPT]
    answer = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)
    assert answer.stdout == "False True True True False\n"


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not keep_freed_memory()
    assert not return_freed_memory()
