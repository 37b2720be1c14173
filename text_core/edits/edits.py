"""Changes to texts that are one after another the same for every document: lines removed, strings replaced.

A line is one of `str.splitlines()`, and goes together with its line break; what is not changed stays byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.offsets import offsets_of
from sequitur.text_core.units.strings import Strings, from_arrow
from sequitur.text_core.units.unicode import NEWLINE, SYMBOL, WHITE_SPACE, decode, unicode_tables

_LINE_FEED, _CARRIAGE_RETURN, _SPACE = 0x0A, 0x0D, 0x20


class Edited(NamedTuple):
    """n texts after an operation, and what it did to each."""

    text: pa.LargeStringArray
    changes: npt.NDArray[np.int64]  # [n] lines removed, strings replaced
    removed: npt.NDArray[np.int64]  # [n] code points taken away
    added: npt.NDArray[np.int64]  # [n] code points put in


class Lines(NamedTuple):
    """l lines of n documents, in text order; line i with its break is `data[start[i]:start[i + 1]]`."""

    start: npt.NDArray[np.int64]  # [l + 1], byte offsets into `Strings.data`
    end: npt.NDArray[np.int64]  # [l], byte offset after the last code point that is no line break
    document_offsets: npt.NDArray[np.int64]  # [n + 1]; document i has lines document_offsets[i:i + 1]


def unchanged(text: pa.LargeStringArray) -> Edited:
    """What an operation returns that found nothing to do."""
    return Edited(text, *np.zeros((3, len(text)), dtype=np.int64))


def find_lines(strings: Strings) -> Lines:
    """The lines of n documents, as `str.splitlines()` has them: none in an empty text. Reads the text twice."""
    documents = len(strings.offsets) - 1
    nothing = np.empty(0, dtype=np.int64)
    document_offsets = np.zeros(documents + 1, dtype=np.int64)
    classes = unicode_tables().classes
    count = _fill_lines(strings, classes, nothing, nothing, document_offsets)
    start, end = np.empty(count + 1, dtype=np.int64), np.empty(count, dtype=np.int64)
    _fill_lines(strings, classes, start, end, document_offsets)
    start[count] = strings.offsets[-1]
    return Lines(*(read_only(column, np.int64) for column in (start, end, document_offsets)))


@njit(cache=True, nogil=True)
def _fill_lines(
    strings: Strings,
    classes: npt.NDArray[np.uint8],
    start: npt.NDArray[np.int64],
    end: npt.NDArray[np.int64],
    document_offsets: npt.NDArray[np.int64],
) -> int:
    """Count the lines; write where they begin and end as far as the arrays reach."""
    offsets, data = strings
    room = len(end)
    count = 0
    for document in range(len(offsets) - 1):
        position = offsets[document]
        last = offsets[document + 1]
        while position < last:
            if count < room:
                start[count] = position
            width = 0
            while position < last:
                code, width = decode(data, position, last)
                if classes[code] == NEWLINE:
                    break
                position += width
                width = 0
            if count < room:
                end[count] = position
            if width == 1 and data[position] == _CARRIAGE_RETURN:
                width += position + 1 < last and data[position + 1] == _LINE_FEED
            position += width
            count += 1
        document_offsets[document + 1] = count
    return count


def without_lines(strings: Strings, lines: Lines, keep: npt.NDArray[np.bool_]) -> Edited:
    """The texts without the lines for which `keep`, bool [l], is false.

    Returns:
        As `changes` the lines removed, as `removed` their code points, line breaks included.
    """
    documents = len(strings.offsets) - 1
    size = np.diff(lines.start) * keep
    before = offsets_of(size)
    offsets = before[lines.document_offsets]
    data = np.empty(int(offsets[-1]), dtype=np.uint8)
    count, removed = np.zeros((2, documents), dtype=np.int64)
    _copy_kept(strings, lines, read_only(keep, np.bool_), data, count, removed)
    text = pa.LargeStringArray.from_buffers(documents, pa.py_buffer(offsets), pa.py_buffer(data))
    return Edited(text, count, removed, np.zeros(documents, dtype=np.int64))


@njit(cache=True, nogil=True)
def _copy_kept(
    strings: Strings,
    lines: Lines,
    keep: npt.NDArray[np.bool_],
    copied: npt.NDArray[np.uint8],
    count: npt.NDArray[np.int64],
    removed: npt.NDArray[np.int64],
) -> None:
    data = strings.data
    start, _, document_offsets = lines
    written = 0
    for document in range(len(document_offsets) - 1):
        for line in range(document_offsets[document], document_offsets[document + 1]):
            if keep[line]:
                for position in range(start[line], start[line + 1]):
                    copied[written] = data[position]
                    written += 1
                continue
            count[document] += 1
            for position in range(start[line], start[line + 1]):
                removed[document] += data[position] & 0xC0 != 0x80  # all but the continuations begin a code point


def drop_lines(text: pa.LargeStringArray, first: int, last: int) -> Edited:
    """The texts without their lines `first` … `last`, counted from 1, or from the end (−1) where negative."""
    strings = from_arrow(text)
    lines = find_lines(strings)
    totals = np.diff(lines.document_offsets)
    total = np.repeat(totals, totals)
    number = np.arange(len(lines.end), dtype=np.int64) - np.repeat(lines.document_offsets[:-1], totals) + 1
    begin, end = (bound if bound > 0 else total + bound + 1 for bound in (first, last))
    return without_lines(strings, lines, ~((number >= begin) & (number <= end)))


def remove_symbol_lines(text: pa.LargeStringArray) -> Edited:
    """The texts without lines that hold nothing but symbols and spaces; blank lines stay.

    What is a symbol is datatrove's `PUNCTUATION_SET`, and the rule that of its SymbolLinesFormatter (0.10).
    """
    strings = from_arrow(text)
    lines = find_lines(strings)
    tables = unicode_tables()
    keep = np.empty(len(lines.end), dtype=np.bool_)
    _holds_more_than_symbols(strings.data, tables.classes, tables.token_kinds, lines, keep)
    return without_lines(strings, lines, keep)


@njit(cache=True, nogil=True)
def _holds_more_than_symbols(
    data: npt.NDArray[np.uint8],
    classes: npt.NDArray[np.uint8],
    kinds: npt.NDArray[np.uint8],
    lines: Lines,
    keep: npt.NDArray[np.bool_],
) -> None:
    start, end, _ = lines
    for line in range(len(end)):
        position = start[line]
        blank = True
        keep[line] = False
        while position < end[line]:
            code, width = decode(data, position, end[line])
            blank &= classes[code] == WHITE_SPACE
            position += width
            if code != _SPACE and not kinds[code] & SYMBOL:
                keep[line] = True
                break
        # Up to where it was read: a line that is left early stays in any case.
        keep[line] |= blank


def replace(text: pa.LargeStringArray, old: str, new: str) -> Edited:
    """The texts with `new` wherever `old`, which is not empty, stood; from left to right, as `str.replace` does."""
    count = pc.count_substring(text, old).to_numpy(zero_copy_only=False).astype(np.int64)
    if not count.any():
        return unchanged(text)
    return Edited(pc.replace_substring(text, old, new), count, count * len(old), count * len(new))


def edit_some(text: pa.LargeStringArray, edited: Edited, chosen: npt.NDArray[np.bool_]) -> Edited:
    """The changes to the chosen texts, bool [n], among all: `edited` is of `text.filter(chosen)`."""
    columns = np.zeros((3, len(text)), dtype=np.int64)
    columns[:, chosen] = edited.changes, edited.removed, edited.added
    return Edited(pc.replace_with_mask(text, pa.array(chosen), edited.text), *columns)


def edit_each(
    text: pa.LargeStringArray, chosen: npt.NDArray[np.bool_], edit: Callable[[str], tuple[str, int, int, int]]
) -> Edited:
    """The texts after a Python function on each of those chosen, bool [n]: it returns a row of `Edited`."""
    if not chosen.any():
        return unchanged(text)
    texts, *counts = zip(*map(edit, text.filter(pa.array(chosen)).to_pylist()), strict=True)
    return edit_some(text, Edited(pa.array(texts, pa.large_string()), *np.array(counts, dtype=np.int64)), chosen)
