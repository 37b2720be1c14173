"""Pairs of documents in a file: written as they are found, part by part, and read by the higher document of each.

All pairs that are nearly as close as duplicates may be as many as the neighbours of all documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from sequitur.graph_sort.near_duplicates import Pairs
from sequitur.pipeline.errors import from_storage

PAIR = np.dtype([("higher", "<i8"), ("lower", "<i8"), ("cosine", "<f4")])
PAIRS_AT_ONCE = 2**20  # that are sorted and written, at least, where there are as many
DOCUMENTS_AT_ONCE = 2**15  # whose pairs are read


class PairFile:
    """Pairs of some of n documents, in a file of the caller's. Memory: those that are written or read at a time."""

    def __init__(self, file: BinaryIO, place: str, documents: int) -> None:
        """`place` is where the file lies, for messages."""
        self._file, self._place = file, place
        self._begins = np.arange(0, documents + DOCUMENTS_AT_ONCE, DOCUMENTS_AT_ONCE)
        self._held: list[np.ndarray] = []
        self._count = 0  # of those that are held
        self._blocks: list[np.ndarray] = []  # of each the places in the file at which documents `_begins` begin
        self._size = 0

    def add(self, pairs: Pairs) -> None:
        """Puts pairs to the others."""
        records = np.empty(len(pairs.edges), PAIR)
        records["lower"], records["higher"] = pairs.edges.min(axis=1), pairs.edges.max(axis=1)
        records["cosine"] = pairs.cosine
        self._held.append(records)
        self._count += len(records)
        if self._count >= PAIRS_AT_ONCE:
            self._write()

    def by_higher(self) -> Iterator[Pairs]:
        """All of them, the lower id of each first, in blocks whose higher ids are above all of the block before."""
        self._write()
        for first in range(len(self._begins) - 1):
            found = (self._read(*block[first : first + 2]) for block in self._blocks)
            records = np.concatenate([np.empty(0, PAIR), *found])
            records = records[np.argsort(records["higher"], kind="stable")]
            yield Pairs(np.stack([records["lower"], records["higher"]], axis=1), records["cosine"].copy())

    def _write(self) -> None:
        if not self._held:
            return
        records = np.concatenate(self._held)
        self._held, self._count = [], 0
        records = records[np.argsort(records["higher"], kind="stable")]
        self._blocks.append(self._size + np.searchsorted(records["higher"], self._begins))
        try:
            self._file.seek(self._size * PAIR.itemsize)
            self._file.write(records.tobytes())
            self._file.flush()
        except OSError as error:
            raise from_storage(error, self._place) from error
        self._size += len(records)

    def _read(self, first: int, last: int) -> np.ndarray:
        self._file.seek(first * PAIR.itemsize)
        return np.frombuffer(self._file.read((last - first) * PAIR.itemsize), PAIR)
