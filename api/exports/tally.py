"""What an export holds and what it leaves out, counted as it is written."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

KEPT, DROPPED, REMOVED = "kept", "dropped", "removed"
"""Names of documents that are in no split: kept and not packed, dropped, or removed since, which is never written."""
BY = ("source", "language", "license")


class Tally:
    """Counts, each by the name that the rows are written under.

    Args:
        dropped: whether documents that were dropped are written.

    Attributes:
        documents, tokens, text_bytes: of those written, by name; the latter two as far as these columns are there.
        by: for each of BY, how many documents that are kept have which value; None where it is not known.
        left_out: documents that are not written, by reason.
    """

    def __init__(self, dropped: bool) -> None:
        self._written = {DROPPED: dropped, REMOVED: False}
        self.documents: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self.text_bytes: Counter[str] = Counter()
        self.by: dict[str, Counter[str | None]] = {name: Counter() for name in BY}
        self.left_out: Counter[str] = Counter()

    def add(self, name: str, rows: pa.RecordBatch) -> bool:
        """Counts some rows under a name; whether they are to be written."""
        if not self._written.get(name, True):
            reasons = {REMOVED: len(rows)} if name == REMOVED else _counts(rows.column("reason"))
            self.left_out.update({str(reason): count for reason, count in reasons.items()})
            return False
        columns = set(rows.schema.names)
        self.documents[name] += len(rows)
        if "tokens" in columns:
            self.tokens[name] += pc.sum(rows.column("tokens")).as_py() or 0
        if "text" in columns:
            self.text_bytes[name] += pc.sum(pc.binary_length(rows.column("text"))).as_py() or 0
        if name != DROPPED:
            for what in columns & {*BY}:
                self.by[what].update(_counts(rows.column(what)))
        return True


def _counts(column: pa.Array) -> dict[str | None, int]:
    return {one["values"]: one["counts"] for one in pc.value_counts(column).to_pylist()}
