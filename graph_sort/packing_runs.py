"""Packing many documents run by run: where runs of an order begin, and rows of what their last rows hold.

What packing fills rows with lies near in the order, and takes some 150 bytes a piece: so no more is held of many
documents than of a run.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sequitur.graph_sort.filling import Columns
from sequitur.graph_sort.offsets import offsets_of

RUN = 2**16  # places of an order, at least, and at most twice as many


def runs(opens: NDArray[np.bool_], fills: NDArray[np.bool_]) -> Iterator[slice]:
    """The runs of an order of n places, which all end at n.

    A run begins with what is to fill the contexts after it (`fills` [n]), where there is such within RUN places; else
    where a context begins (`opens` [n]); else anywhere.
    """
    begins = [0]
    while opens.size - begins[-1] > 2 * RUN:
        first = begins[-1] + RUN
        here, before = slice(first, first + RUN), slice(first - 1, first + RUN - 1)
        places = [*np.flatnonzero(fills[here] & ~fills[before])[:1], *np.flatnonzero(opens[here])[:1], 0]
        begins.append(first + int(places[0]))
    yield from (slice(first, last) for first, last in pairwise([*begins, opens.size]))


def in_rows(packed: Iterable[Columns], context_length: int) -> Columns:
    """The rows of all runs, as of `packing.PackedContexts`; the last of each may be short. What short rows hold is laid
    end to end, and cut into rows of its own, which come last: all but one are full. Memory: 24 bytes a piece, and 8
    while they are joined.
    """
    counts: list[NDArray[np.int64]] = []
    columns: list[list[NDArray[np.int64]]] = [[], [], []]
    short: list[list[NDArray[np.int64]]] = [[], [], []]
    for offsets, *pieces in packed:
        last = int(offsets[-2]) if offsets.size > 1 else 0
        if int(pieces[2][last:].sum()) == context_length:
            last = int(offsets[-1])
        counts.append(np.diff(offsets[: np.searchsorted(offsets, last, side="right")]))
        for column, some, held in zip(pieces, columns, short, strict=True):
            some.append(column[:last])
            held.append(column[last:].copy())
    rest = end_to_end(context_length, *map(np.concatenate, short))
    found = []
    for some, of_rest in zip(columns, rest[1:], strict=True):
        found.append(np.concatenate([*some, of_rest]))
        some.clear()
    document, start, length = found
    return offsets_of(np.concatenate([*counts, np.diff(rest[0])])), document, start, length


def end_to_end(
    context_length: int, document: NDArray[np.int64], start: NDArray[np.int64], length: NDArray[np.int64]
) -> Columns:
    """Pieces [p], one after the other, cut every `context_length` tokens; the last row may be short."""
    ends = offsets_of(length)
    rows = np.arange(0, int(ends[-1]), context_length, dtype=np.int64)
    begins = np.union1d(ends[:-1], rows)
    piece = np.searchsorted(ends, begins, side="right") - 1
    sizes = np.diff(np.append(begins, ends[-1]))
    offsets = np.append(np.searchsorted(begins, rows), begins.size)
    return offsets, document[piece], start[piece] + begins - ends[piece], sizes
