"""The heaps of a process, counted by glibc itself."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_COUNTED = """
import ctypes, os, sys, threading
from vidcolor.memory import few_arenas

if sys.argv[1] == "few":
    few_arenas(2)
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fdopen.restype = ctypes.c_void_p
all_there = threading.Barrier(6)

def work():
    libc.malloc(1000)
    all_there.wait()

threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
read, write = os.pipe()
stream = ctypes.c_void_p(libc.fdopen(write, b"w"))
libc.malloc_info(0, stream)
libc.fclose(stream)
print(os.read(read, 1 << 16).decode().count("<heap nr="))
"""


def _heaps(how: str, **more: str) -> int:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")} | more
    words = [sys.executable, "-c", _COUNTED, how]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(
    "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}), reason="needs glibc"
)
def test_threads_share_two_heaps_and_a_wish_of_the_users_comes_first() -> None:
    assert _heaps("many") > 2
    assert _heaps("few") <= 2
    assert _heaps("few", MALLOC_ARENA_MAX="4") > 2
