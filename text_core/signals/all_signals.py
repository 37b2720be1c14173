"""All signals of every document: the numbers that rules go by. Each family documents its own in a table.

gopher        the quality rules of Gopher
repetition    the repetition rules of Gopher
c4            the rules of C4
fineweb       the rules of FineWeb
composition   RedPajama-V2's signals that need no model, and the scripts of the letters
compression   how far the text can be compressed
web_marks     URLs and e-mail addresses
"""

from collections.abc import Callable, Collection, Iterable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from sequitur.text_core.signals import c4, composition, compression, fineweb, gopher, repetition, web_marks
from sequitur.text_core.signals.stop_words import StopWords
from sequitur.text_core.units.characters import character_table
from sequitur.text_core.units.lines import line_table, split_lines
from sequitur.text_core.units.strings import Strings
from sequitur.text_core.units.tokens import token_table
from sequitur.text_core.units.words import WordTable

FAMILIES = (gopher, repetition, c4, fineweb, composition, compression, web_marks)
FAMILY_NAMES = tuple(family.__name__.rpartition(".")[2] for family in FAMILIES)


def all_signals(
    strings: Strings,
    words: WordTable,
    stops: StopWords | None = None,
    languages: npt.NDArray[np.int64] | None = None,
    families: Collection[str] = FAMILY_NAMES,
) -> dict[str, npt.NDArray[Any]]:
    """Every signal of n documents, each an array [n], family by family; the words are those of the strings.

    `stops` are the stop words by language, and `languages` int64[n] each document's place in them: English by default.
    Of some `families` alone, if they are given.
    """
    tokens = cache(lambda: token_table(strings))
    lines = cache(lambda: line_table(strings))
    split = cache(lambda: split_lines(strings))
    characters = cache(lambda: character_table(strings))
    computed: dict[str, Callable[[], dict[str, npt.NDArray[Any]]]] = {
        "gopher": lambda: gopher.gopher_quality_signals(strings, tokens(), characters(), split(), stops, languages),
        "repetition": lambda: repetition.repetition_signals(strings, tokens(), lines()),
        "c4": lambda: c4.c4_signals(strings, tokens(), split()),
        "fineweb": lambda: fineweb.fineweb_signals(strings, tokens(), lines()),
        "composition": lambda: composition.composition_signals(strings, tokens(), words, characters(), lines()),
        "compression": lambda: compression.compression_signals(strings),
        "web_marks": lambda: web_marks.web_mark_signals(strings),
    }
    found: dict[str, npt.NDArray[Any]] = {}
    for family in FAMILY_NAMES:
        if family in families:
            found |= computed[family]()
    return found


def families_of(signals: Iterable[str]) -> list[str]:
    """The families that compute some signals, in their order; of a name that is no signal here, none."""
    wanted = set(signals)
    return [family for family in FAMILY_NAMES if wanted.intersection(signal_names([family]))]


def signal_names(families: Collection[str] = FAMILY_NAMES) -> list[str]:
    """The names of all signals, or of those of some families, in their order, as the families' tables give them."""
    names: list[str] = []
    for name, family in zip(FAMILY_NAMES, FAMILIES, strict=True):
        if name not in families:
            continue
        lines = (family.__doc__ or "").splitlines()
        first = next(number for number, line in enumerate(lines) if line.startswith("| signal |"))
        for line in lines[first + 2 :]:
            if not line.startswith("|"):
                break
            names += _expanded(line.split("|")[1].strip())
    return names


def _expanded(name: str) -> list[str]:
    """`top_2_gram_char_fraction, … 4` as the names with 2, 3 and 4."""
    first, several, last = name.partition(", … ")
    if not several:
        return [first]
    number = next(part for part in first.split("_") if part.isdigit())
    return [first.replace(number, str(n)) for n in range(int(number), int(last) + 1)]
