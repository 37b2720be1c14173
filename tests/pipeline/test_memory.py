"""Memory is told in bytes, of this machine and of this process."""

from sequitur.pipeline.memory import machine_bytes, peak_bytes


def test_memory_is_in_bytes() -> None:
    assert 2**25 < peak_bytes() < machine_bytes() < 2**50
