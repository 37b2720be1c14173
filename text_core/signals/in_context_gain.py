"""In-context gain: how much cheaper a document becomes to compress once the documents before it are known.

A compressor shows, without any training, the literal part of what a language model gains from a context. It sees
repeated strings, not paraphrase: a measure to report beside cosines, not instead of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import zstandard
from numpy.typing import NDArray

LEVEL = 12


class Gain(NamedTuple):
    """1 − Σ C(d | earlier documents of its context) / Σ C(d), over all documents but the first of each context."""

    gain: float  # NaN where no context has two documents
    error: float  # standard error over the contexts; NaN below two contexts


def compressed_sizes(context: Sequence[bytes]) -> tuple[int, int]:
    """Bytes of the documents of a context but the first: each given all before it, and each alone.

    C is the size of a zstd frame of level 12, the earlier documents as a raw-content dictionary. The frame's window
    is as long as the document, so the whole dictionary is seen; but of more than 8 MiB of earlier documents only the
    last may be, and none by what follows the first 4 MiB of a document. Cost: the dictionary is indexed anew for every
    document, so O(documents × bytes); 6 documents of 27 kB together take 10 ms on one core.
    """
    alone = zstandard.ZstdCompressor(level=LEVEL, write_content_size=False)
    given = by_itself = 0
    earlier = bytearray(context[0] if context else b"")
    for document in context[1:]:
        by_itself += len(alone.compress(document))
        given += len(_knowing(bytes(earlier)).compress(document))
        earlier += document
    return given, by_itself


def _knowing(earlier: bytes) -> zstandard.ZstdCompressor:
    dictionary = zstandard.ZstdCompressionDict(earlier, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return zstandard.ZstdCompressor(level=LEVEL, dict_data=dictionary, write_content_size=False)


def gain(sizes: NDArray[np.int64]) -> Gain:
    """The gain over contexts from `compressed_sizes` of each, int64 [c, 2].

    The error is that of a ratio of means over independent contexts (Cochran, Sampling Techniques, 3rd ed., 2.11).
    """
    given, alone = sizes.sum(axis=0, dtype=np.float64) if sizes.size else (0.0, 0.0)
    if alone == 0:
        return Gain(float("nan"), float("nan"))
    ratio = given / alone
    count = len(sizes)
    if count < 2:
        return Gain(float(1 - ratio), float("nan"))
    residual = sizes[:, 0] - ratio * sizes[:, 1]
    error = np.sqrt(np.sum(residual**2) * count / (count - 1)) / alone
    return Gain(float(1 - ratio), float(error))
