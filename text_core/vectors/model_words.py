"""The words of the fitted model: NFKC, lower case, runs of word characters; as the `tokenizers` library finds them.

    normalizer      NFKC, then lower case, one character at a time
    pre-tokenizer   WORD: one word per character in scripts written without spaces, runs of word characters elsewhere

Nearly every character is composed and lower-cased by itself, whatever stands around it, so that a table says what it
becomes; so does a pass over the text say where that is not so (UAX #15, quick check): where a character may compose
with the one before it, or marks are out of order. Such a text is normalised by the library first.

The table is shipped (`model_words.npz`), as those of `unicode.py` are. It is asked of the library, character by
character, by `write_tables(TABLES_PATH)`; a test compares it with the library that is installed.
"""

import functools
import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.kernels import kernel
from sequitur.text_core.units.strings import Strings, from_arrow
from sequitur.text_core.units.unicode import CODE_POINTS, decode

TABLES_PATH = Path(__file__).with_name("model_words.npz")

# Scripts written without spaces.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
WORD = rf"[{_UNSPACED}]|[\w&&[^{_UNSPACED}]]+"

CODES_PER_BYTE = 2  # at most, of what a character becomes by the table
_EXPANDS = 2**22  # from here on an entry of `becomes` says where its characters are
_RUN = 32  # bytes of ASCII that are passed over at a time
_NEEDS_LIBRARY = 255  # among combining classes, which are below


class WordTables(NamedTuple):
    """Read-only; the first two indexed by code point.

    A *sign* is what a character becomes: a positive code point belongs to a word, a negative one is a word by itself,
    and 0 is no part of one.
    """

    becomes: npt.NDArray[np.int32]  # [0x110000], a sign; or _EXPANDS + where, in `expansions`, several of them begin
    combining: npt.NDArray[np.uint8]  # [0x110000], class of what it becomes, the last of it; or _NEEDS_LIBRARY
    expansions: npt.NDArray[np.int32]  # the number of signs, and these; and so on


@functools.cache
def word_tables() -> WordTables:
    """The shipped tables, read on the first call of a process (5.6 MB)."""
    return read_tables(TABLES_PATH)


def read_tables(path: Path) -> WordTables:
    """Read what `write_tables` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        return WordTables(
            read_only(np.cumsum(stored["steps"], dtype=np.int32), np.int32),
            read_only(stored["combining"], np.uint8),
            read_only(stored["expansions"], np.int32),
        )


def write_tables(path: Path) -> None:
    """Write the tables of the installed library, and of this interpreter's `unicodedata` for what composes."""
    from tokenizers import Regex, normalizers, pre_tokenizers

    words_of = pre_tokenizers.Split(Regex(WORD), behavior="removed", invert=True)
    surrogates_and_break = {*range(0xD800, 0xE000), 0x0A}
    characters = [" " if code in surrogates_and_break else chr(code) for code in range(CODE_POINTS)]
    lines = "\n".join(characters)
    composed = normalizers.NFKC().normalize_str(lines).split("\n")
    lowered = normalizers.Lowercase().normalize_str("\n".join(composed)).split("\n")
    words = np.zeros(CODE_POINTS, dtype=np.int32)  # that a character makes twice in a row
    for _, (start, _) in words_of.pre_tokenize_str("\n".join(2 * one for one in characters)):
        words[start // 3] += 1
    signs = np.arange(CODE_POINTS, dtype=np.int32) * np.array([0, 1, -1], dtype=np.int32)[words]
    becomes, combining = np.zeros(CODE_POINTS, dtype=np.int32), np.zeros(CODE_POINTS, dtype=np.uint8)
    expansions: list[int] = []
    second = _second_of_pairs()
    for code, (character, result) in enumerate(zip(characters, composed, strict=True)):
        found = [int(signs[ord(one)]) for one in lowered[code]]
        combining[code] = unicodedata.combining(result[-1:] or " ")
        if (
            not found
            or len(found) > CODES_PER_BYTE * len(character.encode())
            or unicodedata.category(character) == "Cn"  # with what it composes is not known here
            or (not unicodedata.is_normalized("NFKC", result) and result != character)
            or result[0] in second
            or (result != character and unicodedata.combining(result[0]))
        ):
            combining[code] = _NEEDS_LIBRARY
        if len(found) == 1:
            becomes[code] = found[0]
        elif found:
            becomes[code] = _EXPANDS + len(expansions)
            expansions += [len(found), *found]
    np.savez_compressed(
        path,
        steps=np.diff(becomes, prepend=np.int32(0)),
        combining=combining,
        expansions=np.array(expansions, dtype=np.int32),
    )


def _second_of_pairs() -> set[str]:
    """The characters that may compose with one before them."""
    second = set(map(chr, range(0x1100, 0x1200)))  # Hangul, which composes by a rule
    for code in range(CODE_POINTS):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            pair = "".join(chr(int(part, 16)) for part in parts)
            if not unicodedata.is_normalized("NFC", pair):
                second.add(pair[1])
    return second


def normal(array: pa.LargeStringArray) -> pa.LargeStringArray:
    """The texts, those normalised of which the table alone does not say what they become.

    The array itself where there are none, as in most. Costs a pass over the bytes where the text is not ASCII; a text
    that the library normalises 11 to 16 MB a second.
    """
    offsets, data = from_arrow(array)
    if not len(data) or data[offsets[0] : offsets[-1]].max(initial=0) < 0x80:
        return array
    needs = np.zeros(len(array), dtype=np.bool_)
    becomes, combining, _ = word_tables()
    _find_needy(offsets, data, becomes, combining, needs)
    if not needs.any():
        return array
    from tokenizers import normalizers

    normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    texts = array.to_pylist()
    for row in np.flatnonzero(needs):
        texts[row] = normalizer.normalize_str(texts[row])
    return pa.array(texts, pa.large_string())


@kernel
def _find_needy(
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    becomes: npt.NDArray[np.int32],
    combining: npt.NDArray[np.uint8],
    needs: npt.NDArray[np.bool_],
) -> None:
    for text in range(len(needs)):
        position, end, last = offsets[text], offsets[text + 1], np.uint8(0)
        while position < end:
            if data[position] < 0x80:
                last = np.uint8(0)
                position += 1
                while position + _RUN <= end:
                    bits = np.uint8(0)
                    for byte in data[position : position + _RUN]:
                        bits |= byte
                    if bits >= 0x80:
                        break
                    position += _RUN
                continue
            code, width = decode(data, position, end)
            kind = combining[code]
            # What expands begins with a character of class 0, and may end with a mark.
            if kind == _NEEDS_LIBRARY or (kind and kind < last and becomes[code] < _EXPANDS):
                needs[text] = True
                break
            last = kind
            position += width


def most_signs(strings: Strings) -> int:
    """Of any one of the texts."""
    return CODES_PER_BYTE * int(np.diff(strings.offsets).max(initial=0))


@kernel
def read_signs(
    data: npt.NDArray[np.uint8],
    position: int,
    end: int,
    becomes: npt.NDArray[np.int32],
    expansions: npt.NDArray[np.int32],
    signs: npt.NDArray[np.int32],
) -> int:
    """Write the signs of a normal text, of which there is room for `most_signs`, a run of 0 as one; how many they are.

    A sign of which there is no room in CODES_PER_BYTE is of a text that the library normalises.
    """
    count, last = 0, np.int32(0)
    while position < end:
        code, width = decode(data, position, end)
        position += width
        sign = becomes[code]
        if sign < _EXPANDS:
            if sign or last:
                signs[count] = sign
                count += 1
            last = sign
            continue
        first = sign - _EXPANDS
        for at in range(first + 1, first + 1 + min(expansions[first], CODES_PER_BYTE * width)):
            last = expansions[at]
            signs[count] = last
            count += 1
    return count
