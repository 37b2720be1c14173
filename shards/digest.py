"""Order-independent digests of rows: equal when the same contexts are there, each as often, in whatever
order.

The digest of a row is BLAKE2b (RFC 7693) with a 16-byte result over `num_tokens` and
`input_ids[:num_tokens]`, each a little-endian uint32, without key, salt or separators. Only what every
export keeps is in it: neither pads nor provenance. The digest of a set of rows is the sum of its rows'
digests, read as little-endian integers, mod 2^128, written as 32 hex digits. A sum, unlike an exclusive or,
also notices a row that is there twice.
"""

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

_MODULUS = 1 << 128


def row_digests(input_ids: NDArray[np.uint32], num_tokens: NDArray[np.uint32]) -> Iterator[int]:
    """The digest of each row, as an integer below 2^128. `input_ids` is uint32 (rows, S), `num_tokens`
    uint32 (rows,).

    About 1 GB/s: one hash object per row, none per token.
    """
    tokens = np.ascontiguousarray(input_ids, dtype="<u4")
    lengths = np.ascontiguousarray(num_tokens, dtype="<u4")
    for i, length in enumerate(lengths.tolist()):
        state = hashlib.blake2b(lengths[i : i + 1].data, digest_size=16)
        state.update(tokens[i, :length].data)
        yield int.from_bytes(state.digest(), "little")


def row_digest_sum(input_ids: NDArray[np.uint32], num_tokens: NDArray[np.uint32]) -> str:
    """The digest of a set of rows, as 32 hex digits. Arguments as for `row_digests`."""
    return _hex(sum(row_digests(input_ids, num_tokens)))


def add_digests(digests: Iterable[str]) -> str:
    """The digest of a union of sets of rows, from the hex digests of each; of no set, zero."""
    return _hex(sum(int(digest, 16) for digest in digests))


def _hex(value: int) -> str:
    return f"{value % _MODULUS:032x}"
