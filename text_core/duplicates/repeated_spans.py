"""Spans of tokens that occur more than once in a corpus, by a suffix array.

After Lee, Ippolito, Nystrom, Zhang, Eck, Callison-Burch and Carlini (ACL 2022, "Deduplicating Training Data Makes
Language Models Better", 4.1): sorted by what follows them, equal stretches of the token stream become neighbours. The
suffix array is libdivsufsort's (Mori), over the bytes of the tokens, of which only the places where a token begins
are kept; each token is compared with its neighbour in that order, so no array of common prefixes is held.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit
from pydivsufsort import divsufsort

from sequitur.text_core.units.arrays import read_only

_LARGEST_INT32 = 2**31 - 1


class Spans(NamedTuple):
    """s spans of tokens that stand earlier in the corpus, too; int64[s] each, by document and start.

    Two of one document may overlap, by fewer tokens than the shortest span has; none holds another.
    """

    document: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]  # tokens before it in its document
    length: npt.NDArray[np.int64]  # tokens
    source: npt.NDArray[np.int64]  # the document in which its beginning occurs first; it may be the same one
    source_start: npt.NDArray[np.int64]  # tokens before it there


def memory_bytes(tokens: int, width: int) -> int:
    """Bytes that `repeated_spans` and its input take for so many tokens of `width` bytes: 10 a token of uint16.

    That is the tokens and an index for each of their bytes: int32, from 2³¹ bytes on int64.
    """
    size = tokens * width
    return size * (1 + (4 if size <= _LARGEST_INT32 else 8))


def repeated_spans(tokens: npt.NDArray[np.unsignedinteger], offsets: npt.NDArray[np.int64], length: int) -> Spans:
    """The stretches of n documents whose every `length` successive tokens stand earlier in the corpus, too.

    A document ends with a token that belongs to no span, and a span lies within one document. Of equal spans the first
    one, by place in the stream, is not listed; nor is one that overlaps it, so that a run of one token is not lost
    whole. A listed span is continued as long as it agrees with its source.

    Args:
        tokens: the stream, contiguous, uint16[t] or uint32[t]; uint16 takes half the memory. Where it is read-only,
            which the library cannot take, it is copied.
        offsets: int64[n + 1]; document i is `tokens[offsets[i]:offsets[i + 1]]`, its last token the end of it.
        length: tokens of the shortest span, at least 2.

    The memory is `memory_bytes`, and 80 bytes a span. Beside the sorting, which is O(t log t) at worst, it takes at
    most `length` comparisons a token to group equal stretches, and one or so to continue them. Raises ValueError for
    another dtype, layout or length.
    """
    if length < 2:
        raise ValueError(f"a span has at least 2 tokens, not {length}")
    if tokens.dtype not in (np.uint16, np.uint32) or not tokens.flags.c_contiguous:
        raise ValueError(f"tokens must be a contiguous array of uint16 or uint32, not of {tokens.dtype}")
    offsets = read_only(offsets, np.int64)
    if not len(tokens):
        return Spans(*(np.empty(0, dtype=np.int64) for _ in Spans._fields))
    order = divsufsort(tokens.view(np.uint8) if tokens.flags.writeable else tokens.view(np.uint8).copy())
    _keep_starts(order, tokens.itemsize)
    # The array has an entry for each byte, at least two for each token: room for another array over the tokens.
    order, first = order[: len(tokens)], order[len(tokens) : 2 * len(tokens)]
    tokens = read_only(tokens, tokens.dtype)
    _find_first(tokens, offsets, order, length, first)
    found = np.empty((4, 0), dtype=np.int64)
    found = np.empty((4, _fill_spans(tokens, offsets, first, length, found)), dtype=np.int64)
    _fill_spans(tokens, offsets, first, length, found)
    document, start, size, source_place = found
    source = np.searchsorted(offsets, source_place, side="right") - 1
    return Spans(document, start - offsets[document], size, source, source_place - offsets[source])


def covered(
    offsets: npt.NDArray[np.int64],
    document: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
    length: npt.NDArray[np.int64],
) -> npt.NDArray[np.bool_]:
    """Which tokens of some documents lie in spans: bool[offsets[-1]]. Spans may overlap, and come in any order."""
    begin = offsets[document] + start
    depth = np.zeros(int(offsets[-1]) + 1, dtype=np.int32)
    np.add.at(depth, begin, 1)
    np.add.at(depth, begin + length, -1)
    inside: npt.NDArray[np.bool_] = np.cumsum(depth[:-1], out=depth[:-1]) > 0
    return inside


@njit(cache=True, nogil=True)
def _keep_starts(order: npt.NDArray[np.signedinteger], width: int) -> None:
    """Turn the order of bytes into the order of tokens of `width` bytes, in its first places."""
    mask = width - 1  # a width is 2 or 4
    shift = width >> 1  # … and its logarithm 1 or 2
    count = 0
    for i in range(len(order)):
        place = order[i]
        if place & mask == 0:
            order[count] = place >> shift
            count += 1


@njit(cache=True, nogil=True)
def _find_first(
    tokens: npt.NDArray[np.unsignedinteger],
    offsets: npt.NDArray[np.int64],
    order: npt.NDArray[np.signedinteger],
    length: int,
    first: npt.NDArray[np.signedinteger],
) -> None:
    """Fill `first`: where the `length` tokens from each place on occur first, −1 where they occur once.

    Also −1 where they do not lie within a document.
    """
    first[:] = -1
    begin = 0
    for end in range(1, len(order) + 1):
        if end < len(order) and _agree(tokens, order[end - 1], order[end], length):
            continue
        if end - begin > 1:
            # order[begin:end] are the places from which on the same `length` tokens stand: those that lie within a
            # document are put to the front.
            members = 0
            for i in range(begin, end):
                place = order[i]
                if place + length < offsets[np.searchsorted(offsets, place, side="right")]:
                    order[begin + members] = place
                    members += 1
            if members > 1:
                first[order[begin : begin + members]] = order[begin : begin + members].min()
        begin = end


@njit(cache=True, nogil=True)
def _agree(tokens: npt.NDArray[np.unsignedinteger], a: int, b: int, length: int) -> bool:
    """Whether the same `length` tokens begin at both places."""
    if max(a, b) + length > len(tokens):
        return False
    i = 0
    while i < length and tokens[a + i] == tokens[b + i]:
        i += 1
    return i == length


@njit(cache=True, nogil=True)
def _fill_spans(
    tokens: npt.NDArray[np.unsignedinteger],
    offsets: npt.NDArray[np.int64],
    first: npt.NDArray[np.signedinteger],
    length: int,
    found: npt.NDArray[np.int64],
) -> int:
    """Write document, place, length and source place of as many spans as `found` has columns; return how many are."""
    count = 0
    for document in range(len(offsets) - 1):
        stop = offsets[document + 1] - 1
        reached = offsets[document]  # the end of the last span
        for place in range(offsets[document], stop - length + 1):
            source = first[place]
            if source < 0 or source + length > place or place + length <= reached:
                continue
            source_stop = offsets[np.searchsorted(offsets, source, side="right")] - 1
            size = length
            while place + size < stop and source + size < source_stop and tokens[place + size] == tokens[source + size]:
                size += 1
            reached = place + size
            if count < found.shape[1]:
                found[0, count] = document
                found[1, count] = place
                found[2, count] = size
                found[3, count] = source
            count += 1
    return count
