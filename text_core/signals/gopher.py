"""Signals of the Gopher quality rules (Rae et al. 2021, arXiv 2112.11446, appendix A1.1), one value a document.

Where the paper leaves room, the reading is that of datatrove 0.10 (`filters/gopher_quality_filter.py`). "Token" is a
token of `tokens.py`, "word" a token that is not of punctuation alone, "line" one of `str.splitlines()`, blank lines
included. Ratios "per word" are per token, symbols among them, as datatrove takes them. They are float64, as datatrove
divides: rounded to float32, a ratio a hair above a threshold would pass it. A ratio of nothing to nothing is 0, so an
empty document has zeros everywhere. A stop word counts in its exact case: "The" is not "the".

Three of the signals are not datatrove's, for the rules of `gopher_lenient`: in them a *chunk* is what white space
divides, those of punctuation alone left out (of which French, Russian and Bengali space more than English), and letters
are told by whether their script puts spaces between words (`unicode.py`, SPACELESS).

| signal | dtype | formula | source |
|---|---|---|---|
| byte_count | int64 | bytes of UTF-8 | – |
| char_count | int64 | code points | – |
| line_count | int64 | lines | – |
| token_count | int64 | tokens | – |
| word_count | int64 | words | A1.1 |
| mean_word_length | float64 | code points in words / words | A1.1 |
| hash_to_word_ratio | float64 | number of # / tokens | A1.1 |
| ellipsis_to_word_ratio | float64 | number of ... (not overlapping) and … / tokens | A1.1, datatrove |
| bullet_line_ratio | float64 | lines whose first code point after white space is • or - / lines | A1.1, datatrove |
| ellipsis_line_ratio | float64 | lines that end, white space aside, with ... or … / lines | A1.1, datatrove |
| alphabetic_word_ratio | float64 | tokens with a letter (L*) / tokens | A1.1, datatrove |
| alphabetic_chunk_ratio | float64 | chunks with a letter (L*) / chunks | A1.1 |
| letters_per_word | float64 | letters (L*) / words | A1.1 |
| spaced_share | float32 | letters of scripts that put spaces between words / letters; 1 where there are none | – |
| stop_words_known | int64 | stop words of the document's language; 0: it has no list, English's are counted | – |
| stop_word_share | float32 | tokens among the stop words of the document's language / tokens | RPv2, longer list |
| stop_word_count | int64 | distinct stop words of the document's language among the tokens | A1.1, datatrove |
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from sequitur.text_core.signals.stop_words import StopWords, stop_words
from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.characters import CharacterTable, letter_counts
from sequitur.text_core.units.kernels import kernel
from sequitur.text_core.units.lines import SplitLines
from sequitur.text_core.units.strings import Strings
from sequitur.text_core.units.tokens import TokenTable
from sequitur.text_core.units.unicode import decode

_FULL_STOP, _HYPHEN, _BULLET = 0x2E, 0x2D, 0x2022
_LOW_BYTE = np.uint64(0xFF)


class _Counts(NamedTuple):
    """int64[n] each."""

    bullet_lines: npt.NDArray[np.int64]
    ellipsis_lines: npt.NDArray[np.int64]
    words: npt.NDArray[np.int64]
    word_chars: npt.NDArray[np.int64]
    alphabetic_tokens: npt.NDArray[np.int64]
    stop_tokens: npt.NDArray[np.int64]
    stop_words: npt.NDArray[np.int64]


def gopher_quality_signals(
    strings: Strings,
    tokens: TokenTable,
    characters: CharacterTable,
    lines: SplitLines,
    words: StopWords | None = None,
    languages: npt.NDArray[np.int64] | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """The signals of the table above for n documents, each an array [n]; the tables are those of the strings.

    `words` are the stop words by language, those of `stop_words()` by default, and `languages` int64[n] the place of
    each document's language in `words.languages`: the first, English, by default; -1 for one that is not there. Raises
    ValueError for any other. Reads the tokens once, and both ends of the lines.
    """
    words = stop_words() if words is None else words
    documents = len(strings.offsets) - 1
    languages = read_only(np.zeros(documents) if languages is None else languages, np.int64)
    if documents and not -1 <= languages.min() <= languages.max() < len(words.languages):
        raise ValueError(f"languages must lie in [-1, {len(words.languages)}), places in `StopWords.languages`")
    counts = _Counts(*np.zeros((len(_Counts._fields), documents), dtype=np.int64))
    _count_lines(strings.data, lines, counts.bullet_lines, counts.ellipsis_lines)
    _count_tokens(tokens, words.hash, words.offsets, np.maximum(languages, 0), counts)
    token_count, line_count = np.diff(tokens.document_offsets), np.diff(lines.document_offsets)
    letters = letter_counts(characters)
    return {
        "byte_count": np.diff(strings.offsets),
        "char_count": characters.kinds.sum(axis=1),
        "line_count": line_count,
        "token_count": token_count,
        "word_count": counts.words,
        "mean_word_length": _ratio(counts.word_chars, counts.words),
        "hash_to_word_ratio": _ratio(characters.number_signs, token_count),
        "ellipsis_to_word_ratio": _ratio(characters.ellipses, token_count),
        "bullet_line_ratio": _ratio(counts.bullet_lines, line_count),
        "ellipsis_line_ratio": _ratio(counts.ellipsis_lines, line_count),
        "alphabetic_word_ratio": _ratio(counts.alphabetic_tokens, token_count),
        "alphabetic_chunk_ratio": _ratio(characters.alphabetic_chunks, characters.chunks),
        "letters_per_word": _ratio(letters, counts.words),
        "spaced_share": (1 - _ratio(characters.spaceless_letters, letters)).astype(np.float32),
        "stop_words_known": np.where(languages >= 0, np.diff(words.offsets)[languages], 0),
        "stop_word_share": _ratio(counts.stop_tokens, token_count).astype(np.float32),
        "stop_word_count": counts.stop_words,
    }


def _ratio(numerator: npt.NDArray[np.int64], denominator: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    zeros = np.zeros(len(numerator), dtype=np.float64)
    return np.divide(numerator, denominator, out=zeros, where=denominator > 0)


@kernel
def _count_lines(
    data: npt.NDArray[np.uint8],
    lines: SplitLines,
    bullet_lines: npt.NDArray[np.int64],
    ellipsis_lines: npt.NDArray[np.int64],
) -> None:
    starts, ends, document_offsets = lines
    for document in range(len(document_offsets) - 1):
        for line in range(document_offsets[document], document_offsets[document + 1]):
            start, end = starts[line], ends[line]
            if start == end:
                continue
            bullet_lines[document] += decode(data, start, end)[0] in (_HYPHEN, _BULLET)
            dots = end - start >= 3 and data[end - 1] == data[end - 2] == data[end - 3] == _FULL_STOP
            # … is E2 80 A6
            sign = end - start >= 3 and data[end - 1] == 0xA6 and data[end - 2] == 0x80 and data[end - 3] == 0xE2
            ellipsis_lines[document] += dots or sign


@njit(cache=True, nogil=True)
def _count_tokens(
    tokens: TokenTable,
    stop_hashes: npt.NDArray[np.uint64],
    stop_offsets: npt.NDArray[np.int64],
    languages: npt.NDArray[np.int64],
    counts: _Counts,
) -> None:
    hashes, _, _, chars, is_word, is_alphabetic, document_offsets = tokens
    maybe = np.zeros((len(stop_offsets) - 1, 256), dtype=np.bool_)  # by language and low byte of a hash: most have none
    for language in range(len(maybe)):
        for value in stop_hashes[stop_offsets[language] : stop_offsets[language + 1]]:
            maybe[language, value & _LOW_BYTE] = True
    seen_in = np.full(len(stop_hashes), -1, dtype=np.int64)  # of each stop word the last document that holds it
    for document in range(len(document_offsets) - 1):
        words = word_chars = alphabetic = stop_tokens = distinct = 0
        language = languages[document]
        first, likely = stop_offsets[language], maybe[language]
        own = stop_hashes[first : stop_offsets[language + 1]]
        for token in range(document_offsets[document], document_offsets[document + 1]):
            words += is_word[token]
            word_chars += chars[token] * is_word[token]
            alphabetic += is_alphabetic[token]
            value = hashes[token]
            if not likely[value & _LOW_BYTE]:
                continue
            place = np.searchsorted(own, value)
            if place < len(own) and own[place] == value:
                stop_tokens += 1
                distinct += seen_in[first + place] != document
                seen_in[first + place] = document
        counts.words[document] = words
        counts.word_chars[document] = word_chars
        counts.alphabetic_tokens[document] = alphabetic
        counts.stop_tokens[document] = stop_tokens
        counts.stop_words[document] = distinct
