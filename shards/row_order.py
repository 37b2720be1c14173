"""Where rows lie: that each holds the context which the order puts there, and that neighbours are related by chance."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sequitur.shards.contexts import Contexts
from sequitur.shards.epochs import TRAIN, bounds, places, rows_of_epochs
from sequitur.shards.errors import NextTokenMismatch, OrderLeaks, OrderMismatch, ShardError, TotalsMismatch
from sequitur.shards.manifest import Manifest, ShardEntry
from sequitur.shards.manifest_rules import contexts_of
from sequitur.shards.offsets import offsets_of
from sequitur.shards.permutation import ALGORITHM

STANDARD_ERRORS = 6.0
SPARE_PAIRS = 3  # where less than a pair is expected the count is skewed: four by chance about once in 10^9


class Pairs(NamedTuple):
    """How many rows are of the group of the row before them, and what a random permutation would give."""

    rows: int
    same: int
    expected: float
    standard_error: float

    @property
    def share(self) -> float:
        """As `adjacent_same_group` in the manifest."""
        return self.same / max(self.rows - 1, 1)

    @property
    def chance(self) -> float:
        """As `expected_by_chance` in the manifest."""
        return self.expected / max(self.rows - 1, 1)


def count_pairs(groups: NDArray[np.uint64], epochs: Sequence[int] = ()) -> Pairs:
    """The pairs of neighbours of one group, over uint64 [rows] group ids in the order of rows; where these are of
    several `epochs`, of so many rows each, the sums over these.

    With groups of m_i of n rows, pairs in a random permutation have the mean Σ m_i (m_i − 1) / n and the variance
    (Σm² (Σm² + n (n + 1)) − 2 n Σm³ − n³) / (n² (n − 1)): n less the number of runs, whose moments are those of Barton
    and David, "Multiple runs", Biometrika 44 (1957).
    """
    if len(epochs) > 1:
        parts = [count_pairs(part) for part in np.split(groups, offsets_of(epochs)[1:-1])]
        same, expected = sum(part.same for part in parts), sum(part.expected for part in parts)
        return Pairs(len(groups), same, expected, math.hypot(*(part.standard_error for part in parts)))
    n = len(groups)
    sizes = np.unique(groups, return_counts=True)[1].astype(np.float64)
    squares, cubes = float((sizes**2).sum()), float((sizes**3).sum())
    variance = (squares * (squares + n * (n + 1)) - 2 * n * cubes - float(n) ** 3) / max(float(n) ** 2 * (n - 1), 1)
    same = int(np.count_nonzero(groups[1:] == groups[:-1]))
    return Pairs(n, same, (squares - n) / max(n, 1), max(variance, 0.0) ** 0.5)


class Rows(NamedTuple):
    """What is kept of the rows of a batch, in their order."""

    shard: ShardEntry
    batch: int
    context_id: NDArray[np.uint64]
    group_id: NDArray[np.uint64]
    first_token: NDArray[np.int64]  # of no row where tokens are not looked at
    next_token: NDArray[np.int64]  # −1 for none


@dataclass
class RowOrder:
    """Takes the batches of all splits one after the other. Memory: 16 bytes a row, 32 with tokens.

    With `tokens` it looks at the first token of each row too, which costs a read of its page.
    """

    manifest: Manifest
    tokens: bool
    _next_row: dict[str, int] = field(default_factory=dict)
    _last_place: dict[str, int] = field(default_factory=dict)
    _taken: dict[str, list[Rows]] = field(default_factory=dict)

    def skip(self, split: str, rows: int) -> None:
        """Pass over rows that cannot be read."""
        self._next_row[split] = self._next_row.get(split, 0) + rows

    def add(self, split: str, shard: ShardEntry, batch: int, contexts: Contexts) -> None:
        """Take batch number `batch` of `shard`. Raises OrderMismatch if its rows lie elsewhere than they should."""
        next_token = np.where(contexts.next_valid, contexts.next_token.astype(np.int64), -1)
        looked_at = slice(None) if self.tokens else slice(0)
        rows = Rows(
            shard,
            batch,
            contexts.context_id.copy(),
            contexts.group_id.copy(),
            contexts.input_ids[looked_at, 0].astype(np.int64),
            next_token[looked_at],
        )
        self._taken.setdefault(split, []).append(rows)
        first = self._next_row.get(split, 0)
        self.skip(split, len(rows.context_id))
        self._check_places(split, first, rows)

    def problems(self) -> Iterator[ShardError]:
        """What all rows together tell; only if none was skipped."""
        for taken in self._taken.values():
            ids = np.concatenate([rows.context_id for rows in taken])
            by_id = np.argsort(ids, kind="stable")
            repeated = by_id[1:][ids[by_id[1:]] == ids[by_id[:-1]]]
            if len(repeated):
                row = int(repeated.min())
                yield _error(OrderMismatch, f"context {ids[row]} is in an earlier row too", taken, row)
            elif self.tokens and self.manifest.packing.policy != "buckets":  # in buckets the document itself goes on
                yield from self._next_token_problems(taken, ids, by_id)
        name = TRAIN if TRAIN in self._taken else next(iter(self._taken), None)
        if name is not None:
            taken = self._taken[name]
            rows_of = rows_of_epochs(np.concatenate([rows.context_id for rows in taken]), self._bounds(name))
            said = [epoch.rows for epoch in self.manifest.order.epochs]
            if name == TRAIN and said and said != rows_of:
                yield TotalsMismatch(f"the epochs have {rows_of} rows, the manifest says {said}")
            else:
                yield from self._leakage(np.concatenate([rows.group_id for rows in taken]), rows_of)

    def _bounds(self, split: str) -> NDArray[np.int64]:
        order = self.manifest.order
        return bounds(order, split, contexts_of(order, split, self.manifest.splits[split].rows))

    def _check_places(self, split: str, first: int, rows: Rows) -> None:
        order, ids = self.manifest.order, rows.context_id
        there = self.manifest.splits[split].rows
        contexts, begins = contexts_of(order, split, there), self._bounds(split)
        beyond = (ids < begins[0]) | (ids >= begins[-1])
        if beyond.any():
            where = int(beyond.argmax())
            raise _error(OrderMismatch, f"context {ids[where]} of {begins[0]} … {begins[-1] - 1}", [rows], where)
        if order.kind == "as_ordered":
            place = ids.astype(np.int64)
        elif order.algo == ALGORITHM and split == TRAIN:
            place = places(ids, begins, order.seed)
        else:
            return  # the seed is that of train alone
        row = begins[0] + first + np.arange(len(ids), dtype=np.int64)
        before = np.append(self._last_place.get(split, -1), place[:-1])
        self._last_place[split] = int(place[-1])
        # Where contexts were taken out, the rest must rise; where none were, each has its place.
        wrong = np.flatnonzero(place != row if contexts == there else place <= before)
        if len(wrong):
            fault = f"context {ids[wrong[0]]} belongs at row {place[wrong[0]]} ({len(wrong)} such rows)"
            raise _error(OrderMismatch, fault, [rows], int(wrong[0]))

    def _next_token_problems(
        self, taken: list[Rows], ids: NDArray[np.uint64], by_id: NDArray[np.int64]
    ) -> Iterator[ShardError]:
        first_token = np.concatenate([rows.first_token for rows in taken])
        next_token = np.concatenate([rows.next_token for rows in taken])
        row, after = by_id[:-1], by_id[1:]
        wrong = row[(ids[after] - ids[row] == 1) & (next_token[row] >= 0) & (next_token[row] != first_token[after])]
        if len(wrong):
            fault = f"next_token is not the first token of the context after it ({len(wrong)} such rows)"
            yield _error(NextTokenMismatch, fault, taken, int(wrong.min()))

    def _leakage(self, groups: NDArray[np.uint64], epochs: Sequence[int]) -> Iterator[ShardError]:
        order, pairs = self.manifest.order, count_pairs(groups, epochs)
        for name, found, said in (
            ("adjacent_same_group", pairs.share, order.adjacent_same_group),
            ("expected_by_chance", pairs.chance, order.expected_by_chance),
        ):
            if not math.isclose(found, said, rel_tol=1e-9, abs_tol=1e-12):
                yield TotalsMismatch(f"{name} is {found:.9g}, the manifest says {said:.9g}")
        most = pairs.expected + STANDARD_ERRORS * pairs.standard_error + SPARE_PAIRS
        if order.kind != "as_ordered" and pairs.same > most:
            yield OrderLeaks(
                f"{pairs.same} rows are of the path of the row before, chance gives {pairs.expected:.1f} "
                f"with a standard error of {pairs.standard_error:.1f}: pack again"
            )


def order_known(manifest: Manifest) -> Iterator[ShardError]:
    """Whether the manifest names an order that can be checked."""
    order = manifest.order
    if (order.kind, order.algo) not in (("global_permutation", ALGORITHM), ("as_ordered", "none")):
        yield OrderMismatch(f"an order of kind {order.kind!r} and algorithm {order.algo!r} is unknown")


def _error(kind: type[ShardError], fault: str, taken: list[Rows], row: int) -> ShardError:
    """The error about row `row` of those taken, with its place."""
    for rows in taken:
        if row < len(rows.context_id):
            break
        row -= len(rows.context_id)
    return kind(
        f"row {row}: {fault}", shard=rows.shard.path, batch=rows.batch, offset=rows.shard.batches[rows.batch].offset
    )
