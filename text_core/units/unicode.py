# ruff: noqa: RUF001 (the confusable characters are what is classified)
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
| LETTER | L* of scripts that put spaces between words |
| UNSPACED | L* of Hangul syllables, and of scripts that put no spaces between words: Han, Kana, Thai, Lao, Khmer, … |

The classes are ordered: from NUMBER on a code point begins a word, from LETTER on it is alphabetic (L*).

A second table holds what `tokens.py` asks of a code point: the low four bits of a kind are one of

| token class | code points |
|---|---|
| PLAIN | all others: hyphens, slashes, mathematical signs, digits beyond ASCII |
| SPACE | WHITE_SPACE and NEWLINE; the tsheg, which stands between the syllables of Tibetan |
| ALONE | UNSPACED, So (emoji, arrows, box drawing), the ellipsis |
| EDGE | punctuation and quotation marks that are split off either end of a token |
| OPENER | + % § = and Sc (currencies): split off the beginning of a token; off its end after a digit |
| FULL_STOP | . |
| DIGIT | 0-9 |
| LOWER | Ll, Lm, Lo but UNSPACED |
| UPPER | Lu, Lt |
| ATTACHED | MARK |

and a bit each says SYMBOL (in datatrove's `PUNCTUATION_SET`), ALPHABETIC (L*, `str.isalpha`) and SPACELESS (L* of a
script that puts no spaces between words: UNSPACED but Hangul, which puts them, and Tibetan, whose tshegs are no such).

Case folding is the simple folding of Unicode's CaseFolding.txt (status C and S): one code point to one. Full
foldings (ß to ss, ﬁ to fi) and Turkish i are left out, so that a text keeps its number of code points.
"""

import functools
import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.kernels import kernel

UNICODE_VERSION = "14.0.0"
TABLES_PATH = Path(__file__).with_name("unicode_tables.npz")
CODE_POINTS = 0x110000

OTHER, WHITE_SPACE, NEWLINE, APOSTROPHE, MARK, NUMBER, LETTER, UNSPACED = range(8)

PLAIN, SPACE, ALONE, EDGE, OPENER, FULL_STOP, DIGIT, LOWER, UPPER, ATTACHED = range(10)
TOKEN_CLASS, SYMBOL, ALPHABETIC, SPACELESS = 0x0F, 0x10, 0x20, 0x40  # the mask of a token class; three bits

REPLACEMENT_CHARACTER = 0xFFFD
_JOINERS = "\u200c\u200d\u00ad"  # category Cf, yet inside words: Persian and Indic spelling, hyphenation
_TSHEGS = "\u0f0b\u0f0c"
# `unicodedata` has no script property; names begin with the script. Those of Line_Break SA and ID, but emoji; and
# others whose words nothing divides.
_SPACELESS_NAMES = (
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
    "TAI LE ",
    "NEW TAI LUE ",
    "TAI THAM ",
    "TAI VIET ",
    "AHOM ",
    "JAVANESE ",
    "BALINESE ",
    "BUGINESE ",
    "BATAK ",
    "VAI ",
    "YI ",
    "TANGUT ",
    "NUSHU ",
    "KHITAN ",
)
_UNSPACED_NAMES = ("HANGUL SYLLABLE ", *_SPACELESS_NAMES)
# Sentence_Terminal of Unicode, as datatrove 0.10 lists it (`utils/text.py`, `TERMINAL_PUNCTUATION`)
TERMINAL_PUNCTUATION = (
    "!.?\u0589\u061d\u061e\u061f\u06d4\u0700\u0701\u0702\u07f9\u0837\u0839\u083d\u083e\u0964\u0965\u104a\u104b"
    "\u1362\u1367\u1368\u166e\u1735\u1736\u17d4\u17d5\u17d6\u17d9\u17da\u1803\u1809\u1944\u1945\u1aa8\u1aa9\u1aaa"
    "\u1aab\u1b5a\u1b5b\u1b5e\u1b5f\u1b7d\u1b7e\u1c3b\u1c3c\u1c7e\u1c7f\u203c\u203d\u2047\u2048\u2049\u2e2e\u2e3c"
    "\u2e53\u2e54\u3002\ua4ff\ua60e\ua60f\ua6f3\ua6f7\ua876\ua877\ua8ce\ua8cf\ua92f\ua9c8\ua9c9\uaa5d\uaa5e\uaa5f"
    "\uaaf0\uaaf1\uabeb\ufe52\ufe56\ufe57\uff01\uff0e\uff1f\uff61\U00010a56\U00010a57\U00010f55\U00010f56"
    "\U00010f57\U00010f58\U00010f59\U00010f86\U00010f87\U00010f88\U00010f89\U00011047\U00011048\U000110be"
    "\U000110bf\U000110c0\U000110c1\U00011141\U00011142\U00011143\U000111c5\U000111c6\U000111cd\U000111de"
    "\U000111df\U00011238\U00011239\U0001123b\U0001123c\U000112a9\U0001144b\U0001144c\U000115c2\U000115c3"
    "\U000115c9\U000115ca\U000115cb\U000115cc\U000115cd\U000115ce\U000115cf\U000115d0\U000115d1\U000115d2"
    "\U000115d3\U000115d4\U000115d5\U000115d6\U000115d7\U00011641\U00011642\U0001173c\U0001173d\U0001173e"
    "\U00011944\U00011946\U00011a42\U00011a43\U00011a9b\U00011a9c\U00011c41\U00011c42\U00011ef7\U00011ef8"
    "\U00011f43\U00011f44\U00016a6e\U00016a6f\U00016af5\U00016b37\U00016b38\U00016b44\U00016e98\U0001bc9f"
    "\U0001da88"
)
# datatrove's `PUNCTUATION_SET`: a token of these alone is no word. The controls are in it, tab and \n are not.
_CONTROLS = "".join(map(chr, (*range(9), *range(11, 32), *range(127, 160))))
_SYMBOLS = frozenset(
    "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»"
    + TERMINAL_PUNCTUATION
    + _CONTROLS
)
# What spaCy (3.8, `lang/char_classes.py`, `PUNCT` and `LIST_QUOTES`, and both dashes) splits off either end of a token
_EDGES = ",:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪'\"”“`‘´’‚„»«「」『』（）〔〕【】《》〈〉⟦⟧—–"


class UnicodeTables(NamedTuple):
    """Indexed by code point; read-only."""

    classes: npt.NDArray[np.uint8]  # [0x110000]
    folded: npt.NDArray[np.int32]  # [0x110000], simple case folding
    token_kinds: npt.NDArray[np.uint8]  # [0x110000], token class and bits


@functools.cache
def unicode_tables() -> UnicodeTables:
    """The shipped tables, read on the first call of a process (6.7 MB, of which text touches a few pages)."""
    return read_tables(TABLES_PATH)


def read_tables(path: Path) -> UnicodeTables:
    """Read what `write_tables` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        folded = np.arange(CODE_POINTS, dtype=np.int32)
        folded[stored["case_folds"][:, 0]] = stored["case_folds"][:, 1]
        return UnicodeTables(
            read_only(stored["classes"], np.uint8),
            read_only(folded, np.int32),
            read_only(stored["token_kinds"], np.uint8),
        )


def write_tables(path: Path) -> None:
    """Write the tables of this interpreter's `unicodedata`; the case folds as their pairs, int32[k, 2]."""
    characters = [chr(code) for code in range(CODE_POINTS)]
    folds = [(code, ord(_simple_fold(character))) for code, character in enumerate(characters)]
    np.savez_compressed(
        path,
        classes=np.array([_class_of(character) for character in characters], dtype=np.uint8),
        token_kinds=np.array([_token_kind_of(character) for character in characters], dtype=np.uint8),
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


def _token_kind_of(character: str) -> int:
    category = unicodedata.category(character)
    kind = _token_class_of(character, category)
    kind |= SYMBOL if character in _SYMBOLS else 0
    if category[0] != "L":
        return kind
    spaceless = unicodedata.name(character, "").startswith((*_SPACELESS_NAMES, "TIBETAN "))
    return kind | ALPHABETIC | (SPACELESS if spaceless else 0)


def _token_class_of(character: str, category: str) -> int:
    own = _class_of(character)
    if own in (WHITE_SPACE, NEWLINE) or character in _TSHEGS:
        return SPACE
    if own == UNSPACED or category == "So" or character == "…":
        return ALONE
    if character in _EDGES:
        return EDGE
    if character in "+%§=" or category == "Sc":
        return OPENER
    if character == ".":
        return FULL_STOP
    if character in "0123456789":
        return DIGIT
    if category[0] == "L":
        return UPPER if category in ("Lu", "Lt") else LOWER
    return ATTACHED if own == MARK else PLAIN


def _simple_fold(character: str) -> str:
    # Where the full folding is longer, the simple one is the lower case: ẞ to ß, ᾈ to ᾀ.
    for folded in (character.casefold(), character.lower()):
        if len(folded) == 1:
            return folded
    return character


@kernel
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


@kernel
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
