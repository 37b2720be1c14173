"""Memory of this machine, and of this process."""

import ctypes
import os
import resource
import sys


def machine_bytes() -> int:
    """What this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def peak_bytes() -> int:
    """Largest resident size so far of this process, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def give_back() -> None:
    """Returns to the system what this process has freed, where its C library can: that of Linux keeps hundreds of
    megabytes after a stage, which the next would hold beside its own."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
