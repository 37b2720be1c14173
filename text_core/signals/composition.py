"""What a document is made of: the signals of RedPajama-V2 that need no model, and the scripts of its letters.

After Weber et al. 2024 (arXiv 2411.12372, Table 8) and the code of RedPajama-Data (`core/quality_signals`): "RPv2"
below, with what differs. "Word" is a word of `words.py`, in any case; "token" one of `tokens.py`; "line" one of
`str.split("\\n")` that is not of white space alone; "letter" is L*; "chars" are code points. Lines begin and end with
their first and last code point that is not white space. A ratio of nothing to nothing is 0. What other modules give
is not given again: word counts and lengths, stop words, ellipses at line ends and tokens without letters are in
`gopher.py`, n-grams in `repetition.py`, blocked words in `listed_words.py`.

| signal | dtype | formula | source |
|---|---|---|---|
| all_caps_word_share | float32 | words with an upper-case letter and no lower-case one / words | RPv2 |
| unique_word_share | float32 | distinct words / words | RPv2 |
| unigram_entropy | float32 | −Σ p ln p over the shares p of the distinct words among the words; nats | RPv2 |
| symbol_to_word_ratio | float32 | number of #, ... (not overlapping) and … / tokens | RPv2 |
| curly_bracket_share | float32 | number of { and } / chars | RPv2 |
| lorem_ipsum_share | float32 | times the word ipsum follows lorem / chars | RPv2 |
| numerical_char_share | float32 | numbers (N*) / chars | RPv2, by line |
| uppercase_char_share | float32 | upper-case letters (Lu, Lt) / chars | RPv2, by line |
| sentence_count | int64 | sentences (`sentences.py`) | RPv2, by a regular expression |
| words_per_line | float32 | words / lines | RPv2, by line |
| javascript_word_count | int64 | words that are javascript | RPv2, by line |
| terminal_mark_line_share | float32 | lines that end with one of . ! ? ” / lines | RPv2, by line |
| bullet_point_line_share | float32 | lines that begin with one of • ‣ ▶ ◀ ◦ ■ □ ▪ ▫ – / lines | RPv2, by line |
| latin_share | float32 | Latin letters / letters | Unicode, Script |
| cyrillic_share | float32 | Cyrillic letters / letters | Unicode, Script |
| greek_share | float32 | Greek letters / letters | Unicode, Script |
| arabic_share | float32 | Arabic letters / letters | Unicode, Script |
| hebrew_share | float32 | Hebrew letters / letters | Unicode, Script |
| devanagari_share | float32 | Devanagari letters / letters | Unicode, Script |
| han_share | float32 | Han letters / letters | Unicode, Script |
| kana_share | float32 | Hiragana and Katakana letters / letters | Unicode, Script |
| hangul_share | float32 | Hangul letters / letters | Unicode, Script |
| thai_share | float32 | Thai letters / letters | Unicode, Script |
| other_script_share | float32 | letters of all other scripts / letters | Unicode, Script |
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sequitur.text_core.units.character_kinds import (
    CURLY_BRACKET,
    DECIMAL,
    KIND,
    KINDS,
    NUMBER,
    SCRIPTS,
    UPPER_CASE,
)
from sequitur.text_core.units.characters import CharacterTable
from sequitur.text_core.units.kernels import kernel
from sequitur.text_core.units.lines import LineTable, last_code, stripped
from sequitur.text_core.units.sentences import sentence_counts
from sequitur.text_core.units.strings import Strings
from sequitur.text_core.units.tokens import TokenTable
from sequitur.text_core.units.unicode import decode, unicode_tables
from sequitur.text_core.units.vocabulary import vocabulary_counts
from sequitur.text_core.units.words import WordTable

_TERMINAL_MARKS = (0x2E, 0x21, 0x3F, 0x201D)  # . ! ? ”
_BULLET_POINTS = (0x2022, 0x2023, 0x25B6, 0x25C0, 0x25E6, 0x25A0, 0x25A1, 0x25AA, 0x25AB, 0x2013)  # • ‣ ▶ ◀ ◦ ■ □ ▪ ▫ –


class _Lines(NamedTuple):
    """Of n documents, int64[n] each."""

    full: npt.NDArray[np.int64]
    marked: npt.NDArray[np.int64]
    bulleted: npt.NDArray[np.int64]


def composition_signals(
    strings: Strings, tokens: TokenTable, words: WordTable, characters: CharacterTable, table: LineTable
) -> dict[str, npt.NDArray[Any]]:
    """The signals of the table above for n documents, each an array [n]; the tables are those of the strings.

    Reads the tokens and the words once, and both ends of the lines.
    """
    lines = _Lines(*np.zeros((len(_Lines._fields), len(strings.offsets) - 1), dtype=np.int64))
    _count_lines(strings.data, table, unicode_tables().classes, lines)
    vocabulary = vocabulary_counts(strings, words)
    kinds = characters.kinds
    chars = kinds.sum(axis=1)
    kind = np.arange(KINDS) & KIND
    numbers = kinds[:, (kind == NUMBER) | (kind == DECIMAL)].sum(axis=1)
    upper = kinds[:, np.arange(KINDS) & UPPER_CASE != 0].sum(axis=1)
    word_count, token_count = np.diff(words.document_offsets), np.diff(tokens.document_offsets)
    return {
        "all_caps_word_share": _ratio(vocabulary.all_caps, word_count),
        "unique_word_share": _ratio(vocabulary.unique, word_count),
        "unigram_entropy": vocabulary.entropy.astype(np.float32),
        "symbol_to_word_ratio": _ratio(characters.number_signs + characters.ellipses, token_count),
        "curly_bracket_share": _ratio(kinds[:, kind == CURLY_BRACKET].sum(axis=1), chars),
        "lorem_ipsum_share": _ratio(vocabulary.lorem_ipsum, chars),
        "numerical_char_share": _ratio(numbers, chars),
        "uppercase_char_share": _ratio(upper, chars),
        "sentence_count": sentence_counts(strings, tokens),
        "words_per_line": _ratio(word_count, lines.full),
        "javascript_word_count": vocabulary.javascript,
        "terminal_mark_line_share": _ratio(lines.marked, lines.full),
        "bullet_point_line_share": _ratio(lines.bulleted, lines.full),
        **_script_shares(kinds, kind),
    }


def _script_shares(counts: npt.NDArray[np.int64], kind: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.float32]]:
    names = [f"{script}_share" for script in (*SCRIPTS, "other_script")]
    letters = np.stack([counts[:, kind == number].sum(axis=1) for number in range(1, len(names) + 1)])
    return {name: _ratio(own, letters.sum(axis=0)) for name, own in zip(names, letters, strict=True)}


def _ratio(numerator: npt.NDArray[np.int64], denominator: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    zeros = np.zeros(len(numerator), dtype=np.float64)
    return np.divide(numerator, denominator, out=zeros, where=denominator > 0).astype(np.float32)


@kernel
def _count_lines(data: npt.NDArray[np.uint8], table: LineTable, classes: npt.NDArray[np.uint8], lines: _Lines) -> None:
    _, starts, ends, _, document_offsets = table
    for document in range(len(document_offsets) - 1):
        for line in range(document_offsets[document], document_offsets[document + 1]):
            start, end = stripped(data, starts[line], ends[line], classes)
            while start < end and data[start] == 0:  # as nothing: a NUL is no character that a line begins with
                start, _ = stripped(data, start + 1, end, classes)
            if start == end:
                continue
            lines.full[document] += 1
            lines.marked[document] += last_code(data, start, end) in _TERMINAL_MARKS
            lines.bulleted[document] += decode(data, start, end)[0] in _BULLET_POINTS
