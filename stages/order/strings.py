"""The strings of documents that contexts are to share: pairs of tokens that follow each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sequitur.graph_sort.documents import StringSets
from sequitur.text_core.units.offsets import offsets_of
from sequitur.text_core.units.shingles import token_shingle_sets

STRING_TOKENS, STRING_BYTES = 2, 8  # in a string: tokens of several bytes, or of one
BYTES_ALONE = 512  # ids or more: tokens have several bytes
BLOCK_TOKENS = 2**20  # at a time
BLOCK_MEMORY = 40 * BLOCK_TOKENS  # bytes
Read = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Of some of the documents, int64 [s], and of how many tokens each, int64 [s]: offsets int64 [s + 1], uint32 ids."""


class Strings(NamedTuple):
    """Which strings are asked for; of tokens that are bytes, as many follow each other as are in a pair elsewhere."""

    vocabulary: int  # ids
    context_length: int

    def of(self, lengths: np.ndarray, every: int, read: Read) -> StringSets:
        """Those of documents of `lengths` int64 [n] whose hash `every` divides; of one longer than a context, in
        `length % context_length` tokens, which `read` reads of its one end or the other.

        Tokens are read BLOCK_TOKENS at a time, or as a document has. Memory: BLOCK_MEMORY, and 8 bytes a string kept.
        """
        size = STRING_BYTES if self.vocabulary < BYTES_ALONE else STRING_TOKENS
        shared = np.where(lengths > self.context_length, lengths % self.context_length, lengths)
        of_block = np.cumsum(shared) // BLOCK_TOKENS
        counts, hashes = [np.empty(0, np.int64)], [np.empty(0, np.uint32)]
        for some in np.split(np.arange(len(lengths)), np.flatnonzero(np.diff(of_block)) + 1):
            found = token_shingle_sets(*read(some, shared[some]), size, every)
            counts.append(np.diff(found.offsets))
            hashes.append(found.hashes.astype(np.uint32))
        return StringSets(offsets_of(np.concatenate(counts)), np.concatenate(hashes))
