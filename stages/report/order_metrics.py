"""What an order of a run's documents is worth: every metric of it, from the contexts that it was cut into.

Cosines are those of the model's own vectors. Where the graph was made of others, with a share of the words in them, the
same measures by those vectors stand beside them, as `graph_adjacency` and so on.

In-context gain is measured on a seeded sample of contexts, of their whole text: quickly, and what the quick way misses
on some of these. Its standard error is of this sample alone: two orders are sampled each for itself, not in pairs, and
the error of a difference is that of independent samples.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, cast

import numpy as np
from threadpoolctl import threadpool_limits

from sequitur.graph_sort import metrics, packing
from sequitur.graph_sort.graph import Empty, Graph
from sequitur.graph_sort.orders import Order
from sequitur.graph_sort.packing import Likeness, PackedContexts
from sequitur.pipeline import scratch
from sequitur.pipeline.config import Config
from sequitur.pipeline.names import SELECTION, SIGNALS, TOKENS, VECTORS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.sections import Pack
from sequitur.pipeline.seeds import derived_seed
from sequitur.pipeline.stage import text_artifact
from sequitur.pipeline.storage import Directory
from sequitur.shards.permutation import permute
from sequitur.stages.report.texts import Texts
from sequitur.stages.shared.columns.arrays import BLOCK, by_blocks, held
from sequitur.stages.shared.columns.groups import group_codes, kept_values
from sequitur.stages.shared.columns.stored_vectors import StoredVectors
from sequitur.stages.shared.columns.token_ranges import document_lengths
from sequitur.text_core.signals import in_context_gain
from sequitur.text_core.units.offsets import offsets_of

GAIN_CONTEXTS = 300  # sampled for the gain, where contexts are short
GAIN_TOKENS = 2**20  # that the sample may hold at most, for each document is compressed with all before it
LEAST_GAIN_CONTEXTS = 16  # all of which are measured in full; of more, one of GAIN_EVERY
GAIN_EVERY = 8


class Cut(NamedTuple):
    """An order as a trainer meets it."""

    contexts: PackedContexts  # documents by ordinal
    reading_orders: Sequence[np.ndarray]  # int64 indices of contexts: a reading order for each directory of shards
    row_lengths: int | np.ndarray  # tokens that the row of a context has room for: of all, or int64 [c]


class TextSample(NamedTuple):
    """What in-context gain is measured on."""

    texts: Texts
    contexts: int  # sampled
    every: int  # of these one that is measured in full
    seed: int  # of the sample


class Yardstick(NamedTuple):
    """What all orders of a run are measured by. The vectors may be arrays, or are read by rows where they lie."""

    own: np.ndarray  # float16 [n, d], by ordinal: the model's, apart where they are a part of those that are stored
    of_graph: np.ndarray | None  # float16 [n, e]: those that made the graph, where they are others
    lengths: np.ndarray  # int64 [n] tokens
    alone: np.ndarray  # float32 [n] about what share of its bytes a document compresses to by itself
    groups: Mapping[str, np.ndarray]  # int64 [n] by name, as of `groups_of`
    duplicate_cosine: float  # from which on two documents are alike
    sample: TextSample


def held_by(empty: Empty, cut: Cut) -> Cut:
    """The same in arrays from `empty`: several orders are compared at a time."""
    there = partial(held, empty)
    rows = cut.row_lengths if isinstance(cut.row_lengths, int) else there(cut.row_lengths)
    return Cut(PackedContexts(*map(there, cut.contexts)), list(map(there, cut.reading_orders)), rows)


def unnumbered(order: Order, empty: Empty) -> Order:
    """An order of documents in an array from `empty`, without its paths, which are not asked for where it is cut."""
    return order._replace(permutation=held(empty, order.permutation), path=order.path[:0].copy())


def yardstick(root: Directory, config: Config, gain_contexts: int | None = None) -> Yardstick:
    """Finds what orders are measured by. `vectors`, `tokens`, `documents`, `signals` and `selection` must be finished.

    `gain_contexts` are sampled for in-context gain, and measured in full; None: 300, or fewer where they are long, and
    some of them in full.
    """
    own, graph = (StoredVectors(root / VECTORS, own=own) for own in (True, False))
    differ = own.shape[1] != graph.shape[1]
    lengths = document_lengths(root / TOKENS)
    every = 1
    if gain_contexts is None:
        gain_contexts = min(GAIN_CONTEXTS, max(LEAST_GAIN_CONTEXTS, GAIN_TOKENS // config.pack.context_length))
        every = GAIN_EVERY
    seed = derived_seed(config.seed, "report", "in_context_gain")
    texts = Texts(root / text_artifact(config), root / SELECTION, lengths)
    return Yardstick(
        # All that is asked of stored ones is rows.
        own.all(scratch.beside(root)) if differ else cast(np.ndarray, own),
        cast(np.ndarray, graph) if differ else None,
        lengths,
        kept_values(root, SIGNALS, "compression_ratio"),
        groups_of(root),
        config.neighbors.duplicate_cosine or metrics.NEAR_DUPLICATE,
        TextSample(texts, gain_contexts, every, seed),
    )


def groups_of(root: Directory) -> dict[str, np.ndarray]:
    """By name, the group that each kept document belongs to, int64 by ordinal, −1 where unknown: its source, and its
    `section` (of that source) where the records have one."""
    source, _ = group_codes(root, "source")
    section, names = group_codes(root, "section")
    if not names:
        return {"source": source}
    for begin in range(0, len(section), BLOCK):
        here = slice(begin, begin + BLOCK)
        section[here] = np.where(section[here] >= 0, source[here] * len(names) + section[here], -1)
    return {"source": source, "section": section}


def cut(
    order: Order,
    ordinals: np.ndarray,
    lengths: np.ndarray,
    settings: Pack,
    seed: int,
    alike: Likeness | None = None,
    empty: Empty = np.empty,
) -> Cut:
    """An order of the documents `ordinals` (int64 [m]) cut into contexts and permuted as `pack` does.

    All are one split and one family. `lengths` are int64 tokens by ordinal; `seed` is the configured one; `alike`
    has the node of each of the m documents, for policies that go by it. Memory: what the policy takes, and then 40
    bytes a piece and as many a context; what is returned is in arrays from `empty`.
    """
    policy, context_length = settings.policy, settings.context_length
    likeness, tokens = None if order.sorted else alike, by_blocks(lengths.__getitem__, ordinals, np.int64, empty)
    contexts = packing.POLICIES[policy](tokens, order.permutation, context_length, order.opens, likeness, order.fills)
    contexts = contexts._replace(document=ordinals[contexts.document])
    rows = packing.row_lengths(policy, context_length)
    row = np.searchsorted(rows, np.diff(offsets_of(contexts.length)[contexts.offsets]))
    reading_orders = []
    for index in np.flatnonzero(np.bincount(row)):
        here = np.flatnonzero(row == index)
        if not order.sorted:
            here = here[_permuted(len(here), derived_seed(seed, "pack", "train"), empty)]
        reading_orders.append(here)
    return held_by(empty, Cut(contexts, reading_orders, rows[row]))


def _permuted(count: int, seed: int, empty: Empty) -> np.ndarray:
    return by_blocks(lambda places: permute(places, count, seed), np.arange(count), np.int64, empty)


def measure(cut: Cut, by: Yardstick, progress: Progress) -> dict[str, float | None]:
    """The metrics of some contexts by name, undefined ones None. Each is read at most once.

    Cost: O(Σ m²d) for m documents in a context; for each sampled context of 8,192 tokens 7 ms in full, 0.4 else.
    """
    contexts = cut.contexts
    found = _cosines(cut, by.own, by.duplicate_cosine)
    if by.of_graph is not None:
        of_graph = _cosines(cut, by.of_graph, by.duplicate_cosine)
        found |= {f"graph_{name}": value for name, value in of_graph.items()}
    found |= metrics.placement(contexts, cut.row_lengths)._asdict()
    found["documents_per_context"] = len(contexts.document) / max(len(contexts.offsets) - 1, 1)
    for name, group in by.groups.items():
        found[f"same_{name}_share"] = metrics.same_group_share(contexts, group)
    found |= _gain(contexts, by.sample, progress)
    return {name: value if math.isfinite(value) else None for name, value in found.items()}


def path_weight(graph: Graph, ordinals: np.ndarray, permutation: np.ndarray, by: Yardstick) -> dict[str, float | None]:
    """`bound`, and the weight of an order of the graph's nodes, the documents `ordinals`, as a share of it.

    The share is None where the order does not read each document once.
    """
    vectors, is_read = by.own if by.of_graph is None else by.of_graph, np.zeros(len(ordinals), np.bool_)
    is_read[permutation] = True
    found: dict[str, float | None] = {"bound": metrics.bound(graph), "path_weight_share": None}
    if len(permutation) == len(ordinals) and is_read.all():
        found["path_weight_share"] = metrics.path_weight_share(graph, vectors, ordinals[permutation])
    return {name: value if value is not None and math.isfinite(value) else None for name, value in found.items()}


def excess_gain(measured: Mapping[str, float | None], baseline: Mapping[str, float | None]) -> dict[str, float | None]:
    """What in-context gain an order has beyond that of a random one, with the standard error of the difference."""
    pairs = [(measured[name], baseline[name]) for name in ("in_context_gain", "in_context_gain_error")]
    (gain, chance), (error, chance_error) = pairs
    return {
        "excess_gain": None if gain is None or chance is None else gain - chance,
        "excess_gain_error": None if error is None or chance_error is None else math.hypot(error, chance_error),
    }


def histogram(values: np.ndarray) -> list[dict[str, int]]:
    """How many of some int64 values ≥ 1 lie in 1, 2 … 3, 4 … 7 and so on, from the smallest value to the largest."""
    counts = np.zeros(64, np.int64)
    for begin in range(0, len(values), BLOCK):
        power = np.frexp(values[begin : begin + BLOCK].astype(np.float64))[1] - 1
        counts += np.bincount(power, minlength=len(counts))
    met = np.flatnonzero(counts).tolist()
    return [
        {"from": 2**low, "to": 2 ** (low + 1) - 1, "count": int(counts[low])}
        for low in (range(met[0], met[-1] + 1) if met else ())
    ]


def _cosines(cut: Cut, vectors: np.ndarray, duplicate_cosine: float) -> dict[str, float]:
    with threadpool_limits(1):  # two threads wait longer for each other than the small products of leakage take
        leakage = metrics.leakage(cut.contexts, vectors, *cut.reading_orders)
    return {
        **metrics.coherence(cut.contexts, vectors, duplicate_cosine)._asdict(),
        **{f"leakage_{name}": value for name, value in leakage._asdict().items()},
        "leakage_z": leakage.z,
    }


def gain_contexts(contexts: PackedContexts, sample: TextSample) -> tuple[np.ndarray, np.ndarray]:
    """The contexts that in-context gain is of, and those that it is measured on, int64 ascending."""
    followed = np.flatnonzero(np.diff(contexts.offsets) > 1)  # the others have nothing to be told by an earlier one
    generator = np.random.Generator(np.random.PCG64(sample.seed))
    return followed, np.sort(generator.permutation(followed)[: sample.contexts])


def _gain(contexts: PackedContexts, sample: TextSample, progress: Progress) -> dict[str, float]:
    followed, chosen = gain_contexts(contexts, sample)
    count = max(-(-len(chosen) // sample.every), min(LEAST_GAIN_CONTEXTS, len(chosen)))
    full = np.linspace(0, len(chosen) - 1, count).round().astype(np.int64)
    texts = sample.texts.of(contexts, chosen)

    def sizes(measured: Callable[[list[bytes]], tuple[int, int]], rows: np.ndarray) -> np.ndarray:
        progress.step("in-context gain", len(rows), "contexts")
        found = np.zeros((len(rows), 2), dtype=np.int64)
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            for index, pair in enumerate(threads.map(lambda row: measured(texts.of_row(row)), rows.tolist())):
                found[index] = pair
                progress.update(index + 1)
        return found

    quick = sizes(in_context_gain.quick_sizes, np.arange(len(chosen))) if count < len(chosen) else None
    found = in_context_gain.gain(sizes(in_context_gain.compressed_sizes, full), quick, full)
    return {
        # The gain leaves out each context's first document, so it is higher where long documents come first;
        # what is saved of all text is not.
        "bytes_saved_per_token": found.saved * len(followed) / max(int(contexts.length.sum()), 1),
        "in_context_gain": found.gain,
        "in_context_gain_error": found.error,
        "in_context_gain_contexts": len(chosen),
    }
