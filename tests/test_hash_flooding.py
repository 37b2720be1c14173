"""Texts whose hashes were made to fall on one place of a table take time in proportion to their length.

The hashes of words, lines and tokens are public, and whoever tries long enough finds texts of any. Here they are made
up: they agree in their low bits, or in the high bits of what a known factor makes of them, or altogether.
"""

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from sequitur.text_core.signals.fineweb import fineweb_signals
from sequitur.text_core.signals.repetition import repetition_signals
from sequitur.text_core.units.lines import LineTable
from sequitur.text_core.units.strings import Strings, from_arrow
from sequitur.text_core.units.tokens import TokenTable
from sequitur.text_core.units.vocabulary import vocabulary_counts
from sequitur.text_core.units.words import WordTable
from sequitur.text_core.vectors import lexical_vectors

GROWTH, MOST = 8, 16
QUICK = 0.05  # seconds in which the longer text tells nothing
COUNT = 2**16  # of the longer text's words; those that fall on one place take seconds
GOLDEN = 0x9E3779B97F4A7C15  # of Fibonacci hashing, the factor that one would guess

Hashes = npt.NDArray[np.uint64]
MADE: dict[str, Callable[[Hashes], Hashes]] = {
    "low bits": lambda numbers: numbers << np.uint64(40),
    "high bits": lambda numbers: numbers * np.uint64(pow(GOLDEN, -1, 2**64)),
    "all bits": lambda numbers: numbers * np.uint64(0),
}


def words_of(hashes: Hashes) -> WordTable:
    places = np.arange(len(hashes))
    return WordTable(hashes, places, places + 1, np.array([0, len(hashes)]))


def tokens_of(hashes: Hashes) -> TokenTable:
    _, start, end, offsets = words_of(hashes)
    full = np.ones(len(hashes), dtype=np.bool_)
    return TokenTable(hashes, start, end, np.ones(len(hashes), dtype=np.int32), full, full, offsets)


def lines_of(hashes: Hashes) -> LineTable:
    _, start, end, offsets = words_of(hashes)
    return LineTable(hashes, start, end, np.ones(len(hashes), dtype=np.int64), offsets)


def strings_of(hashes: Hashes) -> Strings:
    """As many bytes as there are hashes, of two kinds."""
    return from_arrow(pa.array(["ab" * (len(hashes) // 2)], pa.large_string()))


def vocabulary(hashes: Hashes) -> None:
    vocabulary_counts(strings_of(hashes), words_of(hashes))


def fineweb(hashes: Hashes) -> None:
    fineweb_signals(strings_of(hashes), tokens_of(hashes), lines_of(hashes))


def repetition(hashes: Hashes) -> None:
    repetition_signals(strings_of(hashes), tokens_of(hashes), lines_of(hashes))


def vectors(hashes: Hashes) -> None:
    strings = strings_of(hashes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lexical_vectors, "word_table", lambda _: words_of(hashes))
        frequencies = lexical_vectors.document_frequencies(strings)
        lexical_vectors.lexical_vectors(strings, lexical_vectors.term_weights(frequencies, 1), 16)


def seconds(function: Callable[[Hashes], None], hashes: Hashes) -> float:
    start = time.process_time()
    function(hashes)
    return time.process_time() - start


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
@pytest.mark.parametrize("function", [vocabulary, fineweb, repetition, vectors])
def test_hashes_made_to_agree_take_no_longer_than_others(
    function: Callable[[Hashes], None], made: Callable[[Hashes], Hashes]
) -> None:
    short, long = (made(np.arange(1, count + 1, dtype=np.uint64)) for count in (COUNT // GROWTH, COUNT))
    function(short)  # what is compiled or loaded, now
    first = min(seconds(function, short) for _ in range(2))

    # A busy machine may make it longer, never shorter.
    assert min(seconds(function, long) for _ in range(3)) <= max(QUICK, MOST * first)
