"""The lists of neighbours of some documents, as columns of lists: gathered from where they lie, a few at a time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sequitur.api.ids import hexadecimal
from sequitur.graph_sort.distinct import distinct_values
from sequitur.pipeline import artifacts, schemas
from sequitur.pipeline.names import NEIGHBORS
from sequitur.pipeline.storage import Directory
from sequitur.text_core.units.offsets import offsets_of


class NeighborLists:
    """The finished lists of a run, found by ordinal. Every part is read once, to compare its checksum.

    Args:
        root: the run directory.
        ids: of each ordinal, binary(16).

    Memory: 8 bytes a document; the lists themselves are mapped where they are local.
    """

    def __init__(self, root: Directory, ids: pa.FixedSizeBinaryArray) -> None:
        directory, self._ids = root / NEIGHBORS, ids
        self._neighbors, self._cosines, ordinals = [], [], []
        for part in artifacts.require_manifest(directory).parts:
            batch = artifacts.read_part(directory, part)
            ordinals.append(batch.column("ordinal").to_numpy())
            self._neighbors.append(schemas.list_matrix(batch.column("neighbor")))
            self._cosines.append(schemas.list_matrix(batch.column("cosine")))
        self._begins = offsets_of(np.array([len(some) for some in ordinals], dtype=np.int64))
        self._row = np.full(len(ids), -1, dtype=np.int64)  # of all parts, one after the other
        if ordinals:
            self._row[np.concatenate(ordinals)] = np.arange(self._begins[-1], dtype=np.int64)

    def named(self, ordinals: pa.Int64Array) -> pa.ListArray:
        """The `doc_id` of each one's neighbours, best first; null for a document that has no list, or no ordinal."""
        found, rows = self._gathered(self._neighbors, ordinals)
        there = found >= 0
        values = hexadecimal(self._ids.take(pa.array(found[there])))
        return _lists(values, there.sum(axis=1), rows)

    def cosines(self, ordinals: pa.Int64Array) -> pa.ListArray:
        """Their cosines, float32, in the same order."""
        there = self._gathered(self._neighbors, ordinals)[0] >= 0
        found, rows = self._gathered(self._cosines, ordinals)
        return _lists(pa.array(found[there]), there.sum(axis=1), rows)

    def _gathered(self, parts: list[np.ndarray], ordinals: pa.Int64Array) -> tuple[np.ndarray, np.ndarray]:
        """The rows of those that have lists, [m, k]; and for each ordinal whether it has: bool [n]."""
        known = ordinals.fill_null(-1).to_numpy()
        rows = np.where(known >= 0, self._row[known], -1) if len(self._row) else np.full(len(known), -1)
        wanted = rows[rows >= 0]
        width = parts[0].shape[1] if parts else 0
        out = np.empty((len(wanted), width), dtype=parts[0].dtype if parts else np.int64)
        of = np.searchsorted(self._begins, wanted, side="right") - 1
        for part in distinct_values(of).tolist():
            here = of == part
            out[here] = parts[part][wanted[here] - self._begins[part]]
        return out, rows >= 0


def _lists(values: pa.Array, lengths: np.ndarray, has: np.ndarray) -> pa.ListArray:
    """A list of some length for each row that `has` one, null for the others."""
    every = np.zeros(len(has), dtype=np.int64)
    every[has] = lengths
    offsets = offsets_of(every).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=pa.array(~has))
