"""What a token is told by: a hash of its bytes, its length, and whether it holds letters or symbols alone.

The hash is a polynomial of the bytes modulo 2⁶⁴ (Karp and Rabin 1987), so that the hash of several tokens end to end
follows from theirs. Eight bytes are read at a time: few tokens are longer, and no processor foretells where a loop over
the bytes of each would end.
"""

import numpy as np
import numpy.typing as npt

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.hashing import POLYNOMIAL_BASE, word_at
from sequitur.text_core.units.kernels import kernel
from sequitur.text_core.units.unicode import ALPHABETIC, SYMBOL, decode

_BYTE, _HIGH_BITS = np.uint64(0xFF), np.uint64(0x8080808080808080)
# The powers of the bytes of a word, and their sums: 1 is added to each byte, so that a NUL is told from none.
_POWERS = read_only([pow(int(POLYNOMIAL_BASE), i, 2**64) for i in range(8)], np.uint64)
_ONES = read_only([sum(pow(int(POLYNOMIAL_BASE), i) for i in range(size)) % 2**64 for size in range(9)], np.uint64)
_BASE_8 = np.uint64(pow(int(POLYNOMIAL_BASE), 8, 2**64))


@kernel
def fill_hashes(
    data: npt.NDArray[np.uint8],
    kinds: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    hashes: npt.NDArray[np.uint64],
    chars: npt.NDArray[np.int32],
    is_word: npt.NDArray[np.bool_],
    is_alphabetic: npt.NDArray[np.bool_],
) -> None:
    """Hash t tokens, count their code points and tell what they hold, as `TokenTable` has it: all arrays are [t]."""
    for token in range(len(starts)):
        start, end = starts[token], ends[token]
        length = end - start
        value, scale, beyond_ascii = np.uint64(0), np.uint64(1), np.uint64(0)
        bits = 0  # of no SYMBOL, of a letter
        for position in range(start, end, 8):
            size = min(end - position, 8)
            word = word_at(data, position, size)
            beyond_ascii |= word & _HIGH_BITS
            value += (_polynomial(word) + _ONES[size]) * scale
            scale *= _BASE_8
            bits |= _bits_of_ascii(word, kinds)
        if beyond_ascii:
            bits, length = _bits_and_length(data, start, end, kinds)
        hashes[token] = value
        chars[token] = length
        is_word[token] = bits & SYMBOL != 0
        is_alphabetic[token] = bits & ALPHABETIC != 0


@kernel
def _polynomial(word: np.uint64) -> np.uint64:
    """Of the bytes of a word."""
    value = np.uint64(0)
    for i in range(8):  # without a branch: few tokens are as long as the one before them
        value += (word >> np.uint64(8 * i) & _BYTE) * _POWERS[i]
    return value


@kernel
def _bits_of_ascii(word: np.uint64, kinds: npt.NDArray[np.uint8]) -> int:
    """SYMBOL where one of 8 ASCII characters is none, and ALPHABETIC where one is a letter. A NUL is neither."""
    bits = 0
    for i in range(8):
        bits |= kinds[word >> np.uint64(8 * i) & _BYTE] ^ SYMBOL
    return bits


@kernel
def _bits_and_length(
    data: npt.NDArray[np.uint8], position: int, end: int, kinds: npt.NDArray[np.uint8]
) -> tuple[int, int]:
    """The same for any characters, and how many they are."""
    bits = length = 0
    while position < end:
        code, width = decode(data, position, end)
        bits |= kinds[code] ^ SYMBOL
        position += width
        length += 1
    return bits, length
