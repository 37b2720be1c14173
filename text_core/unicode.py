"""Character classes, simple case folding and UTF-8, the same on every Python.

The tables are shipped (`unicode_tables.npz`) rather than asked of `unicodedata`, whose Unicode version changes
with the interpreter: a word boundary must not. To move to another version, run `write_tables(TABLES_PATH)` on a
Python that has it, and set `UNICODE_VERSION`.

| class | code points |
|---|---|
| OTHER | punctuation, symbols, controls, unassigned |
| WHITE_SPACE | `str.isspace()`, line breaks excepted |
| NEWLINE | the line breaks of `str.splitlines()`, \\n and U+2028 among them |
| APOSTROPHE | ' and ’ |
| MARK | combining marks (M*), the joiners U+200C and U+200D, the soft hyphen: they continue a word, and begin none |
| NUMBER | N*: decimal digits, letter numbers, fractions, superscripts |
| LETTER | L* of scripts that put spaces between words, Hangul among them |
| UNSPACED | L* of Han, Kana, Thai, Lao, Khmer and Myanmar, which put none |

The classes are ordered: from NUMBER on a code point begins a word, from LETTER on it is alphabetic (L*).

Case folding is the simple folding of Unicode's CaseFolding.txt (status C and S): one code point to one. Full
foldings (ß to ss, ﬁ to fi) and Turkish i are left out, so that a text keeps its number of code points.
"""

import functools
import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from text_core.arrays import read_only

UNICODE_VERSION = "14.0.0"
TABLES_PATH = Path(__file__).with_name("unicode_tables.npz")
CODE_POINTS = 0x110000

OTHER, WHITE_SPACE, NEWLINE, APOSTROPHE, MARK, NUMBER, LETTER, UNSPACED = range(8)

REPLACEMENT_CHARACTER = 0xFFFD
_JOINERS = "\u200c\u200d\u00ad"  # category Cf, yet inside words: Persian and Indic spelling, hyphenation
# `unicodedata` has no script property; names begin with the script.
_UNSPACED_NAMES = (
    "CJK ",
    "IDEOGRAPHIC ",
    "HIRAGANA ",
    "HENTAIGANA ",
    "KATAKANA",
    "HALFWIDTH KATAKANA",
    "THAI ",
    "LAO ",
    "KHMER ",
    "MYANMAR ",
)


class UnicodeTables(NamedTuple):
    """Indexed by code point; read-only."""

    classes: npt.NDArray[np.uint8]  # [0x110000]
    folded: npt.NDArray[np.int32]  # [0x110000], simple case folding


@functools.cache
def unicode_tables() -> UnicodeTables:
    """The shipped tables, read on the first call of a process (5.6 MB, of which text touches a few pages)."""
    return read_tables(TABLES_PATH)


def read_tables(path: Path) -> UnicodeTables:
    """Read what `write_tables` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        folded = np.arange(CODE_POINTS, dtype=np.int32)
        folded[stored["case_folds"][:, 0]] = stored["case_folds"][:, 1]
        return UnicodeTables(read_only(stored["classes"], np.uint8), read_only(folded, np.int32))


def write_tables(path: Path) -> None:
    """Write the tables of this interpreter's `unicodedata`: `classes` and the pairs `case_folds` int32[k, 2]."""
    characters = [chr(code) for code in range(CODE_POINTS)]
    folds = [(code, ord(_simple_fold(character))) for code, character in enumerate(characters)]
    np.savez_compressed(
        path,
        classes=np.array([_class_of(character) for character in characters], dtype=np.uint8),
        case_folds=np.array([pair for pair in folds if pair[0] != pair[1]], dtype=np.int32),
    )


def _class_of(character: str) -> int:
    category = unicodedata.category(character)
    if len(f"{character}.".splitlines()) == 2:
        return NEWLINE
    if character.isspace():
        return WHITE_SPACE
    if character in "'\u2019":
        return APOSTROPHE
    if category[0] == "M" or character in _JOINERS:
        return MARK
    if category[0] == "N":
        return NUMBER
    if category[0] == "L":
        return UNSPACED if unicodedata.name(character, "").startswith(_UNSPACED_NAMES) else LETTER
    return OTHER


def _simple_fold(character: str) -> str:
    # Where the full folding is longer, the simple one is the lower case: ẞ to ß, ᾈ to ᾀ.
    for folded in (character.casefold(), character.lower()):
        if len(folded) == 1:
            return folded
    return character


@njit(cache=True, nogil=True)
def decode(data: npt.NDArray[np.uint8], position: int, end: int) -> tuple[int, int]:
    """The code point that begins at `position` and its width in bytes, reading nothing from `end` on.

    A byte that begins no UTF-8 sequence of full length counts as U+FFFD of width 1. Arrow holds valid UTF-8;
    this only keeps a kernel inside its arrays where a file lies.
    """
    first = data[position]
    if first < 0x80:
        return first, 1
    width = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if first < 0xC2 or first > 0xF4 or position + width > end:
        return REPLACEMENT_CHARACTER, 1
    code = first & (0x7F >> width)
    for i in range(position + 1, position + width):
        if data[i] & 0xC0 != 0x80:
            return REPLACEMENT_CHARACTER, 1
        code = code << 6 | data[i] & 0x3F
    if code >= CODE_POINTS:
        return REPLACEMENT_CHARACTER, 1
    return code, width


@njit(cache=True, nogil=True)
def encode(code: int, data: npt.NDArray[np.uint8], position: int) -> int:
    """Write `code` as UTF-8 at `position`; return the position after it."""
    if code < 0x80:
        data[position] = code
        return position + 1
    width = 2 if code < 0x800 else 3 if code < 0x10000 else 4
    for i in range(position + width - 1, position, -1):
        data[i] = 0x80 | code & 0x3F
        code >>= 6
    data[position] = (0xF00 >> width) & 0xFF | code
    return position + width
