"""The vectors of all kept documents, read where they lie: whole, or block by block."""

from __future__ import annotations

import numpy as np

from sequitur.graph_sort.graph import Empty
from sequitur.graph_sort.threads import on_threads
from sequitur.graph_sort.vectors import as_float32
from sequitur.pipeline import artifacts, schemas
from sequitur.pipeline.storage import Directory
from sequitur.text_core.units.offsets import offsets_of

BLOCK = 65_536  # vectors that are gathered at a time


class StoredVectors:
    """Rows of `vectors` by ordinal, float16 [r, d], from memory-mapped parts; none is held.

    With `own` they are the model's own part of each vector, without the words', at unit length or zero.
    """

    def __init__(self, directory: Directory, *, own: bool) -> None:
        manifest = artifacts.require_manifest(directory)
        dimensions = manifest.statistics["dimensions"]
        kept = manifest.statistics.get("model_dimensions", dimensions) if own else dimensions
        self.shape = (manifest.rows, kept)
        self._stored = dimensions
        columns = (artifacts.map_part(directory, part, ["vector"]).column("vector") for part in manifest.parts)
        self._parts = [schemas.list_matrix(column) for column in columns]
        self._starts = offsets_of([len(part) for part in self._parts])[:-1]

    def __getitem__(self, ordinals: np.ndarray) -> np.ndarray:
        """The vectors of int64 [r] ordinals."""
        rows = np.empty((len(ordinals), self._stored), dtype=np.float16)
        part = np.searchsorted(self._starts, ordinals, side="right") - 1
        by_part = np.argsort(part, kind="stable")
        numbers, begins = np.unique(part[by_part], return_index=True)
        for number, here in zip(numbers, np.split(by_part, begins[1:]), strict=False):  # nothing asked is one piece
            rows[here] = np.take(self._parts[number], ordinals[here] - self._starts[number], axis=0)
        return unit(as_float32(rows[:, : self.shape[1]])) if self._stored > self.shape[1] else rows

    def gathered(self, ordinals: np.ndarray, empty: Empty = np.empty, threads: int = 1) -> np.ndarray:
        """The vectors of int64 [r] ordinals as one array from `empty`. Memory: its 2·r·d bytes, and a block for each of
        the threads."""
        rows = empty((len(ordinals), self.shape[1]), np.float16)

        def gather(begin: int) -> None:
            here = slice(begin, begin + BLOCK)
            rows[here] = self[ordinals[here]]

        for _ in on_threads(threads, gather, range(0, len(ordinals), BLOCK)):
            pass
        return rows

    def all(self, empty: Empty = np.empty) -> np.ndarray:
        """All of them, row = ordinal, as one array from `empty`."""
        return self.gathered(np.arange(self.shape[0]), empty)


def unit(vectors: np.ndarray) -> np.ndarray:
    """float32 [n, d] → float16 of unit length; what is all zero or not finite becomes zero."""
    vectors = np.where(np.isfinite(vectors).all(axis=1, keepdims=True), vectors, 0).astype(np.float32)
    return normalized(vectors).astype(np.float16)


def normalized(vectors: np.ndarray) -> np.ndarray:
    """[n, d] → float64 of unit length, or zero."""
    vectors = vectors.astype(np.float64)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)
