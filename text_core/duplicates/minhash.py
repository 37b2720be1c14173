"""MinHash signatures (Broder 1997, "On the resemblance and containment of documents").

The share of places in which two signatures agree estimates the Jaccard similarity J of the two shingle sets, with
standard deviation √(J (1 − J) / permutations).

Permutation i orders shingles by `low · aᵢ + high · bᵢ mod 2³²`, where low and high are the halves of the 64-bit
shingle hash and aᵢ, bᵢ are odd: two 32-bit multiplications, eight to an AVX2 instruction. Why that suffices: the
shingle hash is well mixed, so under each single i the values of distinct shingles are uniform and independent, and
the estimate is unbiased. Only the independence between permutations rests on the multipliers; multiplication by a
random odd number, read from the high bits as a minimum does, is universal (Dietzfelbinger, Hagerup, Katajainen
and Penttonen 1997), and the test measures that the variance is the binomial one.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from sequitur.text_core.units.hashing import mix64
from sequitur.text_core.units.shingles import hash_shingle
from sequitur.text_core.units.words import WordTable

SIGNATURE_VERSION = 2  # raised when the same text gives another signature, by other words, shingles or permutations
SEED = 1  # of every run's, and not the run's own: signatures of different runs are compared with each other
_SPLITMIX_STEP = np.uint64(0x9E3779B97F4A7C15)


def signatures(words: WordTable, size: int = 5, permutations: int = 128, seed: int = 0) -> npt.NDArray[np.uint32]:
    """The MinHash signature of each of n documents' `size`-word shingles: uint32[n, permutations].

    Equal arguments give equal signatures on every machine; only signatures of equal size, permutations and seed
    (0 ≤ seed < 2⁶⁴) compare. A document without words has 0xFFFFFFFF in every place: leave such documents out of
    a comparison, for among themselves they agree. The cost is permutations × shingles.
    """
    if size < 1 or permutations < 1:
        raise ValueError(f"size and permutations must be at least 1, not {size} and {permutations}")
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must lie in [0, 2**64), not {seed}")
    result = np.full((len(words.document_offsets) - 1, permutations), 0xFFFFFFFF, dtype=np.uint32)
    _fill_signatures(words.hash, words.document_offsets, size, np.uint64(seed), result)
    return result


@njit(cache=True, nogil=True)
def _fill_signatures(
    word_hashes: npt.NDArray[np.uint64],
    document_offsets: npt.NDArray[np.int64],
    size: int,
    seed: np.uint64,
    result: npt.NDArray[np.uint32],
) -> None:
    a = np.empty(result.shape[1], dtype=np.uint32)
    b = np.empty(result.shape[1], dtype=np.uint32)
    for i in range(len(a)):
        multipliers = mix64(seed + np.uint64(i + 1) * _SPLITMIX_STEP)
        a[i] = np.uint32(multipliers) | np.uint32(1)
        b[i] = np.uint32(multipliers >> np.uint64(32)) | np.uint32(1)
    for document in range(len(document_offsets) - 1):
        first = document_offsets[document]
        length = min(size, document_offsets[document + 1] - first)
        if length == 0:
            continue
        last = document_offsets[document + 1] - length
        # Four shingles a pass over the signature save memory traffic; at the end the last one is repeated.
        for shingle in range(first, last + 1, 4):
            _lower(
                result[document],
                a,
                b,
                hash_shingle(word_hashes, shingle, length),
                hash_shingle(word_hashes, min(shingle + 1, last), length),
                hash_shingle(word_hashes, min(shingle + 2, last), length),
                hash_shingle(word_hashes, min(shingle + 3, last), length),
            )


@njit(cache=True, nogil=True)
def _lower(
    signature: npt.NDArray[np.uint32],
    a: npt.NDArray[np.uint32],
    b: npt.NDArray[np.uint32],
    shingle_0: np.uint64,
    shingle_1: np.uint64,
    shingle_2: np.uint64,
    shingle_3: np.uint64,
) -> None:
    """Lower each place of the signature to the least value of the four shingles there."""
    low_0, high_0 = np.uint32(shingle_0), np.uint32(shingle_0 >> np.uint64(32))
    low_1, high_1 = np.uint32(shingle_1), np.uint32(shingle_1 >> np.uint64(32))
    low_2, high_2 = np.uint32(shingle_2), np.uint32(shingle_2 >> np.uint64(32))
    low_3, high_3 = np.uint32(shingle_3), np.uint32(shingle_3 >> np.uint64(32))
    for i in range(len(signature)):
        least = min(
            min(np.uint32(low_0 * a[i] + high_0 * b[i]), np.uint32(low_1 * a[i] + high_1 * b[i])),
            min(np.uint32(low_2 * a[i] + high_2 * b[i]), np.uint32(low_3 * a[i] + high_3 * b[i])),
        )
        signature[i] = min(signature[i], least)
