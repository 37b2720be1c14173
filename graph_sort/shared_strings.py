"""Strings that a context holds twice: what each document shares with contexts, counted as documents come and go.

What a context saves literally is what stands in it more than once. With the strings of documents as sets, a context
repeats Σ over strings of (documents that hold it − 1, where any does): what the documents hold altogether, less the
different strings among it. A document that comes adds the strings that were there already, and one that leaves takes
away those which another holds, too: two sums over its own strings, whatever the context holds.

Strings are counted in a fixed number of places for each context, to which their hashes lead. Two strings in one place
count as one; with four places or more for each string that happens by chance to one in eight at most, alike in all
contexts. So memory is bounded, nothing is looked for, and all counts are exact sums of integers.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sequitur.graph_sort.documents import StringSets
from sequitur.graph_sort.kernels import kernel

PLACES = 4  # for each string of a context of the mean, at least
LEAST_BITS = 6  # of the number of a place, so that places fill words of 64 bits


class Shared(NamedTuple):
    """Which strings n documents hold, and which documents of c contexts hold them: this is changed in place.

    Contexts are asked a hundred times for each time that they change. So sets are bits in words of 64, which a
    processor counts in one instruction, and of which those of a context stay in its cache; a document names its words.
    """

    strings: NDArray[np.int64]  # [n], how many each document holds
    offsets: NDArray[np.int64]  # [n + 1]
    word: NDArray[np.uint32]  # those that hold bits of document i are word[offsets[i]:offsets[i + 1]], distinct
    bits: NDArray[np.uint64]  # and these are the bits, one for each of its places
    held: NDArray[np.uint16] | NDArray[np.uint32]  # [c, places], documents
    some: NDArray[np.uint64]  # [c, places / 64], bits: the places that a document holds
    several: NDArray[np.uint64]  # the same: those that two or more hold
    worth: np.int64  # of a string that a context holds another time, in the units of the objective


class Exchanged(NamedTuple):
    """What two contexts hold once a document has left one for the other, for those that might come back for it."""

    own: NDArray[np.uint64]  # [places / 64], bits: what the document holds
    gained: NDArray[np.uint64]  # what the context that it left holds
    lost: NDArray[np.uint64]  # what the other one holds more than once
    back: NDArray[np.uint64]  # what those hold that have come back; nothing between two questions
    again: NDArray[np.uint16]  # [places], how many of them hold it but for the first; 0 between two questions


def no_strings(documents: int) -> Shared:
    """Of documents of which none holds a string."""
    offsets, bits, held = np.zeros(documents + 1, np.int64), np.zeros((documents, 1), np.uint64), (documents, 64)
    word, own = np.empty(0, np.uint32), np.empty(0, np.uint64)
    return Shared(offsets[:-1], offsets, word, own, np.zeros(held, np.uint16), bits, bits.copy(), np.int64(0))


def counted(strings: StringSets, context: NDArray[np.int64], contexts: int, worth: int) -> Shared:
    """The strings of n documents of which each is in one of `contexts`: `context` int64 [n].

    Memory: 16 bytes a string, and 2.25 · PLACES to twice as much; 4.25 · PLACES to twice that from 2¹⁶ documents on.
    """
    offsets, hashes = _held_by_several(*strings, strings.hashes.size.bit_length() + 1)
    del strings  # of which most may be held by one document alone
    mean = hashes.size // max(contexts, 1)
    places_bits = max((PLACES * mean).bit_length(), LEAST_BITS)
    count, offsets, word, own = _words(offsets, hashes, places_bits)
    kind: type[np.uint16] | type[np.uint32] = np.uint16 if context.size < 2**16 else np.uint32
    held = np.zeros((contexts, 1 << places_bits), kind)
    some = np.zeros((contexts, 1 << places_bits - LEAST_BITS), np.uint64)
    shared = Shared(count, offsets, word, own, held, some, np.zeros_like(some), np.int64(worth))
    _add_all(shared, context)
    return shared


def memory_bytes(strings: int) -> int:
    """The most that counting so many strings takes, with their hashes, in contexts of fewer than 2¹⁶ documents."""
    return (8 + 4 + 12 + 4 * PLACES + PLACES // 2) * strings


@kernel
def _place(hash_: np.uint32, bits: int) -> np.uint64:
    """The first bits of hash × 2³² / golden ratio, modulo 2³²."""
    spread: np.uint64 = np.uint64(hash_) * np.uint64(0x9E3779B1) & np.uint64(0xFFFFFFFF)
    return spread >> np.uint64(32 - bits)


@kernel
def _bit(place: np.uint64) -> np.uint64:
    """That of a place in its word, which is place / 64."""
    return np.uint64(1) << (place & np.uint64(63))


@kernel
def _ones(x: np.uint64) -> np.int64:
    """How many bits are set. LLVM knows these lines, and makes one instruction of them."""
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64(x * np.uint64(0x0101010101010101) >> np.uint64(56))


@kernel
def _lowest(word: int, bits: np.uint64) -> np.uint64:
    """The place of the lowest bit that is set in a word."""
    return np.uint64(word) << np.uint64(6) | np.uint64(_ones((bits & (~bits + np.uint64(1))) - np.uint64(1)))


@njit(cache=True, nogil=True)
def _held_by_several(
    offsets: NDArray[np.int64], hashes: NDArray[np.uint32], bits: int
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Without the strings of one document alone, which no context can repeat; some stay that fall in with others."""
    found, begins = np.empty(hashes.size, np.uint32), np.zeros(offsets.size, np.int64)
    once = np.zeros((1 << bits) // 64 + 1, np.uint64)
    again = np.zeros_like(once)
    for hash_ in hashes:
        place = _place(hash_, bits)
        word = place >> np.uint64(6)
        again[word] |= once[word] & _bit(place)
        once[word] |= _bit(place)
    count = 0
    for x in range(offsets.size - 1):
        for hash_ in hashes[offsets[x] : offsets[x + 1]]:
            place = _place(hash_, bits)
            found[count] = hash_
            count += again[place >> np.uint64(6)] & _bit(place) != 0
        begins[x + 1] = count
    return begins, found[:count].copy()


@njit(cache=True, nogil=True)
def _words(
    offsets: NDArray[np.int64], hashes: NDArray[np.uint32], places_bits: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint32], NDArray[np.uint64]]:
    """Of each document how many places its strings have, and where its words begin; the words, and their bits."""
    word, bits = np.empty(hashes.size, np.uint32), np.empty(hashes.size, np.uint64)
    strings, begins = np.zeros(offsets.size - 1, np.int64), np.zeros(offsets.size, np.int64)
    own = np.zeros(1 << (places_bits - 6), np.uint64)
    count = 0
    for x in range(offsets.size - 1):
        for hash_ in hashes[offsets[x] : offsets[x + 1]]:
            place = _place(hash_, places_bits)
            at = place >> np.uint64(6)
            word[count] = at
            count += own[at] == 0
            own[at] |= _bit(place)
        for i in range(begins[x], count):
            bits[i] = own[word[i]]
            strings[x] += _ones(bits[i])
            own[word[i]] = 0
        begins[x + 1] = count
    return strings, begins, word[:count].copy(), bits[:count].copy()


@kernel
def _held_in(shared: Shared, x: int, context: NDArray[np.uint64]) -> np.int64:
    """What the strings of x are worth that are among those of a context."""
    words = shared.word[shared.offsets[x] : shared.offsets[x + 1]]
    bits = shared.bits[shared.offsets[x] : shared.offsets[x + 1]]
    total = np.int64(0)
    for i in range(words.size):
        total += _ones(bits[i] & context[words[i]])
    return np.int64(total * shared.worth)


@kernel
def gained(shared: Shared, x: int, context: int) -> np.int64:
    """What it is worth that x comes to a context: its strings that are there already."""
    return np.int64(_held_in(shared, x, shared.some[context]))


@kernel
def lost(shared: Shared, x: int, context: int) -> np.int64:
    """What it costs that x leaves its context: its strings that another document there holds, too."""
    return np.int64(_held_in(shared, x, shared.several[context]))


@kernel
def most(shared: Shared, x: int) -> np.int64:
    """The most that `gained` could be, in any context."""
    return np.int64(shared.strings[x] * shared.worth)


@njit(cache=True, nogil=True)
def nothing_exchanged(shared: Shared) -> Exchanged:
    """Room for what `exchange` tells."""
    words = shared.some.shape[1]
    four = np.zeros((4, words), np.uint64)
    return Exchanged(four[0], four[1], four[2], four[3], np.zeros(shared.held.shape[1], np.uint16))


@kernel
def exchange(shared: Shared, x: int, here: int, there: int, after: Exchanged) -> None:
    """What the contexts hold once x has left `here` for `there`, into `after`; they themselves are not changed."""
    own, stay, come = after.own, after.gained, after.lost
    own[:] = 0
    for i in range(shared.offsets[x], shared.offsets[x + 1]):
        own[shared.word[i]] = shared.bits[i]
    some, several = shared.some[here], shared.several[here]
    for word in range(own.size):
        stay[word] = several[word] | (some[word] & ~own[word])
    some, several = shared.some[there], shared.several[there]
    for word in range(own.size):
        come[word] = several[word] | (some[word] & own[word])


@kernel
def gained_back(shared: Shared, other: int, after: Exchanged) -> np.int64:
    """What it is worth that another document then comes back."""
    words = shared.word[shared.offsets[other] : shared.offsets[other + 1]]
    bits = shared.bits[shared.offsets[other] : shared.offsets[other + 1]]
    total = np.int64(0)
    for i in range(words.size):
        total += _ones(bits[i] & after.gained[words[i]]) - _ones(bits[i] & after.lost[words[i]])
    return np.int64(total * shared.worth)


@kernel
def gained_by_several(shared: Shared, others: NDArray[np.int64], there: int, after: Exchanged) -> np.int64:
    """What it is worth that several documents, distinct, then come back from the context `there`, one by one."""
    total = np.int64(0)
    for other in others:
        for i in range(shared.offsets[other], shared.offsets[other + 1]):
            word, bits = shared.word[i], shared.bits[i]
            total += _ones(bits & (after.gained[word] | after.back[word])) - _ones(bits & after.lost[word])
            met = bits & after.back[word]
            after.back[word] |= bits
            while met:
                place = _lowest(word, met)
                met &= met - np.uint64(1)
                after.again[place] += 1
                held = np.int64(shared.held[there, place]) + (after.own[word] & _bit(place) != 0)
                gone = np.int64(after.again[place])  # before this one: the first, and all others again
                total += after.lost[word] & _bit(place) != 0 and held - gone < 2
    for other in others:
        for i in range(shared.offsets[other], shared.offsets[other + 1]):
            word, met = shared.word[i], shared.bits[i]
            after.back[word] = 0
            while met:
                after.again[_lowest(word, met)] = 0
                met &= met - np.uint64(1)
    return np.int64(total * shared.worth)


@kernel
def _add_all(shared: Shared, context: NDArray[np.int64]) -> None:
    for x in range(context.size):
        add(shared, x, context[x])


@kernel
def add(shared: Shared, x: int, context: int) -> None:
    """x comes to a context."""
    for i in range(shared.offsets[x], shared.offsets[x + 1]):
        word, bits = shared.word[i], shared.bits[i]
        shared.several[context, word] |= shared.some[context, word] & bits
        shared.some[context, word] |= bits
        while bits:
            shared.held[context, _lowest(word, bits)] += 1
            bits &= bits - np.uint64(1)


@kernel
def move(shared: Shared, x: int, here: int, there: int) -> None:
    """x leaves the context `here` for `there`."""
    for i in range(shared.offsets[x], shared.offsets[x + 1]):
        word, bits = shared.word[i], shared.bits[i]
        while bits:
            place = _lowest(word, bits)
            bits &= bits - np.uint64(1)
            shared.held[here, place] -= 1
            if shared.held[here, place] < 2:
                shared.several[here, word] &= ~_bit(place)
            if shared.held[here, place] < 1:
                shared.some[here, word] &= ~_bit(place)
    add(shared, x, there)
