"""The lines of every document, as `str.split("\\n")` or as `str.splitlines()` gives them, and verdicts on them."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.hashing import mix64, word_at
from sequitur.text_core.units.kernels import kernel
from sequitur.text_core.units.offsets import offsets_of
from sequitur.text_core.units.strings import Strings
from sequitur.text_core.units.unicode import NEWLINE, WHITE_SPACE, decode, unicode_tables
from sequitur.text_core.units.words import FNV_BASIS, FNV_PRIME

_LINE_FEED, _CARRIAGE_RETURN = 0x0A, 0x0D


class LineTable(NamedTuple):
    """l lines of n documents, in text order; document i has lines `document_offsets[i]:document_offsets[i + 1]`."""

    hash: npt.NDArray[np.uint64]  # [l], of the bytes, the line feed left out
    start: npt.NDArray[np.int64]  # [l], byte offset into `Strings.data`
    end: npt.NDArray[np.int64]  # [l], byte offset of the line feed, or of the document's end
    chars: npt.NDArray[np.int64]  # [l], code points
    document_offsets: npt.NDArray[np.int64]  # [n + 1]


def line_table(strings: Strings) -> LineTable:
    """Find and hash the lines of n documents; a document without a line feed, the empty one too, is one line.

    Reads the text twice, the first time for line feeds alone. 32 bytes a line.
    """
    document_offsets = np.zeros(len(strings.offsets), dtype=np.int64)
    _count_lines(strings, document_offsets)
    lines = int(document_offsets[-1])
    table = LineTable(
        np.empty(lines, dtype=np.uint64),
        np.empty(lines, dtype=np.int64),
        np.empty(lines, dtype=np.int64),
        np.empty(lines, dtype=np.int64),
        document_offsets,
    )
    _fill_lines(strings, table)
    return table


@kernel
def _count_lines(strings: Strings, document_offsets: npt.NDArray[np.int64]) -> None:
    offsets, data = strings
    for document in range(len(offsets) - 1):
        lines = 1
        for position in range(offsets[document], offsets[document + 1]):
            lines += data[position] == _LINE_FEED
        document_offsets[document + 1] = document_offsets[document] + lines


@kernel
def _fill_lines(strings: Strings, table: LineTable) -> None:
    offsets, data = strings
    hashes, starts, ends, chars, document_offsets = table
    for document in range(len(offsets) - 1):
        position = offsets[document]
        for line in range(document_offsets[document], document_offsets[document + 1]):
            starts[line] = position
            while position < offsets[document + 1] and data[position] != _LINE_FEED:
                position += 1
            ends[line] = position
            hashes[line], chars[line] = hash_line(data, starts[line], position)
            position += 1


@kernel
def hash_line(data: npt.NDArray[np.uint8], start: int, end: int) -> tuple[np.uint64, int]:
    """The hash of the bytes [start, end), as `LineTable` has it, and how many code points they are."""
    value = FNV_BASIS ^ np.uint64(end - start)
    for position in range(start, end, 8):
        value = (value ^ mix64(word_at(data, position, min(8, end - position)))) * FNV_PRIME
    chars = 0
    for byte in data[start:end]:
        chars += byte & 0xC0 != 0x80  # every byte but the continuations begins a code point
    return mix64(value), chars


class LineVerdicts(NamedTuple):
    """What a rule says of each of l lines of n documents, in text order."""

    reason: npt.NDArray[np.uint8]  # [l], KEPT or one of the rule's reasons to remove it
    start: npt.NDArray[np.int64]  # [l], byte offset into `Strings.data`
    end: npt.NDArray[np.int64]  # [l], byte offset after the line
    document_offsets: npt.NDArray[np.int64]  # [n + 1]


KEPT = 0


def sum_by_document(values: npt.NDArray[Any], document_offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The sum of a number, or count of a bool, [l] over the lines of each document: int64[n]."""
    before = offsets_of(values)
    sums: npt.NDArray[np.int64] = np.diff(before[document_offsets])
    return sums


def joined_lines(strings: Strings, verdicts: LineVerdicts) -> Strings:
    """n documents of the kept lines alone, as they are, joined by line feeds. Costs one copy of the kept text."""
    kept = verdicts.reason == KEPT
    offsets = np.zeros(len(strings.offsets), dtype=np.int64)
    data = np.empty(int((verdicts.end - verdicts.start + 1)[kept].sum()), dtype=np.uint8)
    _write_documents(strings, verdicts, offsets, data)
    return Strings(read_only(offsets, np.int64), read_only(data[: offsets[-1]], np.uint8))


@njit(cache=True, nogil=True)
def _write_documents(
    strings: Strings, verdicts: LineVerdicts, offsets: npt.NDArray[np.int64], target: npt.NDArray[np.uint8]
) -> None:
    reasons, starts, ends, document_offsets = verdicts
    at = 0
    for document in range(len(offsets) - 1):
        first = True
        for line in range(document_offsets[document], document_offsets[document + 1]):
            if reasons[line] != KEPT:
                continue
            if not first:
                target[at] = _LINE_FEED
                at += 1
            first = False
            size = ends[line] - starts[line]
            target[at : at + size] = strings.data[starts[line] : ends[line]]
            at += size
        offsets[document + 1] = at


class SplitLines(NamedTuple):
    """The l lines of `str.splitlines()` of n documents, in text order, without the white space around them."""

    start: npt.NDArray[np.int64]  # [l], byte offset into `Strings.data`
    end: npt.NDArray[np.int64]  # [l], byte offset after the line; `start` for a blank one
    document_offsets: npt.NDArray[np.int64]  # [n + 1]


def split_lines(strings: Strings) -> SplitLines:
    """Find the lines of n documents, reading the text twice, the first time for bytes that may end a line alone."""
    documents = len(strings.offsets) - 1
    most = _count_possible_ends(strings.data[strings.offsets[0] : strings.offsets[-1]]) + documents
    lines = SplitLines(
        np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64), np.zeros(documents + 1, dtype=np.int64)
    )
    count = _fill_split_lines(strings, unicode_tables().classes, lines)
    return SplitLines(lines.start[:count], lines.end[:count], lines.document_offsets)


@kernel
def _count_possible_ends(data: npt.NDArray[np.uint8]) -> int:
    count = 0
    for byte in data:
        count += (byte >= 0x0A) & (byte <= 0x1E) | (byte == 0xC2) | (byte == 0xE2)
    return count


@kernel
def _fill_split_lines(strings: Strings, classes: npt.NDArray[np.uint8], lines: SplitLines) -> int:
    """Returns the number of lines."""
    offsets, data = strings
    starts, ends, document_offsets = lines
    count = 0
    for document in range(len(offsets) - 1):
        position, end = offsets[document], offsets[document + 1]
        while position < end:
            stop, after = split_line_end(data, position, end)
            starts[count], ends[count] = stripped(data, position, stop, classes)
            count += 1
            position = after
        document_offsets[document + 1] = count
    return count


@kernel
def split_line_end(data: npt.NDArray[np.uint8], position: int, end: int) -> tuple[int, int]:
    """Where the line of `str.splitlines()` that begins at `position` ends, and where the next one begins."""
    while position < end:
        byte = data[position]
        if byte < 0x20:
            if byte == _CARRIAGE_RETURN and position + 1 < end and data[position + 1] == _LINE_FEED:
                return position, position + 2
            if 0x0A <= byte <= 0x0D or 0x1C <= byte <= 0x1E:
                return position, position + 1
        elif byte == 0xC2:  # U+0085 is C2 85
            if position + 1 < end and data[position + 1] == 0x85:
                return position, position + 2
        elif byte == 0xE2 and _is_unicode_separator(data, position, end):
            return position, position + 3
        position += 1
    return end, end


@kernel
def _is_unicode_separator(data: npt.NDArray[np.uint8], position: int, end: int) -> bool:
    """Whether U+2028 or U+2029 (E2 80 A8, E2 80 A9) begins at `position`, where E2 is."""
    return position + 2 < end and data[position + 1] == 0x80 and data[position + 2] in (0xA8, 0xA9)


@kernel
def stripped(data: npt.NDArray[np.uint8], start: int, end: int, classes: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Start and end of a text without the white space around it, as `str.strip`; (end, end) for a blank one."""
    while start < end:
        code, width = decode(data, start, end)
        if classes[code] not in (WHITE_SPACE, NEWLINE):
            break
        start += width
    while start < end:
        last = end - 1
        while last > start and last > end - 4 and data[last] & 0xC0 == 0x80:
            last -= 1
        if classes[decode(data, last, end)[0]] not in (WHITE_SPACE, NEWLINE):
            break
        end = last
    return start, end


@kernel
def last_code(data: npt.NDArray[np.uint8], start: int, end: int) -> int:
    """The last code point of a line that is not empty."""
    position = end - 1
    while position > start and position > end - 4 and data[position] & 0xC0 == 0x80:
        position -= 1
    code, _ = decode(data, position, end)
    return int(code)
