"""Lines and paragraphs by hash, to find those that a corpus repeats.

A line counts without the white space around it; a blank line never counts. A paragraph is a run of lines none of which
is blank, and counts as the sequence of its lines; the blank lines after it belong to it.

Equal hashes are taken for equal text: with 64 bits, and f of them frequent, a line is wrongly taken for a frequent one
with probability f/2^64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from sequitur.text_core.edits.edits import Lines
from sequitur.text_core.units.hashing import mix64
from sequitur.text_core.units.strings import Strings
from sequitur.text_core.units.unicode import WHITE_SPACE, decode, unicode_tables
from sequitur.text_core.units.words import FNV_BASIS, FNV_PRIME

BLANK = np.uint64(0)
COUNTED = np.dtype([("hash", "<u8"), ("count", "<i8")])


class Paragraphs(NamedTuple):
    """p paragraphs of n documents, in text order."""

    hash: npt.NDArray[np.uint64]  # [p]
    of_line: npt.NDArray[np.int64]  # [l], −1 for blank lines before the first paragraph of a document


def line_hashes(strings: Strings, lines: Lines) -> npt.NDArray[np.uint64]:
    """The hash of each of l lines, uint64 [l]: FNV-1a over the bytes that stand between white space; BLANK for none."""
    hashes = np.empty(len(lines.end), dtype=np.uint64)
    _hash_lines(strings.data, unicode_tables().classes, lines, hashes)
    return hashes


@njit(cache=True, nogil=True)
def _hash_lines(
    data: npt.NDArray[np.uint8], classes: npt.NDArray[np.uint8], lines: Lines, hashes: npt.NDArray[np.uint64]
) -> None:
    start, end, _ = lines
    for line in range(len(end)):
        position = start[line]
        value = FNV_BASIS  # up to the byte before `position`
        stripped = BLANK  # up to the last code point that is no white space
        blank = True
        while position < end[line]:
            code, width = decode(data, position, end[line])
            space = classes[code] == WHITE_SPACE
            if space and blank:
                position += width
                continue
            blank = False
            for i in range(position, position + width):
                value = (value ^ np.uint64(data[i])) * FNV_PRIME
            position += width
            if not space:
                stripped = value
        hashes[line] = stripped if blank else max(mix64(stripped), np.uint64(1))


def paragraphs(lines: Lines, hashes: npt.NDArray[np.uint64]) -> Paragraphs:
    """The paragraphs that l lines with these hashes make."""
    of_line = np.empty(len(hashes), dtype=np.int64)
    found = np.empty(len(hashes), dtype=np.uint64)
    count = _fill_paragraphs(lines.document_offsets, hashes, of_line, found)
    return Paragraphs(found[:count], of_line)


@njit(cache=True, nogil=True)
def _fill_paragraphs(
    document_offsets: npt.NDArray[np.int64],
    hashes: npt.NDArray[np.uint64],
    of_line: npt.NDArray[np.int64],
    found: npt.NDArray[np.uint64],
) -> int:
    count = 0
    for document in range(len(document_offsets) - 1):
        current = -1
        inside = False
        for line in range(document_offsets[document], document_offsets[document + 1]):
            if hashes[line] == BLANK:
                inside = False
            else:
                if not inside:
                    inside = True
                    current = count
                    found[count] = FNV_BASIS
                    count += 1
                found[current] = mix64((found[current] ^ hashes[line]) * FNV_PRIME)
            of_line[line] = current
    return count


def counted(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.void]:
    """Each hash but BLANK once, ascending, with how often it occurs: COUNTED."""
    values, counts = np.unique(hashes[hashes != BLANK], return_counts=True)
    records = np.empty(len(values), dtype=COUNTED)
    records["hash"], records["count"] = values, counts
    return records


def frequent(records: npt.NDArray[np.void], most: int) -> npt.NDArray[np.uint64]:
    """The hashes whose counts, COUNTED in any order and any number of pieces, add up to more than `most`; ascending."""
    ordered = records[np.argsort(records["hash"], kind="stable")]
    first = np.flatnonzero(np.diff(ordered["hash"], prepend=ordered["hash"][:1] ^ np.uint64(1)))
    totals = np.add.reduceat(ordered["count"], first) if len(first) else np.empty(0, dtype=np.int64)
    chosen: npt.NDArray[np.uint64] = np.ascontiguousarray(ordered["hash"][first[totals > most]])
    return chosen


def is_among(hashes: npt.NDArray[np.uint64], among: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Which hashes are among some, which ascend: bool [l]."""
    if not len(among):
        return np.zeros(len(hashes), dtype=np.bool_)
    at = np.minimum(np.searchsorted(among, hashes), len(among) - 1)
    found: npt.NDArray[np.bool_] = among[at] == hashes
    return found
