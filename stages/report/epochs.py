"""Epochs of the training split: the contexts of each by themselves, what they save, and who meets again in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sequitur.graph_sort import metrics
from sequitur.graph_sort.graph import Empty
from sequitur.pipeline import artifacts
from sequitur.pipeline.storage import Directory
from sequitur.shards.epochs import TRAIN, bounds
from sequitur.shards.format import MANIFEST_NAME
from sequitur.shards.manifest import parse_manifest
from sequitur.stages.report.order_metrics import Cut, Yardstick, held_by
from sequitur.stages.report.saved_bytes import SavedBytes
from sequitur.text_core.units.offsets import offsets_of

COSINES = ("adjacency", "best_previous", "pairwise")


def epoch_bounds(shards: Directory, directory: str) -> np.ndarray:
    """int64 [epochs + 1]: where the contexts of each begin in the training split of a dataset; [0] of a single one."""
    if artifacts.require_manifest(shards).parameters.get("epochs", 1) == 1:
        return np.zeros(1, np.int64)
    content = (shards / directory if directory else shards).read_bytes(MANIFEST_NAME)
    return bounds(parse_manifest(content.decode()).order, TRAIN, 0)


def cuts_of_epochs(train: Cut, epoch: np.ndarray, empty: Empty = np.empty) -> list[Cut]:
    """The contexts of each epoch, given that of every context, int64 [c]; of several, in arrays from `empty`."""
    count = int(epoch.max(initial=0)) + 1
    return [train] if count == 1 else [held_by(empty, _only(train, epoch == number)) for number in range(count)]


def _only(cut: Cut, chosen: np.ndarray) -> Cut:
    """Some contexts, bool [c], numbered anew."""
    contexts, numbers = cut.contexts, np.cumsum(chosen) - 1
    counts = np.diff(contexts.offsets)
    pieces = np.repeat(chosen, counts)
    return Cut(
        contexts._replace(
            offsets=offsets_of(counts[chosen]),
            **{name: getattr(contexts, name)[pieces] for name in ("document", "start", "length")},
        ),
        [numbers[read[chosen[read]]] for read in cut.reading_orders],
        np.broadcast_to(cut.row_lengths, len(counts))[chosen],
    )


def measure_epochs(cuts: Sequence[Cut], judge: SavedBytes, by: Yardstick, empty: Empty) -> list[dict[str, Any]]:
    """Of each epoch what it saves, its cosines, and `met_before`, the share of the pairs of documents ending in one
    context that did in an earlier epoch. Where each document ends is in an array from `empty`."""
    found: list[dict[str, Any]] = []
    ends = empty((len(cuts), len(by.lengths)), np.int64)
    for of_epoch, cut in zip(ends, cuts, strict=True):
        of_epoch[:] = _ends(cut, by.lengths)
    is_placed = np.zeros(len(by.lengths), np.bool_)
    is_placed[cuts[0].contexts.document] = True
    for number, cut in enumerate(cuts):
        coherence = metrics.coherence(cut.contexts, by.own, by.duplicate_cosine)
        met = metrics.met_before(ends[number], ends[:number]) if number else float("nan")
        told = {name: getattr(coherence, name) for name in COSINES} | {"met_before": met}
        is_here = np.zeros_like(is_placed)
        is_here[cut.contexts.document] = True
        same = np.array_equal(is_here, is_placed)
        saved = judge.of(cut) if same else dict.fromkeys(found[0].keys() - told.keys())  # removals may take contexts
        found.append(saved | {name: value if np.isfinite(value) else None for name, value in told.items()})
    return found


def _ends(cut: Cut, lengths: np.ndarray) -> np.ndarray:
    """int64 [n]: the context in which each document ends, by ordinal; −1 where none."""
    found = np.full(len(lengths), -1, np.int64)
    contexts = cut.contexts
    context = np.repeat(np.arange(len(contexts.offsets) - 1), np.diff(contexts.offsets))
    last = contexts.start + contexts.length == lengths[contexts.document]
    found[contexts.document[last]] = context[last]
    return found
