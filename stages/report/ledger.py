"""The ledger: the proof that nothing was lost and nothing counted twice, per source and in all.

records read = rejected + dropped by each rule + duplicates of each kind + placed in contexts + removed since
tokens of the placed documents + tokens repeated by the order = tokens in shards + tokens dropped by the packing policy
tokens of the removed documents = tokens that the removal records tell
characters read = characters refined + removed by each operation − added by each operation, where text is refined
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sequitur.pipeline.errors import LedgerImbalance


@dataclass
class Characters:
    """Code points of the documents before and after `refine`, and what its operations took away and put in."""

    read: int
    refined: int
    removed: Counter[str] = field(default_factory=Counter)
    added: Counter[str] = field(default_factory=Counter)

    def problems(self) -> list[str]:
        """A line if the equation does not hold."""
        removed, added = self.removed.total(), self.added.total()
        if self.read == self.refined + removed - added:
            return []
        return [f"{self.read:,} characters read, {self.refined:,} refined with {removed:,} removed and {added:,} added"]

    def to_json(self) -> dict[str, Any]:
        operations = sorted({*self.removed, *self.added})
        return {
            "read": self.read,
            "operations": {name: {"removed": self.removed[name], "added": self.added[name]} for name in operations},
            "refined": self.refined,
        }


@dataclass
class Ledger:
    """Counts of records and tokens, and of characters where text is refined.

    `dropped` counts by source, then by reason.
    """

    read: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    dropped: dict[str, Counter[str]] = field(default_factory=dict)
    placed: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)  # placed once, and taken out of the shards since
    tokens_of_placed: int = 0
    tokens_in_shards: int = 0
    tokens_dropped: int = 0
    tokens_repeated: int = 0  # of documents that an order for comparison reads more than once, beyond the first time
    tokens_of_removed: int = 0
    tokens_removed: int = 0  # by the removal records
    characters: Characters | None = None

    def drop(self, source: str, reason: str, count: int) -> None:
        if count:
            self.dropped.setdefault(source, Counter())[reason] += count

    @property
    def sources(self) -> list[str]:
        return sorted({*self.read, *self.rejected, *self.dropped, *self.placed, *self.removed})

    @property
    def reasons(self) -> Counter[str]:
        """Drops by reason over all sources."""
        total: Counter[str] = Counter()
        for counts in self.dropped.values():
            total.update(counts)
        return total

    def problems(self) -> list[str]:
        """One line for each equation that does not hold."""
        found = []
        for source in self.sources:
            lost = self.dropped.get(source, Counter()).total()
            accounted = self.rejected[source] + lost + self.placed[source] + self.removed[source]
            if self.read[source] != accounted:
                found.append(
                    f"source {source}: {self.read[source]:,} records read, {accounted:,} accounted for "
                    f"({self.rejected[source]:,} rejected, {lost:,} dropped, {self.placed[source]:,} placed"
                    + (f", {self.removed[source]:,} removed)" if self.removed else ")")
                )
        if self.tokens_of_placed + self.tokens_repeated != self.tokens_in_shards + self.tokens_dropped:
            repeated = f" and {self.tokens_repeated:,} repeated" if self.tokens_repeated else ""
            found.append(
                f"{self.tokens_of_placed:,} tokens of placed documents{repeated}, {self.tokens_in_shards:,} in shards "
                f"and {self.tokens_dropped:,} dropped"
            )
        if self.tokens_of_removed != self.tokens_removed:
            found.append(
                f"{self.tokens_of_removed:,} tokens of removed documents, {self.tokens_removed:,} in removal records"
            )
        return found + (self.characters.problems() if self.characters else [])

    def check(self) -> None:
        """Refuses a ledger that does not balance.

        Raises:
            LedgerImbalance: an equation does not hold.
        """
        if problems := self.problems():
            raise LedgerImbalance(f"the ledger does not balance: {'; '.join(problems)}")

    def to_json(self) -> dict[str, Any]:
        return {
            "balances": not self.problems(),
            "records": {
                "read": self.read.total(),
                "rejected": self.rejected.total(),
                "dropped": dict(sorted(self.reasons.items())),
                "placed": self.placed.total(),
                **({"removed": self.removed.total()} if self.removed else {}),
            },
            "tokens": {
                "of_placed_documents": self.tokens_of_placed,
                "repeated": self.tokens_repeated,
                "in_shards": self.tokens_in_shards,
                "dropped_by_packing": self.tokens_dropped,
                **({"removed": self.tokens_removed} if self.removed else {}),
            },
            **({"characters": self.characters.to_json()} if self.characters else {}),
            "sources": {source: self._of(source) for source in self.sources},
        }

    def _of(self, source: str) -> Mapping[str, Any]:
        return {
            "read": self.read[source],
            "rejected": self.rejected[source],
            "dropped": dict(sorted(self.dropped.get(source, Counter()).items())),
            "placed": self.placed[source],
            **({"removed": self.removed[source]} if self.removed else {}),
        }
