"""Near-duplicates among neighbours: close by the model's own cosine, versions by their words, alike in their tokens.

The lists of neighbours propose pairs by a cosine, which means one thing in one corpus, language and model, and another
in others; so words confirm them (`words.py`), unless that is switched off, and tokens where that is asked for. Where
the words have a share in the vectors, the cosine in a list is not the model's own, which alone counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa

from sequitur.graph_sort import near_duplicates
from sequitur.graph_sort.near_duplicates import Duplicates, Pairs
from sequitur.graph_sort.pair_set import PairSet
from sequitur.graph_sort.threads import on_threads
from sequitur.pipeline import artifacts, builds, schemas, scratch
from sequitur.pipeline.artifacts import Part
from sequitur.pipeline.names import NEIGHBORS, SEMANTIC_DUPLICATES, TOKENS
from sequitur.pipeline.sections import Neighbors as NeighborSettings
from sequitur.pipeline.storage import Directory
from sequitur.stages.neighbors.lists import lists_of
from sequitur.stages.shared.columns.stored_vectors import StoredVectors
from sequitur.stages.shared.columns.token_store import TokenStore
from sequitur.text_core.units.shingles import jaccard, token_shingle_sets

if TYPE_CHECKING:  # these pairs are also looked at where no job is run
    from sequitur.stages.neighbors.words import Words

NGRAM_TOKENS = 13
TOKENS_AT_ONCE = 2**24  # whose n-grams are compared
PAIRS_AT_ONCE = 2**14  # whose vectors are
JUDGED_AT_ONCE = 2**20  # pairs, at least, where there are as many
REMEMBERED = 2**22  # refused pairs, of 32 bytes at most
SLACK = 0.25  # two close documents whose words are less alike than −SLACK are not proposed; hashing makes noise of 0.05
TRIED = [round(0.9 + 0.01 * step, 2) for step in range(10)]


def close_pairs(lists: Directory, own: StoredVectors, weight: float, least: float, threads: int) -> Iterator[Pairs]:
    """Of each part of the lists the pairs of documents, by ordinal, whose own cosine is `least` or more.

    Each pair stands in a part once. Memory: about 50 bytes per pair proposed in a part, on each thread.

    Args:
        lists: the artifact with the neighbours.
        own: the model's own part of the vectors.
        weight: the words' share in the vectors.
        least: the cosine.
        threads: how many look, at a part each.
    """
    proposed = least if not weight else (1 - weight) * least - weight * SLACK

    def of_part(part: Part) -> Pairs:
        batch = artifacts.read_part(lists, part)
        pairs = near_duplicates.pairs_above(lists_of(batch), proposed)
        pairs.edges[:, 0] = batch.column("ordinal").to_numpy()[pairs.edges[:, 0]]
        pairs = near_duplicates.distinct(pairs)
        return at_least(with_own_cosine(own, pairs.edges), least) if weight and len(pairs.edges) else pairs

    return on_threads(threads, of_part, artifacts.require_manifest(lists).parts)


def together(found: Iterable[Pairs], least: int = JUDGED_AT_ONCE) -> Iterator[Pairs]:
    """Those pairs, of so many parts at once that they are `least`: a pair that two parts name is judged once, and a
    document is read once for many pairs."""
    held: list[Pairs] = []
    count = 0
    for pairs in found:
        held.append(pairs)
        count += len(pairs.edges)
        if count >= least:
            yield joined(held)
            held, count = [], 0
    if held:
        yield joined(held)


def joined(found: Iterable[Pairs]) -> Pairs:
    """All of some pairs, each once."""
    nothing = Pairs(np.empty((0, 2), np.int64), np.empty(0, np.float32))
    return near_duplicates.distinct(Pairs(*(np.concatenate(column) for column in zip(nothing, *found, strict=True))))


class Judge:
    """Tells which close pairs are duplicates, by the settings; texts' words and tokens are read where they decide.

    A later search finds most pairs again. Those that words refused are remembered, up to REMEMBERED of them.
    """

    def __init__(self, root: Directory, settings: NeighborSettings, words: Words | None, documents: int) -> None:
        self._tokens, self._settings, self._words = root / TOKENS, settings, words
        self._refused = PairSet(documents, REMEMBERED, scratch.beside(root))

    def all_duplicates(self, found: Iterable[Pairs]) -> Pairs:
        """`duplicates` of the pairs of all parts, each once."""
        return joined(map(self.duplicates, together(found)))

    def duplicates(self, pairs: Pairs) -> Pairs:
        """Those of the pairs that are; the lower ordinal of each is its first."""
        settings = self._settings
        pairs = at_least(pairs, settings.least_cosine)
        if self._words is not None:
            pairs = _some(pairs, ~self._refused.holds(pairs.edges))
            confirmed = self._words.confirm(pairs.edges)
            self._refused.add(pairs.edges[~confirmed])
            pairs = _some(pairs, confirmed)
        if settings.duplicate_jaccard is not None:
            pairs = _some(pairs, ngram_jaccard(self._tokens, pairs.edges) >= settings.duplicate_jaccard)
        return pairs

    def write(self, root: Directory, duplicates: Duplicates) -> None:
        """Makes `neighbors/duplicates` of a run."""
        build = builds.begin(root / SEMANTIC_DUPLICATES, builds.current(root / NEIGHBORS).fingerprint)
        lost = np.flatnonzero(duplicates.of >= 0)
        edges = np.stack([lost, duplicates.of[lost]], axis=1)
        overlap = similarity = pa.nulls(len(lost), pa.float32())
        if self._words is not None:
            overlap = pa.array(self._words.likeness(edges).overlap)
        if self._settings.duplicate_jaccard is not None:
            similarity = pa.array(ngram_jaccard(self._tokens, edges))
        columns = [lost, edges[:, 1], duplicates.cosine[lost], overlap, similarity]
        batch = pa.record_batch(columns, schema=schemas.DUPLICATES)
        builds.write_part(build, "part-00000-0000.arrow", batch, compress=False)
        builds.finish(build, {}, {}, {})


def would_drop(pairs: Iterable[Pairs], documents: int) -> dict[str, int]:
    """How many documents another `neighbors.duplicate_cosine` would drop for the pairs of the first search, which come
    by the higher of their documents."""
    counts = near_duplicates.dropped_at(pairs, documents, TRIED)
    return {f"{threshold:.2f}": count for threshold, count in zip(TRIED, counts, strict=True)}


def ngram_jaccard(tokens: Directory, edges: np.ndarray) -> np.ndarray:
    """float32 [e]: Jaccard similarity of the sets of n-grams of NGRAM_TOKENS tokens of each pair of ordinals [e, 2].

    A shorter document is one n-gram. Memory: about 30 bytes for each of TOKENS_AT_ONCE tokens, or of the longest pair.
    """
    similarity = np.empty(len(edges), dtype=np.float32)
    store = TokenStore(tokens, check=False)
    ends = np.cumsum(store.lengths()[edges].sum(axis=1)) // TOKENS_AT_ONCE
    for block in np.split(np.arange(len(edges)), np.flatnonzero(np.diff(ends)) + 1):
        ordinals, pairs = np.unique(edges[block], return_inverse=True)
        sets = token_shingle_sets(*store.of(ordinals), NGRAM_TOKENS)
        similarity[block] = jaccard(sets, sets, pairs.reshape(-1, 2).astype(np.int64))
    return similarity


def with_own_cosine(own: StoredVectors, edges: np.ndarray, threads: int = 1) -> Pairs:
    """Pairs of ordinals, int64 [e, 2], with the cosines of the model's own part of their vectors."""
    vectors = cast(np.ndarray, own)  # all that is asked of it is rows
    blocks = np.split(edges, range(PAIRS_AT_ONCE, len(edges), PAIRS_AT_ONCE))
    found = on_threads(threads, lambda some: near_duplicates.edge_cosines(vectors, some), blocks)
    return Pairs(edges, np.concatenate(list(found)))


def at_least(pairs: Pairs, least: float) -> Pairs:
    """Those of the pairs whose cosine is."""
    return _some(pairs, pairs.cosine >= least)


def _some(pairs: Pairs, chosen: np.ndarray) -> Pairs:
    return Pairs(pairs.edges[chosen], pairs.cosine[chosen])
