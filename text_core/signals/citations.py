"""Kept lines without their citations: `[1]`, `[]`, `[edit]` and `[citation needed]`, which C4 takes out of a line."""

import numpy as np
import numpy.typing as npt
from numba import njit

from sequitur.text_core.units.arrays import read_only
from sequitur.text_core.units.character_kinds import DECIMAL, KIND, character_kinds
from sequitur.text_core.units.kernels import kernel
from sequitur.text_core.units.lines import KEPT, LineVerdicts
from sequitur.text_core.units.offsets import offsets_of
from sequitur.text_core.units.strings import Strings
from sequitur.text_core.units.unicode import NEWLINE, WHITE_SPACE, decode, unicode_tables

_MARKUP = np.frombuffer(b"[edit][citation needed]", dtype=np.uint8)
_MARKUP_OFFSETS = (0, len(b"[edit]"), len(_MARKUP))
_LINE_FEED = 0x0A
OPENING_BRACKET, _CLOSING_BRACKET = 0x5B, 0x5D


def joined_without_citations(strings: Strings, verdicts: LineVerdicts) -> Strings:
    """n documents of the kept lines, without citations, joined by line feeds, the whole without white space before it.

    Costs one copy of the kept text.
    """
    sizes = kept_sizes(strings, verdicts)
    offsets = np.zeros(len(strings.offsets), dtype=np.int64)
    data = np.empty(int(sizes.sum()) + len(sizes), dtype=np.uint8)
    _write_documents(strings, character_kinds(), unicode_tables().classes, verdicts, offsets, data)
    return Strings(read_only(offsets, np.int64), read_only(data[: offsets[-1]], np.uint8))


def separate_lines(strings: Strings, verdicts: LineVerdicts, rows: npt.NDArray[np.int64]) -> Strings:
    """The lines `rows` int64[r] of all documents, without citations, as r strings."""
    sizes = kept_sizes(strings, verdicts)[rows]
    offsets = offsets_of(sizes)
    data = np.empty(int(offsets[-1]), dtype=np.uint8)
    _write_rows(strings, character_kinds(), verdicts, rows, offsets, data)
    return Strings(read_only(offsets, np.int64), read_only(data, np.uint8))


def kept_sizes(strings: Strings, verdicts: LineVerdicts) -> npt.NDArray[np.int64]:
    """The bytes of each line without its citations: int64[l], 0 for a removed line."""
    sizes = np.zeros(len(verdicts.reason), dtype=np.int64)
    _fill_sizes(strings, character_kinds(), verdicts, sizes)
    return sizes


@kernel
def holds(data: npt.NDArray[np.uint8], start: int, end: int, byte: int) -> bool:
    """Whether a byte occurs in [start, end)."""
    found = False
    for other in data[start:end]:  # to the end: the processor then compares many at once
        found |= other == byte
    return found


@kernel
def copy_without_citations(
    data: npt.NDArray[np.uint8],
    position: int,
    end: int,
    kinds: npt.NDArray[np.uint8],
    target: npt.NDArray[np.uint8],
    at: int,
) -> int:
    """Write [position, end) without its citations to `target` from `at` on; return where it ends there."""
    while position < end:
        if data[position] == OPENING_BRACKET:
            after = _citation_end(data, position, end, kinds)
            if after > position:
                position = after
                continue
        target[at] = data[position]
        at += 1
        position += 1
    return at


@kernel
def _citation_end(data: npt.NDArray[np.uint8], position: int, end: int, kinds: npt.NDArray[np.uint8]) -> int:
    r"""The end of the citation that begins with the [ at `position`; `position` itself where it begins none.

    As a regular expression: `\[\d*]|\[edit]|\[citation needed]`.
    """
    after = position + 1
    while after < end:
        code, width = decode(data, after, end)
        if code == _CLOSING_BRACKET:
            return after + 1
        if kinds[code] & KIND != DECIMAL:
            break
        after += width
    for markup in range(2):
        first, last = _MARKUP_OFFSETS[markup], _MARKUP_OFFSETS[markup + 1]
        i = 0
        while first + i < last and position + i < end and data[position + i] == _MARKUP[first + i]:
            i += 1
        if first + i == last:
            return position + i
    return position


@kernel
def _fill_sizes(
    strings: Strings, kinds: npt.NDArray[np.uint8], verdicts: LineVerdicts, sizes: npt.NDArray[np.int64]
) -> None:
    data = strings.data
    reasons, starts, ends, _ = verdicts
    for line in range(len(reasons)):
        if reasons[line] != KEPT:
            continue
        size = sizes[line] = ends[line] - starts[line]
        if not holds(data, starts[line], ends[line], OPENING_BRACKET):
            continue
        for position in range(starts[line], ends[line]):
            if data[position] == OPENING_BRACKET:  # none lies inside a citation: each is looked at once
                size -= _citation_end(data, position, ends[line], kinds) - position
        sizes[line] = size


@njit(cache=True, nogil=True)
def _write_documents(
    strings: Strings,
    kinds: npt.NDArray[np.uint8],
    classes: npt.NDArray[np.uint8],
    verdicts: LineVerdicts,
    offsets: npt.NDArray[np.int64],
    target: npt.NDArray[np.uint8],
) -> None:
    data = strings.data
    reasons, starts, ends, document_offsets = verdicts
    at = 0
    for document in range(len(offsets) - 1):
        for line in range(document_offsets[document], document_offsets[document + 1]):
            if reasons[line] != KEPT:
                continue
            if at > offsets[document]:
                target[at] = _LINE_FEED
                at += 1
            begin = at
            at = copy_without_citations(data, starts[line], ends[line], kinds, target, at)
            if begin == offsets[document]:  # a citation before the first line leaves white space
                start = begin
                while start < at and classes[decode(target, start, at)[0]] in (WHITE_SPACE, NEWLINE):
                    start += decode(target, start, at)[1]
                for i in range(start, at):
                    target[begin + i - start] = target[i]
                at -= start - begin
        offsets[document + 1] = at


@njit(cache=True, nogil=True)
def _write_rows(
    strings: Strings,
    kinds: npt.NDArray[np.uint8],
    verdicts: LineVerdicts,
    rows: npt.NDArray[np.int64],
    offsets: npt.NDArray[np.int64],
    target: npt.NDArray[np.uint8],
) -> None:
    for i in range(len(rows)):
        start, end = verdicts.start[rows[i]], verdicts.end[rows[i]]
        copy_without_citations(strings.data, start, end, kinds, target, offsets[i])
