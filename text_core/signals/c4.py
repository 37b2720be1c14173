"""The line rules of C4 (Raffel et al. 2020, arXiv 1910.10683, §2.2), and the signals that its document rules need.

The reading is that of datatrove 0.10 (`filters/c4_filters.py`, `C4QualityFilter`). A "line" is one of
`str.splitlines()`, stripped of white space; a "word" a run of code points between white space. Citations ([1], [],
[edit], [citation needed]) are taken out of a line before its end is looked at, but after its words are counted. A line
is removed for the first of these that holds:

| reason | when |
|---|---|
| too_long_word | a word has more than 1000 code points |
| no_terminal_punctuation | its end is none of . ? ! " ' or is ... |
| too_few_words | it has fewer than 3 words |
| lorem_ipsum | it contains "lorem ipsum", in any case; the document goes with it |
| javascript | it contains "javascript", in any case |
| curly_bracket | it contains {; the document goes with it |
| policy | it contains "terms of use", "privacy policy", "cookie policy" or "use(s) (of) cookies", in any case |

A document without lines has zeros for all signals.

| signal | dtype | formula | source |
|---|---|---|---|
| c4_sentence_count | int64 | sentences (`sentences.py`) in the lines that are kept | §2.2 |
| c4_lorem_ipsum_lines | int64 | lines removed as lorem_ipsum | §2.2 |
| c4_curly_bracket_lines | int64 | lines removed as curly_bracket | §2.2 |
| c4_kept_line_share | float32 | lines kept / lines | – |
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from sequitur.text_core.signals.citations import (
    OPENING_BRACKET,
    copy_without_citations,
    holds,
    joined_without_citations,
    kept_sizes,
    separate_lines,
)
from sequitur.text_core.units.character_kinds import character_kinds
from sequitur.text_core.units.kernels import kernel
from sequitur.text_core.units.lines import (
    KEPT,
    LineVerdicts,
    SplitLines,
    sum_by_document,
)
from sequitur.text_core.units.offsets import offsets_of
from sequitur.text_core.units.sentences import abbreviation_hashes, count_sentences, sentence_counts
from sequitur.text_core.units.strings import Strings
from sequitur.text_core.units.tokens import TokenTable, token_table
from sequitur.text_core.units.unicode import NEWLINE, WHITE_SPACE, decode, unicode_tables

REASONS = (
    "kept",
    "too_long_word",
    "no_terminal_punctuation",
    "too_few_words",
    "lorem_ipsum",
    "javascript",
    "curly_bracket",
    "policy",
)
TOO_LONG_WORD, NO_TERMINAL_PUNCTUATION, TOO_FEW_WORDS, LOREM_IPSUM, JAVASCRIPT, CURLY_BRACKET, POLICY = range(1, 8)

MAX_WORD_LENGTH = 1000  # code points; T5's c4_utils.py
MIN_WORDS = 3  # a line; the paper says 5, its code and datatrove 3

# The order is that of the bits that `_phrases` sets.
_LOREM_IPSUM, _JAVASCRIPT = b"lorem ipsum", b"javascript"
_POLICY = (b"terms of use", b"privacy policy", b"cookie policy", b"uses cookies", b"use of cookies", b"use cookies")
_PHRASES = (_LOREM_IPSUM, _JAVASCRIPT, *_POLICY)
_PHRASE_BYTES = np.frombuffer(b"".join(_PHRASES), dtype=np.uint8)
_PHRASE_OFFSETS = offsets_of([len(phrase) for phrase in _PHRASES])
_PHRASE_SECONDS = np.zeros(256, dtype=np.uint8)  # by the first letter of a phrase its second: one for all that begin so
_PHRASE_SECONDS[[phrase[0] for phrase in _PHRASES]] = [phrase[1] for phrase in _PHRASES]

_FULL_STOP, _CURLY_BRACKET = 0x2E, 0x7B


def c4_lines(strings: Strings, lines: SplitLines) -> LineVerdicts:
    """The verdict on every line of n documents, as indices into `REASONS`; `lines` is `split_lines(strings)`.

    The span of a line is that of its stripped text, citations included. Reads the text once. A byte a line.
    """
    reasons = np.empty(len(lines.start), dtype=np.uint8)
    _judge_lines(strings.data, lines, unicode_tables().classes, character_kinds(), reasons)
    return LineVerdicts(reasons, *lines)


def c4_text(strings: Strings, verdicts: LineVerdicts) -> Strings:
    """n documents of the kept lines, stripped and without citations, joined by line feeds, the whole stripped.

    Of a document that `C4QualityFilter` keeps, that is the text which it leaves. Costs one copy of the kept text.
    """
    return joined_without_citations(strings, verdicts)


def c4_signals(strings: Strings, tokens: TokenTable, split: SplitLines) -> dict[str, npt.NDArray[Any]]:
    """The signals of the table above for n documents, each an array [n]; both tables are those of the strings."""
    verdicts = c4_lines(strings, split)
    reason, _, _, document_offsets = verdicts
    kept = sum_by_document(reason == KEPT, document_offsets)
    lines = np.diff(document_offsets)
    share = np.divide(kept, lines, out=np.zeros(len(lines), dtype=np.float64), where=lines > 0)
    return {
        "c4_sentence_count": _kept_sentences(strings, tokens, verdicts),
        "c4_lorem_ipsum_lines": sum_by_document(reason == LOREM_IPSUM, document_offsets),
        "c4_curly_bracket_lines": sum_by_document(reason == CURLY_BRACKET, document_offsets),
        "c4_kept_line_share": share.astype(np.float32),
    }


def _kept_sentences(strings: Strings, tokens: TokenTable, verdicts: LineVerdicts) -> npt.NDArray[np.int64]:
    """The sentences in the kept lines of n documents, int64[n]; only lines with citations are tokenized again."""
    sizes = kept_sizes(strings, verdicts)
    whole = sizes == verdicts.end - verdicts.start
    cited = np.flatnonzero((verdicts.reason == KEPT) & ~whole)
    whole &= verdicts.reason == KEPT
    sentences = np.zeros(len(sizes), dtype=np.int64)
    _count_in_lines(strings, tokens, verdicts, whole, character_kinds(), abbreviation_hashes(), sentences)
    if len(cited):
        rewritten = separate_lines(strings, verdicts, cited)
        sentences[cited] = np.maximum(1, sentence_counts(rewritten, token_table(rewritten)))
    return sum_by_document(sentences, verdicts.document_offsets)


@njit(cache=True, nogil=True)
def _judge_lines(
    data: npt.NDArray[np.uint8],
    lines: SplitLines,
    classes: npt.NDArray[np.uint8],
    kinds: npt.NDArray[np.uint8],
    reasons: npt.NDArray[np.uint8],
) -> None:
    starts, ends, _ = lines
    for line in range(len(reasons)):
        start, end = starts[line], ends[line]
        if holds(data, start, end, OPENING_BRACKET):
            text = np.empty(end - start, dtype=np.uint8)
            size = copy_without_citations(data, start, end, kinds, text, 0)
            reasons[line] = _verdict(data, start, end, text, 0, size, classes)
        else:
            reasons[line] = _verdict(data, start, end, data, start, end, classes)


@kernel
def _longest_word(data: npt.NDArray[np.uint8], position: int, end: int, classes: npt.NDArray[np.uint8]) -> int:
    """The code points of the longest word of the line [position, end)."""
    longest = length = 0
    while position < end:
        code, width = decode(data, position, end)
        position += width
        length = 0 if classes[code] in (WHITE_SPACE, NEWLINE) else length + 1
        longest = max(longest, length)
    return longest


@kernel
def _has_words(
    data: npt.NDArray[np.uint8], position: int, end: int, least: int, classes: npt.NDArray[np.uint8]
) -> bool:
    """Whether the line [position, end) has at least so many words."""
    words, in_word = 0, False
    while position < end and words < least:
        code, width = decode(data, position, end)
        position += width
        is_space = classes[code] in (WHITE_SPACE, NEWLINE)
        words += not (is_space or in_word)
        in_word = not is_space
    return words >= least


@kernel
def _verdict(
    data: npt.NDArray[np.uint8],
    start: int,
    end: int,
    text: npt.NDArray[np.uint8],
    text_start: int,
    text_end: int,
    classes: npt.NDArray[np.uint8],
) -> int:
    """The reason for the stripped line [start, end) of `data`, which is [text_start, text_end) without citations."""
    if end - start > MAX_WORD_LENGTH and _longest_word(data, start, end, classes) > MAX_WORD_LENGTH:
        return TOO_LONG_WORD
    if not _is_terminated(text, text_start, text_end):
        return NO_TERMINAL_PUNCTUATION
    if not _has_words(data, start, end, MIN_WORDS, classes):
        return TOO_FEW_WORDS
    found = _phrases(text, text_start, text_end)  # one bit a phrase
    if found & 1:
        return LOREM_IPSUM
    if found & 2:
        return JAVASCRIPT
    if holds(text, text_start, text_end, _CURLY_BRACKET):
        return CURLY_BRACKET
    return POLICY if found else KEPT


@kernel
def _is_terminated(text: npt.NDArray[np.uint8], start: int, end: int) -> bool:
    last = text[end - 1] if end > start else 0
    if last not in (_FULL_STOP, 0x3F, 0x21, 0x22, 0x27):  # . ? ! " '
        return False
    return last != _FULL_STOP or end - start < 3 or text[end - 2] != _FULL_STOP or text[end - 3] != _FULL_STOP


@kernel
def _phrases(data: npt.NDArray[np.uint8], start: int, end: int) -> int:
    """The phrases that occur in [start, end): bit i is set for phrase i."""
    found = 0
    for position in range(start, end - 1):
        first = data[position] | 0x20  # the lower case of a letter; what else it maps to a letter, `_matches` refuses
        if _PHRASE_SECONDS[first] == data[position + 1] | 0x20:
            for phrase in range(len(_PHRASE_OFFSETS) - 1):
                if _PHRASE_BYTES[_PHRASE_OFFSETS[phrase]] == first and _matches(data, position, end, phrase):
                    found |= 1 << phrase
    return found


@kernel
def _matches(data: npt.NDArray[np.uint8], position: int, end: int, phrase: int) -> bool:
    """Whether the phrase, which is in lower case, begins at `position`, in any case."""
    for i in range(_PHRASE_OFFSETS[phrase], _PHRASE_OFFSETS[phrase + 1]):
        if position >= end:
            return False
        byte = data[position]
        width = 1
        if 0x41 <= byte <= 0x5A:
            byte |= 0x20
        elif byte == 0xE2 and position + 2 < end and data[position + 1] == 0x84 and data[position + 2] == 0xAA:
            byte = 0x6B  # U+212A, the Kelvin sign, whose lower case is k
            width = 3
        if byte != _PHRASE_BYTES[i]:
            return False
        position += width
    return True


@kernel
def _count_in_lines(
    strings: Strings,
    tokens: TokenTable,
    verdicts: LineVerdicts,
    counted: npt.NDArray[np.bool_],
    kinds: npt.NDArray[np.uint8],
    abbreviations: npt.NDArray[np.uint64],
    sentences: npt.NDArray[np.int64],
) -> None:
    """Count the sentences of the lines that are `counted`; every line is at least one."""
    token_starts = tokens.start
    token = 0
    for line in range(len(counted)):
        if not counted[line]:
            continue
        while token < len(token_starts) and token_starts[token] < verdicts.start[line]:
            token += 1
        first = token
        while token < len(token_starts) and token_starts[token] < verdicts.end[line]:
            token += 1
        sentences[line] = max(1, count_sentences(strings.data, tokens, first, token, kinds, abbreviations))
