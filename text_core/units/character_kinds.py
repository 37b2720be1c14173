"""What a character is for signals of composition: a script's letter, a number, punctuation; upper or lower case.

Shipped (`character_kinds.npz`) for the reason given in `unicode.py`, in the same Unicode version. To move to another,
run `write_kinds(KINDS_PATH)`, which needs the package `regex`: the standard library knows no scripts.

| kind | code points |
|---|---|
| 0 | all others: marks, symbols, white space, controls, unassigned |
| 1 … 11 | letters (L*) by Unicode's property Script: those of `SCRIPTS` in order, then all other scripts |
| NUMBER | N* but Nd: fractions, superscripts, Roman numerals |
| DECIMAL | Nd, as `\\d` in `re` |
| PUNCTUATION | P*, curly brackets excepted |
| CURLY_BRACKET | { and } |

Three bits are added: UPPER_CASE (Lu, Lt), LOWER_CASE (Ll), and TERMINAL (`TERMINAL_PUNCTUATION` of `unicode.py`).
"""

import functools
import unicodedata
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.unicode import CODE_POINTS, TERMINAL_PUNCTUATION

KINDS_PATH = Path(__file__).with_name("character_kinds.npz")

SCRIPTS = ("latin", "cyrillic", "greek", "arabic", "hebrew", "devanagari", "han", "kana", "hangul", "thai")
OTHER_SCRIPT = len(SCRIPTS) + 1
NUMBER, DECIMAL, PUNCTUATION, CURLY_BRACKET = range(OTHER_SCRIPT + 1, OTHER_SCRIPT + 5)
KIND = 0x0F  # the mask of a kind
UPPER_CASE, LOWER_CASE, TERMINAL = 0x10, 0x20, 0x40
KINDS = 0x80  # every value is below


@functools.cache
def character_kinds() -> npt.NDArray[np.uint8]:
    """The kind and case of every code point, uint8[0x110000], read once per process."""
    with np.load(KINDS_PATH, allow_pickle=False) as stored:
        return read_only(stored["kinds"], np.uint8)


def write_kinds(path: Path) -> None:
    """Write the table of this interpreter's `unicodedata` and the scripts of the package `regex`."""
    kinds = np.array([_kind_of(chr(code)) for code in range(CODE_POINTS)], dtype=np.uint8)
    np.savez_compressed(path, kinds=kinds)


def _kind_of(character: str) -> int:
    terminal = TERMINAL if character in TERMINAL_PUNCTUATION else 0
    category = unicodedata.category(character)
    if category[0] == "L":
        case = UPPER_CASE if category in ("Lu", "Lt") else LOWER_CASE if category == "Ll" else 0
        return _script_of(character) | case
    if category[0] == "N":
        return DECIMAL if category == "Nd" else NUMBER
    if character in "{}":
        return CURLY_BRACKET
    return terminal | (PUNCTUATION if category[0] == "P" else 0)


def _script_of(character: str) -> int:
    if character in "ー\uff70":  # the prolonged sound mark is in no script of its own: it belongs to both kana
        return SCRIPTS.index("kana") + 1
    import regex  # type: ignore[import-untyped]  # here alone, to write the table: no run needs it

    for number, script in enumerate(SCRIPTS, start=1):
        names = ("Hiragana", "Katakana") if script == "kana" else (script,)
        if any(regex.match(rf"\p{{Script={name}}}", character) for name in names):
            return number
    return OTHER_SCRIPT
