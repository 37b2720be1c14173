"""The 64-bit mixing that word, shingle and band hashes share. Not cryptographic."""

import numpy as np

from sequitur.text_core.units.kernels import kernel


@kernel
def mix64(value: np.uint64) -> np.uint64:
    """Spread every bit of a uint64 over all 64: the finaliser `fmix64` of MurmurHash3 (Appleby, 2011); a bijection."""
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))
