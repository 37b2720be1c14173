"""Near-duplicates among neighbours: close by the model's own cosine and, if asked for, alike in their tokens.

The lists of neighbours propose pairs. Where the words have a share in the vectors, the cosine in a list is not the
model's own, which alone decides; so a lexical share finds other neighbours, but makes no other duplicates.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sequitur.graph_sort import near_duplicates
from sequitur.graph_sort.near_duplicates import Duplicates, Pairs
from sequitur.pipeline import artifacts, schemas
from sequitur.pipeline.names import NEIGHBORS, SEMANTIC_DUPLICATES, TOKENS
from sequitur.pipeline.sections import Neighbors as NeighborSettings
from sequitur.pipeline.storage import Directory
from sequitur.stages.neighbors.lists import lists_of
from sequitur.stages.shared.columns.stored_vectors import StoredVectors
from sequitur.stages.shared.columns.token_store import TokenStore
from sequitur.text_core.units.shingles import jaccard, token_shingle_sets

NGRAM_TOKENS = 13
TOKENS_AT_ONCE = 2**24  # whose n-grams are compared
PAIRS_AT_ONCE = 2**14  # whose vectors are
SLACK = 0.25  # two close documents whose words are less alike than −SLACK are not proposed; hashing makes noise of 0.05
TRIED = [round(0.9 + 0.01 * step, 2) for step in range(10)]


def close_pairs(lists: Directory, vectors: Directory, weight: float, least: float) -> Pairs:
    """All pairs of documents, by ordinal, in each other's lists whose own cosine is `least` or more; each pair once.

    Memory: about 50 bytes per pair proposed.

    Args:
        lists: the artifact with the neighbours.
        vectors: theirs.
        weight: the words' share in the vectors.
        least: the cosine.
    """
    proposed = least if not weight else (1 - weight) * least - weight * SLACK
    found = [Pairs(np.empty((0, 2), np.int64), np.empty(0, np.float32))]
    for part in artifacts.require_manifest(lists).parts:
        batch = artifacts.read_part(lists, part)
        pairs = near_duplicates.pairs_above(lists_of(batch), proposed)
        pairs.edges[:, 0] = batch.column("ordinal").to_numpy()[pairs.edges[:, 0]]
        found.append(pairs)
    pairs = near_duplicates.distinct(Pairs(*(np.concatenate(column) for column in zip(*found, strict=True))))
    return _at_least(_with_own_cosine(vectors, pairs), least) if weight and len(pairs.edges) else pairs


def duplicates_among(tokens: Directory, pairs: Pairs, settings: NeighborSettings) -> Pairs:
    """Those of the pairs that make a duplicate by the settings; the tokens are read where they must be alike, too."""
    pairs = _at_least(pairs, settings.duplicate_cosine)
    if settings.duplicate_jaccard is None:
        return pairs
    alike = ngram_jaccard(tokens, pairs.edges) >= settings.duplicate_jaccard
    return Pairs(pairs.edges[alike], pairs.cosine[alike])


def would_drop(pairs: Pairs) -> dict[str, int]:
    """How many documents another `neighbors.duplicate_cosine` would drop for the pairs of the first search."""
    counts = near_duplicates.dropped_at(pairs, TRIED)
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


def write(root: Directory, duplicates: Duplicates, settings: NeighborSettings) -> None:
    """Makes `neighbors/duplicates` of a run."""
    directory, fingerprint = root / SEMANTIC_DUPLICATES, artifacts.read_building(root / NEIGHBORS)
    artifacts.begin(directory, fingerprint)
    lost = np.flatnonzero(duplicates.of >= 0)
    edges = np.stack([lost, duplicates.of[lost]], axis=1)
    similarity: pa.Array = pa.nulls(len(lost), pa.float32())
    if settings.duplicate_jaccard is not None:
        similarity = pa.array(ngram_jaccard(root / TOKENS, edges))
    batch = pa.record_batch([lost, edges[:, 1], duplicates.cosine[lost], similarity], schema=schemas.DUPLICATES)
    artifacts.write_part(directory, "part-00000-0000.arrow", batch, compress=False)
    artifacts.finish(directory, fingerprint, {}, {}, {})


def _with_own_cosine(directory: Directory, pairs: Pairs) -> Pairs:
    """The pairs with the cosines of the model's own part of the vectors."""
    vectors, cosine = StoredVectors(directory, own=True), np.empty(len(pairs.edges), dtype=np.float32)
    for begin in range(0, len(pairs.edges), PAIRS_AT_ONCE):
        ends = pairs.edges[begin : begin + PAIRS_AT_ONCE]
        cosine[begin : begin + len(ends)] = near_duplicates.pair_cosines(vectors[ends[:, 0]], vectors[ends[:, 1]])
    return Pairs(pairs.edges, cosine)


def _at_least(pairs: Pairs, least: float) -> Pairs:
    close = pairs.cosine >= least
    return Pairs(pairs.edges[close], pairs.cosine[close])
