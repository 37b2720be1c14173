"""How much of a document is words and phrases of a list, such as one of offensive words.

| signal | dtype | formula | source |
|---|---|---|---|
| listed_word_share | float32 | words in listed words and phrases / words; 0 without words | RedPajama-V2, as a share |

Words are those of `words.py`, in any case, here and in the list: what stands between the words of a phrase does not
matter. Of two phrases that overlap, the words of both count, each word once.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.hashing import mix64
from sequitur.text_core.units.strings import composed, from_arrow
from sequitur.text_core.units.words import WordTable, word_table

_ONE = np.uint64(1)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ / golden ratio: spreads the node numbers


class ListedWords(NamedTuple):
    """The entries as a trie of words, whose edges stand in one hash table with open addressing.

    Node 0 is the root. Slot i holds the edge that leaves node `parent[i]` with the word of hash `word[i]` for node
    `child[i]`, which is −1 where the slot is free; the number of slots is a power of two.
    """

    parent: npt.NDArray[np.int64]
    word: npt.NDArray[np.uint64]
    child: npt.NDArray[np.int64]
    is_entry: npt.NDArray[np.bool_]  # [nodes], whether the words from the root to this node are an entry
    entries: int  # that differ
    ignored: int  # lines without a word, and repeated entries


def read_list(lines: Iterable[str]) -> ListedWords:
    """A list with a word or a phrase a line.

    Lines without a word, and entries that stand there already, are ignored and counted. Costs about a microsecond, and
    50 to 100 bytes, for each word of the list.
    """
    table = word_table(from_arrow(composed(pa.array(lines, pa.large_string()))))
    hashes, offsets = table.hash.tolist(), table.document_offsets.tolist()
    edges: dict[tuple[int, int], int] = {}
    last_nodes: set[int] = set()
    for start, end in pairwise(offsets):
        node = 0
        for value in hashes[start:end]:
            node = edges.setdefault((node, value), len(edges) + 1)
        last_nodes.add(node)
    last_nodes.discard(0)
    is_entry = np.zeros(len(edges) + 1, dtype=np.bool_)
    is_entry[list(last_nodes)] = True
    slots = 1 << (2 * len(edges) + 1).bit_length()
    listed = ListedWords(
        np.zeros(slots, dtype=np.int64),
        np.zeros(slots, dtype=np.uint64),
        np.full(slots, -1, dtype=np.int64),
        is_entry,
        len(last_nodes),
        len(offsets) - 1 - len(last_nodes),
    )
    _insert(
        np.array([node for node, _ in edges], dtype=np.int64),
        np.array([value for _, value in edges], dtype=np.uint64),
        np.array(list(edges.values()), dtype=np.int64),
        listed.parent,
        listed.word,
        listed.child,
    )
    return listed


def listed_word_signals(words: WordTable, listed: ListedWords) -> dict[str, npt.NDArray[np.float32]]:
    """The signal of the table above for n documents, an array [n]; one look-up a word, more only inside phrases."""
    counts = np.zeros(len(words.document_offsets) - 1, dtype=np.int64)
    _count_listed(
        words,
        read_only(listed.parent, np.int64),
        read_only(listed.word, np.uint64),
        read_only(listed.child, np.int64),
        read_only(listed.is_entry, np.bool_),
        counts,
    )
    totals = np.diff(words.document_offsets)
    share = np.divide(counts, totals, out=np.zeros(len(counts), dtype=np.float64), where=totals > 0)
    return {"listed_word_share": share.astype(np.float32)}


@njit(cache=True, nogil=True)
def _slot_of(
    node: int,
    value: np.uint64,
    parents: npt.NDArray[np.int64],
    words: npt.NDArray[np.uint64],
    children: npt.NDArray[np.int64],
) -> np.uint64:
    """The slot of an edge, or the free one where it belongs."""
    mask = np.uint64(len(children) - 1)
    slot: np.uint64 = mix64(value + np.uint64(node) * _GOLDEN) & mask
    while children[slot] >= 0 and (parents[slot] != node or words[slot] != value):
        slot = (slot + _ONE) & mask
    return slot


@njit(cache=True, nogil=True)
def _insert(
    nodes: npt.NDArray[np.int64],
    values: npt.NDArray[np.uint64],
    targets: npt.NDArray[np.int64],
    parents: npt.NDArray[np.int64],
    words: npt.NDArray[np.uint64],
    children: npt.NDArray[np.int64],
) -> None:
    for edge in range(len(nodes)):
        slot = _slot_of(nodes[edge], values[edge], parents, words, children)
        parents[slot] = nodes[edge]
        words[slot] = values[edge]
        children[slot] = targets[edge]


@njit(cache=True, nogil=True)
def _count_listed(
    table: WordTable,
    parents: npt.NDArray[np.int64],
    words: npt.NDArray[np.uint64],
    children: npt.NDArray[np.int64],
    is_entry: npt.NDArray[np.bool_],
    counts: npt.NDArray[np.int64],
) -> None:
    hashes, document_offsets = table.hash, table.document_offsets
    for document in range(len(counts)):
        last = document_offsets[document + 1]
        listed_to = document_offsets[document]  # the words before it have been counted where they are listed
        for first in range(document_offsets[document], last):
            node = 0
            for word in range(first, last):
                node = children[_slot_of(node, hashes[word], parents, words, children)]
                if node < 0:
                    break
                if is_entry[node] and word >= listed_to:
                    counts[document] += word + 1 - max(first, listed_to)
                    listed_to = word + 1
