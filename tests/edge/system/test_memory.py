"""Freed memory goes back to the operating system."""

import platform
import subprocess
import sys

import pytest

from anura_edge.system.hardware import memory_bytes

PROGRAM = """
from anura_edge.system.hardware import memory_bytes
from anura_edge.system.memory import release_freed_memory
blocks = [bytes(50_000) for _ in range(2_000)]
blocks = blocks[-1]  # the block at the end keeps all the others in the process
kept = memory_bytes()
release_freed_memory()
print(kept - memory_bytes())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed memory")
def test_freed_memory_is_returned() -> None:
    assert memory_bytes()
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 50e6
