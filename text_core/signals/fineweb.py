"""The line rules and signals of FineWeb's own filter (Penedo et al. 2024, arXiv 2406.17557, §3.6).

The reading is that of datatrove 0.10 (`filters/fineweb_quality_filter.py`). A "line" is one of `str.split("\\n")` that
is not of white space alone; "terminal punctuation" a code point of `TERMINAL_PUNCTUATION` (`unicode.py`), after which
not even white space may stand; "short" means at most 30 code points. A line is repeated when an equal one stands before
it in the document. "Tokens" are those of `tokens.py`. All signals are float64, as datatrove divides; a document without
lines has zeros.

| signal | dtype | formula | source |
|---|---|---|---|
| line_punct_ratio | float64 | lines that end with terminal punctuation / lines | §3.6 |
| short_line_ratio | float64 | short lines / lines | §3.6 |
| char_dup_ratio | float64 | code points in repeated lines / code points but line feeds | §3.6 |
| newline_to_token_ratio | float64 | line feeds / tokens | datatrove |

The paper's bounds drop documents. `fineweb_lines` removes, instead, the lines that such a document has too many of:

| reason | when |
|---|---|
| repeated | an equal line stands before it in the document |
| short_without_punctuation | it is short and does not end with terminal punctuation |
"""

import numpy as np
import numpy.typing as npt

from sequitur.text_core.units.character_kinds import TERMINAL, character_kinds
from sequitur.text_core.units.hash_table import HashTable, clear, find, hash_table
from sequitur.text_core.units.kernels import kernel
from sequitur.text_core.units.lines import (
    KEPT,
    LineTable,
    LineVerdicts,
    joined_lines,
    last_code,
    line_table,
    sum_by_document,
)
from sequitur.text_core.units.strings import Strings
from sequitur.text_core.units.tokens import TokenTable
from sequitur.text_core.units.unicode import NEWLINE, WHITE_SPACE, decode, unicode_tables

REASONS = ("kept", "repeated", "short_without_punctuation")
REPEATED, SHORT_WITHOUT_PUNCTUATION = 1, 2

MAX_SHORT_LENGTH = 30  # code points; datatrove's `short_line_length`

# What a line is, one bit each; a blank line is nothing else.
_BLANK, _PUNCTUATED, _REPEATED = 1, 2, 4


def fineweb_signals(strings: Strings, tokens: TokenTable, table: LineTable) -> dict[str, npt.NDArray[np.float64]]:
    """The signals of the first table for n documents, each an array [n]; both tables are those of the strings."""
    offsets = table.document_offsets
    traits = _line_traits(strings, table)
    full = traits & _BLANK == 0
    lines = sum_by_document(full, offsets)
    repeated_chars = sum_by_document(np.where(traits & _REPEATED, table.chars, 0), offsets)
    return {
        "line_punct_ratio": _ratio(sum_by_document(traits & _PUNCTUATED != 0, offsets), lines),
        "short_line_ratio": _ratio(sum_by_document(full & (table.chars <= MAX_SHORT_LENGTH), offsets), lines),
        "char_dup_ratio": _ratio(repeated_chars, sum_by_document(table.chars, offsets)),
        "newline_to_token_ratio": _ratio(np.diff(offsets) - 1, np.diff(tokens.document_offsets)),
    }


def fineweb_lines(strings: Strings) -> LineVerdicts:
    """The verdict on every line of n documents, blank ones included, as indices into `REASONS`; blank lines are kept.

    Reads the text three times; 50 bytes a line.
    """
    table = line_table(strings)
    traits = _line_traits(strings, table)
    reason = np.full(len(traits), KEPT, dtype=np.uint8)
    reason[(traits & (_BLANK | _PUNCTUATED) == 0) & (table.chars <= MAX_SHORT_LENGTH)] = SHORT_WITHOUT_PUNCTUATION
    reason[traits & _REPEATED != 0] = REPEATED
    return LineVerdicts(reason, table.start, table.end, table.document_offsets)


def fineweb_text(strings: Strings, verdicts: LineVerdicts) -> Strings:
    """n documents of the kept lines, joined by line feeds. Costs one copy of the kept text."""
    return joined_lines(strings, verdicts)


def _ratio(numerator: npt.NDArray[np.int64], denominator: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    zeros = np.zeros(len(numerator), dtype=np.float64)
    return np.divide(numerator, denominator, out=zeros, where=denominator > 0)


def _line_traits(strings: Strings, table: LineTable) -> npt.NDArray[np.uint8]:
    """_BLANK, _PUNCTUATED and _REPEATED of each line, uint8[l]."""
    traits = np.zeros(len(table.hash), dtype=np.uint8)
    most = int(np.diff(table.document_offsets).max(initial=1))
    _fill_traits(strings, table, unicode_tables().classes, character_kinds(), hash_table(most), traits)
    return traits


@kernel
def _fill_traits(
    strings: Strings,
    table: LineTable,
    classes: npt.NDArray[np.uint8],
    kinds: npt.NDArray[np.uint8],
    seen: HashTable,
    traits: npt.NDArray[np.uint8],
) -> None:
    slots, data = seen.slots, strings.data
    hashes, starts, ends, _, document_offsets = table
    for document in range(len(document_offsets) - 1):
        first, last = document_offsets[document], document_offsets[document + 1]
        shift = clear(seen, last - first)
        own = hashes[first:last]
        for line in range(first, last):
            if _is_blank(data, starts[line], ends[line], classes):
                traits[line] = _BLANK
                continue
            if kinds[last_code(data, starts[line], ends[line])] & TERMINAL:
                traits[line] = _PUNCTUATED
            slot = find(seen, shift, own, line - first)
            if not slots[slot]:
                slots[slot] = line - first + 1
            elif _equal(data, table, first + slots[slot] - 1, line):
                traits[line] |= _REPEATED


@kernel
def _is_blank(data: npt.NDArray[np.uint8], position: int, end: int, classes: npt.NDArray[np.uint8]) -> bool:
    while position < end:
        code, width = decode(data, position, end)
        if classes[code] not in (WHITE_SPACE, NEWLINE):
            return False
        position += width
    return True


@kernel
def _equal(data: npt.NDArray[np.uint8], table: LineTable, line: int, other: int) -> bool:
    """Whether two lines of one hash have the same bytes: lines could be made to agree in it."""
    start, size = table.start[line], table.end[line] - table.start[line]
    other_start = table.start[other]
    if table.end[other] - other_start != size:
        return False
    for i in range(size):  # noqa: SIM110 (a generator is slower to compile)
        if data[start + i] != data[other_start + i]:
            return False
    return True
