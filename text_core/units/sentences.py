"""How many sentences tokens make, by the rule of spaCy's `sentencizer`, which datatrove splits C4's lines with.

A sentence ends with a token that is one code point of TERMINAL_PUNCTUATION; the tokens of punctuation that follow it
still belong to it, and white space of more than one space begins the next (spaCy makes it a token). So `"Yes!" (No?)`
is two sentences, and `v1.2`, `wait...` end none. Nor does a full stop after one of `ABBREVIATIONS`.
"""

import functools

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.character_kinds import KIND, PUNCTUATION, TERMINAL, character_kinds
from sequitur.text_core.units.kernels import kernel
from sequitur.text_core.units.strings import Strings, from_arrow
from sequitur.text_core.units.tokens import TokenTable, token_table
from sequitur.text_core.units.unicode import decode

# The tokenizer exceptions of spaCy 3.8 (`lang/tokenizer_exceptions.py`, `lang/en/tokenizer_exceptions.py`) that end in
# a full stop, which is left out here; those that are no token of `tokens.py` (Ph.D) are missing. Capitals with full
# stops between them (U.S.) need no entry: no token is split there.
_WORDS = """
    Adm Ak Ala Apr Ariz Ark Aug Bros Calif Co Colo Conn Corp Dec Del Dr Feb Fla Ga Gen Gov Ia Id Ill Inc Ind Jan Jr
    Jul Jun Kan Kans Ky La Ltd Mar Mass Md Messrs Mich Minn Miss Mo Mont Mr Mrs Ms Mt Neb Nebr Nev Nov Oct Okla Ore
    Pa Prof Rep Rev Sen Sep Sept St Tenn Va Wash Wis co vs e.g E.g i.e I.e v.s a.m p.m
"""
ABBREVIATIONS = (
    *_WORDS.split(),
    *"abcdefghijklmnopqrstuvwxyzäöü",
    *(f"{hour}{half}.m" for hour in range(1, 13) for half in "ap"),
)
_FULL_STOP, _SPACE = 0x2E, 0x20


@functools.cache
def abbreviation_hashes() -> npt.NDArray[np.uint64]:
    """The token hashes of `ABBREVIATIONS`, ascending."""
    return read_only(np.sort(token_table(from_arrow(pa.array(ABBREVIATIONS, pa.large_string()))).hash), np.uint64)


def sentence_counts(strings: Strings, tokens: TokenTable) -> npt.NDArray[np.int64]:
    """The sentences of n documents: int64[n], 0 where there is no token. One pass over the tokens."""
    counts = np.empty(len(strings.offsets) - 1, dtype=np.int64)
    _fill_counts(strings, tokens, character_kinds(), abbreviation_hashes(), counts)
    return counts


@kernel
def _fill_counts(
    strings: Strings,
    tokens: TokenTable,
    kinds: npt.NDArray[np.uint8],
    abbreviations: npt.NDArray[np.uint64],
    counts: npt.NDArray[np.int64],
) -> None:
    offsets = tokens.document_offsets
    for document in range(len(offsets) - 1):
        counts[document] = count_sentences(
            strings.data, tokens, offsets[document], offsets[document + 1], kinds, abbreviations
        )


@kernel
def count_sentences(
    data: npt.NDArray[np.uint8],
    tokens: TokenTable,
    first: int,
    last: int,
    kinds: npt.NDArray[np.uint8],
    abbreviations: npt.NDArray[np.uint64],
) -> int:
    """The sentences that the tokens [first, last) make; 0 where there are none."""
    hashes, starts, ends, chars = tokens[:4]
    count = int(first < last)
    ended = False  # a terminal token was seen, and nothing but punctuation since
    for token in range(first, last):
        start = starts[token]
        if ended:
            gap = start - ends[token - 1]
            if (
                gap > 1
                or (gap == 1 and data[start - 1] != _SPACE)
                or not _is_punctuation(data, start, ends[token], kinds)
            ):
                count += 1
                ended = False
        if chars[token] == 1 and not ended:
            code = decode(data, start, ends[token])[0]
            ended = kinds[code] & TERMINAL != 0
            if code == _FULL_STOP and token > first and ends[token - 1] == start:
                place = np.searchsorted(abbreviations, hashes[token - 1])
                ended = place == len(abbreviations) or abbreviations[place] != hashes[token - 1]
    return count


@kernel
def _is_punctuation(data: npt.NDArray[np.uint8], position: int, end: int, kinds: npt.NDArray[np.uint8]) -> bool:
    while position < end:
        code, width = decode(data, position, end)
        if kinds[code] & KIND < PUNCTUATION:
            return False
        position += width
    return True
