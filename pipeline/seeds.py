"""Seeds, all derived from the one of the configuration."""

import hashlib


def derived_seed(seed: int, *names: str) -> int:
    """A 63-bit seed for what `names` say, by hash: the same on every machine, and unlike that of any other names."""
    digest = hashlib.sha256("\0".join([str(seed), *names]).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
