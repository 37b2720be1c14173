"""Memory is told in bytes, of this machine and of this process, and is given back."""

import platform

import psutil
import pytest

from sequitur.pipeline.memory import give_back, machine_bytes, peak_bytes


def test_memory_is_in_bytes() -> None:
    assert 2**25 < peak_bytes() < machine_bytes() < 2**50


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries give back by themselves")
def test_what_was_freed_goes_back_to_the_system() -> None:
    blocks = [bytearray(60_000) for _ in range(3000)]
    above = bytearray(60_000)  # without it the C library would see that all of its end is free
    del blocks
    kept = psutil.Process().memory_info().rss
    give_back()

    assert kept - psutil.Process().memory_info().rss > 100e6
    assert len(above) == 60_000
