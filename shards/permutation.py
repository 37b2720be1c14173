"""`feistel-v1`: a keyed pseudo-random permutation of 0 … n-1 that needs no table.

Position i of a shuffle of n rows is computed alone, in O(1) time and memory, from (n, seed, i): no index
cache, no barrier at start-up, and the same answer on every machine. Manifests record the algorithm by name,
so its definition must never change; another definition takes another name.

Definition, over unsigned 64-bit integers with wrap-around:

1. Domain: b = max(4, bit length of n-1), plus 1 if odd; h = b/2. So n ≤ 2^b ≤ max(16, 4n).
2. Mixer: mix(x) is the finaliser of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014; constants of Stafford's
   "Mix13"): x ^= x>>30; x *= 0xBF58476D1CE4E5B9; x ^= x>>27; x *= 0x94D049BB133111EB; x ^= x>>31.
3. Round keys, r = 0 … 7: key[r] = mix(mix(seed + G) ^ mix(n + (r+1)·G)), G = 0x9E3779B97F4A7C15.
4. Balanced Feistel network (Luby & Rackoff, SIAM J. Comput. 17(2), 1988) on x = L·2^h + R, 8 rounds:
   (L, R) becomes (R, L ^ (mix(R ^ key[r]) >> (64 - h))).
5. Cycle walking (Black & Rogaway, CT-RSA 2002): repeat step 4 while the result is ≥ n; fewer than four times
   on average for n > 4.

It scatters well; it is not cryptography.
"""

from typing import TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

ALGORITHM = "feistel-v1"
N_ROUNDS = 8
_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1

_U64: TypeAlias = NDArray[np.uint64]


@overload
def permute(index: int, n: int, seed: int) -> int: ...
@overload
def permute(index: ArrayLike, n: int, seed: int) -> NDArray[np.int64]: ...
def permute(index: ArrayLike, n: int, seed: int) -> int | NDArray[np.int64]:
    """Where the permutation of 0 … n-1 keyed by `seed` sends `index`.

    `index` is an int or an integer array of any shape, 0 ≤ index < n; n is 1 … 2^63; seed is 0 … 2^64-1.
    Returns an int, or an int64 array of the same shape. Raises ValueError outside these ranges. About 0.3
    µs per element.
    """
    return _walk(index, n, seed, forward=True)


@overload
def invert(index: int, n: int, seed: int) -> int: ...
@overload
def invert(index: ArrayLike, n: int, seed: int) -> NDArray[np.int64]: ...
def invert(index: ArrayLike, n: int, seed: int) -> int | NDArray[np.int64]:
    """The inverse of `permute`: `invert(permute(i, n, seed), n, seed) == i`. Same arguments, errors and
    cost."""
    return _walk(index, n, seed, forward=False)


def _walk(index: ArrayLike, n: int, seed: int, *, forward: bool) -> int | NDArray[np.int64]:
    if not 1 <= n <= 1 << 63:
        raise ValueError(f"n must be 1 … 2^63, got {n}")
    if not 0 <= seed <= _MASK:
        raise ValueError(f"seed must be 0 … 2^64-1, got {seed}")
    given = np.asarray(index)
    if given.size and given.dtype.kind not in "iu":
        raise ValueError(f"index must be integers, got {given.dtype}")
    if given.size and (int(given.min()) < 0 or int(given.max()) >= n):
        raise ValueError(f"index must be 0 … {n - 1}, got {given.min()} … {given.max()}")

    half = max(4, (n - 1).bit_length() + 1 & ~1) // 2
    keys = _round_keys(n, seed)
    x = given.astype(np.uint64).ravel()
    outside = np.arange(len(x))
    while len(outside):
        x[outside] = _feistel(x[outside], half, keys) if forward else _unfeistel(x[outside], half, keys)
        outside = outside[x[outside] >= n]
    result = x.astype(np.int64).reshape(given.shape)
    return int(result) if isinstance(index, int | np.integer) else result


def _round_keys(n: int, seed: int) -> list[np.uint64]:
    inputs = [seed + _GOLDEN] + [n + (r + 1) * _GOLDEN for r in range(N_ROUNDS)]
    mixed = _mix(np.array([value & _MASK for value in inputs], dtype=np.uint64))
    return list(_mix(mixed[:1] ^ mixed[1:]))


def _feistel(x: _U64, half: int, keys: list[np.uint64]) -> _U64:
    left, right = _split(x, half)
    for key in keys:
        left, right = right, left ^ (_mix(right ^ key) >> np.uint64(64 - half))
    return (left << np.uint64(half)) | right


def _unfeistel(x: _U64, half: int, keys: list[np.uint64]) -> _U64:
    left, right = _split(x, half)
    for key in reversed(keys):
        left, right = right ^ (_mix(left ^ key) >> np.uint64(64 - half)), left
    return (left << np.uint64(half)) | right


def _split(x: _U64, half: int) -> tuple[_U64, _U64]:
    return x >> np.uint64(half), x & np.uint64((1 << half) - 1)


def _mix(x: _U64) -> _U64:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
