"""Which datasets `pack` writes, and which contexts each holds: one for each family, and each row length.

Where there is one family and one length there is one dataset, in `shards` itself; else each has a directory of its own,
`FAMILY`, `len-00512` or `FAMILY/len-00512`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sequitur.graph_sort import packing
from sequitur.graph_sort.graph import Empty
from sequitur.graph_sort.orders import first_of_runs
from sequitur.graph_sort.packing import Likeness, PackedContexts
from sequitur.pipeline.sections import Pack
from sequitur.pipeline.seeds import derived_seed
from sequitur.shards.epochs import TRAIN, reading_order
from sequitur.shards.format import FAMILIES_NAME, MANIFEST_NAME
from sequitur.shards.manifest import EpochEntry, Packing, RowOrder
from sequitur.shards.permutation import ALGORITHM
from sequitur.shards.row_order import count_pairs
from sequitur.stages.pack.context_rows import SplitPlan, end_to_end
from sequitur.stages.shared.columns.arrays import held

ROUTER_FOLDER = "router"
TAKEN = {FAMILIES_NAME, MANIFEST_NAME, ROUTER_FOLDER}


class ShardSet(NamedTuple):
    """One dataset: what its rows hold."""

    directory: str  # below `shards`; empty where there is one alone
    family: str  # its name; empty where there are no families
    context_length: int
    plans: dict[str, SplitPlan]  # by split


class Cutting(NamedTuple):
    """How the order of a run is cut into contexts, and how these are permuted."""

    settings: Pack
    seed: int  # the configured one
    as_ordered: bool  # whether rows stay as they are ordered
    lengths: np.ndarray  # int64 tokens by ordinal
    empty: Empty = np.empty  # of what is planned

    def reading_seed(self, directory: str, split: str) -> int | None:
        """Of the permutation of a dataset's split; None where its rows stay as they are."""
        if self.as_ordered:
            return None
        return derived_seed(self.seed, "pack", *filter(None, [directory]), split)


def plan_sets(
    cutting: Cutting, epochs: Sequence[pa.Table], families: Sequence[str], likeness: Likeness | None = None
) -> list[ShardSet]:
    """Cuts each family's part of the order into contexts, apart for each split and row length.

    Args:
        cutting: how.
        epochs: the order of each: `ordinal`, `path`, `opens`, `fills` and `family` of each place; families ascend.
        families: their names, by number.
        likeness: of the documents, by ordinal, for policies that go by it.
    """
    found = []
    for number, name in enumerate(families):
        own = []
        for order in epochs:
            first, last = np.searchsorted(order["family"].to_numpy(), [number, number + 1]).tolist()
            own.append(order.slice(first, last - first))
        found += _sets_of_family(cutting, name, own, likeness)
    return found


def _sets_of_family(
    cutting: Cutting, family: str, epochs: Sequence[pa.Table], likeness: Likeness | None
) -> list[ShardSet]:
    settings, lengths = cutting.settings, cutting.lengths
    row_lengths = packing.row_lengths(settings.policy, settings.context_length)
    by_length: dict[int, dict[str, list[SplitPlan]]] = {}
    for split, here in parts(cutting, family, epochs):
        ordinals, paths, opens, fills = (here[name].to_numpy() for name in ("ordinal", "path", "opens", "fills"))
        # Places stand for documents, which may stand at several.
        everyone = held(cutting.empty, np.arange(here.num_rows, dtype=np.int64))
        tokens = np.take(lengths, ordinals, out=cutting.empty(len(ordinals), np.int64))
        alike = None
        if likeness is not None:
            node = np.take(likeness.node, ordinals, out=cutting.empty(len(ordinals), np.int64))
            alike = likeness._replace(node=node)
        policy = packing.POLICIES[settings.policy]
        contexts = policy(tokens, everyone, settings.context_length, opens, alike, fills)
        for length, some in packing.by_length(contexts, row_lengths).items():
            directory = directory_name(family, length if settings.policy == "buckets" else None)
            of_split = by_length.setdefault(length, {}).setdefault(split, [])
            of_split.append(_plan(cutting, directory, split, some, ordinals, paths, len(of_split)))
    return [
        ShardSet(
            directory_name(family, length if settings.policy == "buckets" else None),
            family,
            length,
            {split: end_to_end(some, cutting.empty) for split, some in plans.items()},
        )
        for length, plans in sorted(by_length.items())
    ]


def parts(cutting: Cutting, family: str, epochs: Sequence[pa.Table]) -> Iterator[tuple[str, pa.Table]]:
    """A family's part of the orders by split: those of the first epoch, then the split train of the others, which leave
    out the same documents."""
    held_out = np.empty(0, np.int64)
    for split, places in divide(cutting, family, epochs[0]).items():
        here = epochs[0] if len(places) == epochs[0].num_rows else epochs[0].take(pa.array(places))
        held_out = held_out if split == TRAIN else here["ordinal"].to_numpy()
        yield split, here
    for order in epochs[1:]:
        places = np.flatnonzero(~np.isin(order["ordinal"].to_numpy(), held_out))
        # A context goes on to begin where its first document is gone.
        begun = np.cumsum(order["opens"].to_numpy())[places]
        if len(places):
            here = order.take(pa.array(places))
            yield TRAIN, here.set_column(here.schema.get_field_index("opens"), "opens", pa.array(first_of_runs(begun)))


def directory_name(family: str, length: int | None) -> str:
    """Where the dataset of a family and, if there are several, of a row length lies below `shards`.

    `families.safe_names` made the names what directories may be called; one that is taken gets a dash, in which none
    of them ends.
    """
    safe = f"{family}-" if family in TAKEN or family.startswith(("_", "len-")) else family
    return "/".join(part for part in (safe, "" if length is None else f"len-{length:05}") if part)


def divide(cutting: Cutting, family: str, order: pa.Table) -> dict[str, np.ndarray]:
    """Places of a family's part of the order, int64 ascending, by split; no document is in two."""
    share = cutting.settings.validation_share
    everyone = np.arange(order.num_rows, dtype=np.int64)
    if share == 0:
        return {"train": everyone}
    ordinals = order["ordinal"].to_numpy()
    seed = derived_seed(cutting.seed, "pack", "validation", *filter(None, [family]))
    validation = validation_positions(order["path"].to_numpy(), cutting.lengths[ordinals], share, seed)
    train = ~np.isin(ordinals, ordinals[validation])  # an order that repeats documents has them in several paths
    splits = {"train": everyone[train], "val": everyone[validation]}
    return {name: places for name, places in splits.items() if len(places)}


def validation_positions(paths: np.ndarray, tokens: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which places of the order go to the validation split: whole paths, drawn by seed, up to a share of the tokens.

    Args:
        paths: int64 path of each place, ascending.
        tokens: int64 tokens of each place.
        share: of all tokens; 0 for none.
        seed: of the draw.

    Returns:
        bool mask over the places. Paths too large for what is left of the share are passed over.
    """
    first = int(paths[0])
    sizes = np.bincount(paths - first, weights=tokens).astype(np.int64)
    chosen = np.zeros(len(sizes), dtype=bool)
    left = int(share * tokens.sum())
    for path in np.random.Generator(np.random.PCG64(seed)).permutation(len(sizes)):
        if sizes[path] <= left:
            chosen[path] = True
            left -= sizes[path]
    return chosen[paths - first]


def _plan(
    cutting: Cutting,
    directory: str,
    split: str,
    contexts: PackedContexts,
    ordinals: np.ndarray,
    paths: np.ndarray,
    epoch: int,
) -> SplitPlan:
    count = len(contexts.offsets) - 1
    document = ordinals[contexts.document]
    next_document, next_start = np.full(count, -1, dtype=np.int64), np.zeros(count, dtype=np.int64)
    if cutting.settings.policy == "buckets":  # a context is of one document, and so is the token that follows it
        after = contexts.start + contexts.length
        goes_on = after < cutting.lengths[document]
        next_document[goes_on], next_start[goes_on] = document[goes_on], after[goes_on]
    else:
        following = contexts.offsets[1:-1]
        next_document[:-1], next_start[:-1] = document[following], contexts.start[following]
    seed, sizes = cutting.reading_seed(directory, split), np.array([count], np.int64)
    read = np.arange(count, dtype=np.int64) if seed is None else reading_order(sizes, seed + epoch)
    group = paths[contexts.document[contexts.offsets[:-1]]]
    of_pieces = (contexts.offsets, document, contexts.start, contexts.length)
    of_contexts = (group, next_document, next_start, read, sizes)
    return SplitPlan(*[held(cutting.empty, column) for column in (*of_pieces, *of_contexts)])


def placed_in(plans: Iterable[SplitPlan], documents: int) -> np.ndarray:
    """bool [documents], by ordinal: whether some plan holds anything of it."""
    found = np.zeros(documents, dtype=bool)
    for plan in plans:
        found[plan.document] = True
    return found


def split_in(shard_set: ShardSet, lengths: np.ndarray) -> np.ndarray:
    """bool [n], by ordinal: whether a document is in a dataset, and not in one piece; `lengths` int64 [n] tokens."""
    found = np.zeros(len(lengths), dtype=bool)
    for plan in shard_set.plans.values():
        found[plan.document[plan.length < lengths[plan.document]]] = True
    return found


def packing_entry(cutting: Cutting, shard_set: ShardSet) -> Packing:
    """What became of the tokens of the documents that a dataset holds something of."""
    policy, lengths = cutting.settings.policy, cutting.lengths
    plans = list(shard_set.plans.values())
    tokens = sum(int(plan.length.sum()) for plan in plans)
    once = of_documents = int(lengths.sum(where=placed_in(plans, len(lengths))))
    if policy == "buckets":  # which cuts a document alike wherever it stands
        document, start, length = (np.concatenate([plan[field] for plan in plans]) for field in (1, 2, 3))
        once = int(length[np.unique(np.stack([document, start]), axis=1, return_index=True)[1]].sum())
    rows = sum(len(plan.offsets) - 1 for plan in plans)
    return Packing(
        policy,
        dropped_tokens=0,
        padded_tokens=rows * shard_set.context_length - tokens,
        split_docs=int(np.count_nonzero(split_in(shard_set, lengths))),
        repeated_tokens=tokens - once,
        elsewhere_tokens=of_documents - once,
    )


def order_entry(cutting: Cutting, shard_set: ShardSet) -> RowOrder:
    """How the rows lie; how often rows one after the other are of one path, and how often chance would have it."""
    plan = shard_set.plans.get(TRAIN) or next(iter(shard_set.plans.values()))
    groups = plan.group[plan.reading_order]
    counts = np.unique(groups, return_counts=True)[1].astype(np.float64)
    pairs = max(len(groups) - 1, 1)
    chance = float((counts * (counts - 1)).sum() / max(len(groups) * (len(groups) - 1), 1))
    same = float(np.count_nonzero(groups[1:] == groups[:-1]) / pairs)
    epochs: tuple[EpochEntry, ...] = ()
    if len(plan.epochs) > 1:
        epochs = tuple(EpochEntry(count, count) for count in plan.epochs.tolist())
        chance = count_pairs(groups.astype(np.uint64), plan.epochs.tolist()).chance
    seed = cutting.reading_seed(shard_set.directory, TRAIN)
    if seed is None:
        return RowOrder("as_ordered", "none", 0, same, chance, epochs=epochs)
    return RowOrder("global_permutation", ALGORITHM, seed, same, chance, epochs=epochs)
