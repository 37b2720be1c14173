"""The 64-bit hashing that words, tokens, lines, shingles and bands share. Not cryptographic."""

import numpy as np
import numpy.typing as npt

from sequitur.text_core.units.kernels import kernel


@kernel
def mix64(value: np.uint64) -> np.uint64:
    """Spread every bit of a uint64 over all 64: the finaliser `fmix64` of MurmurHash3 (Appleby, 2011); a bijection."""
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))


# Of polynomials: from MMIX's linear congruential generator (Knuth); any large odd number does.
POLYNOMIAL_BASE = np.uint64(6364136223846793005)

_ALL_BITS, _BYTE_BITS = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(8)


@kernel
def word_at(data: npt.NDArray[np.uint8], position: int, size: int) -> np.uint64:
    """The 1 to 8 bytes from `position` on as a number, the first the lowest: one load where eight are there to read."""
    if position + 8 > len(data):
        last: np.uint64 = _last_word(data, position, size)
        return last
    place = np.uint64(position)  # unsigned: an index that may be negative is looked at first
    word = np.uint64(data[place])
    for i in range(1, 8):  # the compiler makes one of them
        word |= np.uint64(data[place + np.uint64(i)]) << np.uint64(8 * i)
    return word & (_ALL_BITS >> np.uint64(64 - 8 * size))


@kernel
def _last_word(data: npt.NDArray[np.uint8], position: int, size: int) -> np.uint64:
    word = np.uint64(0)
    for i in range(position + size - 1, position - 1, -1):
        word = word << _BYTE_BITS | np.uint64(data[i])
    return word
