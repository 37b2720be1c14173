"""What is known and what is decided of every document while `select` works, as arrays over all parts together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:  # what begins a run loads no numba
    from sequitur.graph_sort.graph import Empty

KEPT = -1


def bytes16(column: pa.FixedSizeBinaryArray) -> np.ndarray:
    """A column of 16-byte values without nulls, dtype V16; where it lies."""
    data = np.frombuffer(column.buffers()[1], dtype="V16")
    return data[column.offset : column.offset + len(column)]


class Documents(NamedTuple):
    """What is held of every document, in the order of parts and rows."""

    doc_id: np.ndarray  # 16 bytes each, dtype V16; after them may come ids of another run's documents
    length: np.ndarray  # int64 bytes of text
    content_hash: np.ndarray  # 16 bytes each, dtype V16
    has_words: np.ndarray  # bool


class Verdicts(NamedTuple):
    """What is decided of each document, by its row in all parts together."""

    reason: np.ndarray  # int16, index into the reasons; KEPT for those that stay
    duplicate_of: np.ndarray  # int64 row of the survivor; −1 for none; beyond all rows for another run's documents
    evidence: np.ndarray  # int64 row of the other document of the deciding pair; −1 for none
    similarity: np.ndarray  # float32 similarity of that pair; NaN for none

    def drop(
        self,
        rows: np.ndarray,
        reason: int,
        survivors: np.ndarray | int = -1,
        evidence: np.ndarray | int = -1,
        similarity: float | np.ndarray = np.nan,
    ) -> None:
        self.reason[rows] = reason
        self.duplicate_of[rows] = survivors
        self.evidence[rows] = evidence
        self.similarity[rows] = similarity


def unread(count: int, empty: Empty = np.empty) -> Documents:
    """Room for so many documents, from `empty`."""
    return Documents(empty(count, "V16"), empty(count, np.int64), empty(count, "V16"), empty(count, np.bool_))


def all_kept(count: int, empty: Empty = np.empty) -> Verdicts:
    """Verdicts by which so many documents all stay, in arrays from `empty`."""
    verdicts = Verdicts(
        empty(count, np.int16), empty(count, np.int64), empty(count, np.int64), empty(count, np.float32)
    )
    for values, value in zip(verdicts, (KEPT, -1, -1, np.nan), strict=True):
        values[:] = value
    return verdicts
