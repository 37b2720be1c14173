"""A hash of each text's content, equal for texts that differ in case and white space alone."""

import numpy as np
import numpy.typing as npt
import xxhash
from numba import njit

from sequitur.text_core.units.strings import Strings
from sequitur.text_core.units.unicode import NEWLINE, WHITE_SPACE, UnicodeTables, decode, encode, unicode_tables


def content_hashes(strings: Strings) -> npt.NDArray[np.uint8]:
    """The xxh3-128 digests (big-endian) of n normalised texts: uint8[n, 16].

    Normalised: case folded, each run of white space (line breaks included) one space, none at the ends. All empty
    texts share a hash. Reserves three bytes for every byte of text.
    """
    documents = len(strings.offsets) - 1
    # Folding widens a character by half at most (Ⱥ, 2 bytes, to ⱥ, 3), a stray byte to U+FFFD by 3.
    normalized = np.empty(3 * int(strings.offsets[-1] - strings.offsets[0]), dtype=np.uint8)
    ends = np.empty(documents, dtype=np.int64)
    _normalize(strings, unicode_tables(), normalized, ends)
    text = normalized.data
    digests = bytearray()
    start = 0
    for end in ends.tolist():
        digests += xxhash.xxh3_128_digest(text[start:end])
        start = end
    return np.frombuffer(digests, dtype=np.uint8).reshape(documents, 16)


@njit(cache=True, nogil=True)
def _normalize(
    strings: Strings,
    tables: UnicodeTables,
    normalized: npt.NDArray[np.uint8],
    ends: npt.NDArray[np.int64],
) -> None:
    offsets, data = strings
    classes, folded, _ = tables
    written = 0
    for document in range(len(offsets) - 1):
        position = offsets[document]
        end = offsets[document + 1]
        first = written
        space = False
        while position < end:
            code, width = decode(data, position, end)
            position += width
            if classes[code] == WHITE_SPACE or classes[code] == NEWLINE:
                space = written > first
                continue
            if space:
                written = encode(0x20, normalized, written)
                space = False
            written = encode(folded[code], normalized, written)
        ends[document] = written
