"""Counts over the distinct words of each document."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.character_kinds import LOWER_CASE, UPPER_CASE, character_kinds
from sequitur.text_core.units.hash_table import HashTable, clear, find, hash_table
from sequitur.text_core.units.kernels import kernel
from sequitur.text_core.units.strings import Strings, from_arrow
from sequitur.text_core.units.unicode import decode
from sequitur.text_core.units.words import WordTable, word_table


class VocabularyCounts(NamedTuple):
    """Of the words of n documents, as `words.py` finds and folds them."""

    unique: npt.NDArray[np.int64]  # [n], distinct words
    all_caps: npt.NDArray[np.int64]  # [n], words with an upper-case letter and no lower-case one
    lorem_ipsum: npt.NDArray[np.int64]  # [n], times the word ipsum follows lorem
    javascript: npt.NDArray[np.int64]  # [n], times the word javascript occurs
    entropy: npt.NDArray[np.float64]  # [n], of the distribution of distinct words, in nats


def vocabulary_counts(strings: Strings, words: WordTable) -> VocabularyCounts:
    """Count over the words of n documents; `words` is `word_table(strings)`.

    Words of equal 64-bit hash count as one. One hash-table pass; 10 to 16 bytes for each word of the longest document.
    """
    documents = len(words.document_offsets) - 1
    unique, all_caps, lorem_ipsum, javascript = np.zeros((4, documents), dtype=np.int64)
    counts = VocabularyCounts(unique, all_caps, lorem_ipsum, javascript, np.zeros(documents, dtype=np.float64))
    most = int(np.diff(words.document_offsets).max(initial=1))
    named = word_table(from_arrow(pa.array(["lorem ipsum javascript"], pa.large_string()))).hash
    _fill_counts(
        strings,
        words,
        character_kinds(),
        read_only(named, np.uint64),
        hash_table(most),
        np.empty(most, dtype=np.uint32),
        counts,
    )
    return counts


@kernel
def _fill_counts(
    strings: Strings,
    words: WordTable,
    kinds: npt.NDArray[np.uint8],
    named: npt.NDArray[np.uint64],
    table: HashTable,
    times: npt.NDArray[np.uint32],
    counts: VocabularyCounts,
) -> None:
    """`times` is of each word of a document how often it occurs, noted where it does first, and else 0."""
    slots, data = table.slots, strings.data
    hashes, starts, ends, document_offsets = words
    unique, all_caps, lorem_ipsum, javascript, entropy = counts
    lorem, ipsum, script = named
    for document in range(len(document_offsets) - 1):
        first, last = document_offsets[document], document_offsets[document + 1]
        shift = clear(table, last - first)
        own = hashes[first:last]
        for word in range(first, last):
            value = hashes[word]
            slot = find(table, shift, own, word - first)
            times[word - first] = 0
            if not slots[slot]:
                slots[slot] = word - first + 1
                unique[document] += 1
            times[slots[slot] - 1] += np.uint32(1)
            lorem_ipsum[document] += value == ipsum and word > first and hashes[word - 1] == lorem
            javascript[document] += value == script
            all_caps[document] += _is_all_caps(data, starts[word], ends[word], kinds)
        if unique[document]:
            total = 0.0
            for count in times[: last - first]:
                if count > 1:
                    total += count * np.log(count)
            entropy[document] = max(0.0, np.log(last - first) - total / (last - first))


@kernel
def _is_all_caps(data: npt.NDArray[np.uint8], position: int, end: int, kinds: npt.NDArray[np.uint8]) -> bool:
    upper = 0
    while position < end:
        code, width = decode(data, position, end)
        if kinds[code] & LOWER_CASE:
            return False
        upper |= kinds[code] & UPPER_CASE
        position += width
    return upper != 0
