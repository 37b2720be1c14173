"""What an order saves of all text, as a share of what In-Context Pretraining's order saves as it was published.

With T = Σ compressed bytes of whole rows / Σ bytes of their text (`text_core.signals.saved_bytes`),

    saved_vs_published = (T(random, stream) − T(the order, as it is packed)) / (T(random, stream) − T(published)),

published being Algorithm 1, `iclm`, packed by `stream`, on the graph of the model's own vectors. Every row is
compressed, of a small corpus at level 12. Of a larger one a level is used that takes an eighth of the time. It puts all
T higher by about as much, which leaves the share as it is, and is taken off by what it is in some rows of the random
order. Of a large corpus tokens are drawn, the same for all orders, and the row of each order that holds such a token is
compressed: every row has a chance in proportion to what it holds. So there is a bound, at a corpus of 130 MB.

What tells orders apart is how much less their rows take than the documents would by themselves. So a row's saving is
shared out among its bytes evenly, on top of what each document takes alone (the signal `compression_ratio`). Summed
over all rows that changes nothing; of a sample, and of a bootstrap, it takes away the error of which documents it has.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from sequitur.graph_sort import neighbors, orders
from sequitur.graph_sort.distinct import distinct_values
from sequitur.graph_sort.documents import ArrayDocuments
from sequitur.graph_sort.graph import Empty, Graph, from_neighbors
from sequitur.graph_sort.near_duplicates import edge_cosines
from sequitur.graph_sort.packing import PackedContexts
from sequitur.graph_sort.part import induced
from sequitur.pipeline.config import Config
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.seeds import derived_seed
from sequitur.stages.report import order_metrics
from sequitur.stages.report.order_metrics import Cut, Yardstick, held_by
from sequitur.stages.report.page.comparison import PUBLISHED
from sequitur.stages.report.texts import RowTexts
from sequitur.text_core.signals.in_context_gain import LEVEL, QUICK
from sequitur.text_core.signals.saved_bytes import row_sizes, saved_share
from sequitur.text_core.units.offsets import offsets_of

SEARCHED = 2**14  # documents among which neighbours are searched anew, exactly: some seconds of a core
EDGES_AT_ONCE = 2**16
FINER_TOKENS = 2**18  # of the rows by which it is known how much less level 12 makes of them
ROWS_AT_ONCE = 32  # that a thread compresses


class Bounds(NamedTuple):
    """Tokens, of 4 bytes each, about."""

    finest: int  # of a corpus of which every row is compressed at LEVEL
    every: int  # of one of which every row is compressed
    drawn: int  # of the rows that are compressed of a larger one


BOUNDS = Bounds(2**20, 2**25, 2**25)
EXACT = Bounds(2**62, 2**62, 2**62)


def memory_bytes(text_bytes: int) -> int:
    """What texts take: those of a small corpus, as they are read, and the rows of an order; or, of a large one, those
    that are drawn for four orders, and the rows of one."""
    return min(3 * text_bytes, 24 * BOUNDS.drawn)


class Peers(NamedTuple):
    """What the orders of some documents are compared with."""

    random: Cut  # a random order of them, packed by `stream`
    published: Cut
    own_neighbors: bool  # whether that order's graph is of the nearest by the model's own vectors, as it should be


def peers(
    config: Config,
    graph: Graph,
    nodes: np.ndarray,
    members: np.ndarray,
    by: Yardstick,
    progress: Progress,
    *,
    exact: bool = False,
    empty: Empty = np.empty,
) -> Peers:
    """The peers of orders of `members`, int64 ordinals ascending, in contexts of the configured length.

    Of more than SEARCHED documents, unless `exact`, the published order walks the edges of the run's own graph, each
    weighed by the model's own vectors; member i is node `nodes[i]` of it, int64. Its edges, and the peers, are in
    arrays from `empty`. Where words have no share in the graph, it does so anyhow.
    """
    progress.step(f"{PUBLISHED}: ordering")
    at_hand = by.of_graph is None or (len(members) > SEARCHED and not exact)
    if at_hand:
        graph = induced(graph, nodes, empty)
        if by.of_graph is not None:
            _weigh(graph, members, by.own)
    else:
        graph = own_graph(members, by, config.neighbors.k)
    documents = ArrayDocuments(
        graph, np.empty((len(members), 0), np.float32), by.lengths[members], config.pack.context_length
    )
    settings = config.pack.model_copy(update={"policy": "stream"})

    def cut(name: str) -> Cut:
        order = orders.find(name)(documents, derived_seed(config.seed, "order", name))
        return held_by(empty, order_metrics.cut(order, members, by.lengths, settings, config.seed))

    return Peers(cut("random"), cut("iclm"), by.of_graph is None or not at_hand)


def own_graph(members: np.ndarray, by: Yardstick, k: int) -> Graph:
    """The graph of the k nearest by the model's own vectors, found exactly: n²·d multiplications."""
    own = by.own[members]
    found = neighbors.scan(own, own, np.arange(len(members), dtype=np.int64), k)
    return from_neighbors(found.neighbor, np.where(found.neighbor >= 0, found.cosine, 0))


def _weigh(graph: Graph, members: np.ndarray, vectors: np.ndarray) -> None:
    """Gives each edge the cosine of its ends, and sorts the rows by that, in place; node i is document `members[i]`."""
    offsets, neighbor, weight = graph
    first, count = 0, len(offsets) - 1
    while first < count:
        last = max(int(np.searchsorted(offsets, offsets[first] + EDGES_AT_ONCE, side="right")) - 1, first + 1)
        some = slice(offsets[first], offsets[last])
        end = np.repeat(np.arange(first, last), np.diff(offsets[first : last + 1]))
        cosine = edge_cosines(vectors, members[np.stack([end, neighbor[some]], axis=1)])
        heaviest = np.lexsort((neighbor[some], -cosine, end))
        neighbor[some], weight[some] = neighbor[some][heaviest], cosine[heaviest]
        first = last


class Units(NamedTuple):
    """Units of text as they stand in the rows of an order."""

    ratio: np.ndarray  # float64 [u], compressed bytes of each byte of it
    bytes: np.ndarray  # float64 [u], text that it stands for
    row: np.ndarray  # int64 [u], where it begins


class SavedBytes:
    """Tells what orders of some documents save, all by the same units of their text.

    A unit is a document, where every row is compressed; else a token that was drawn.
    """

    def __init__(
        self,
        peers: Peers,
        by: Yardstick,
        progress: Progress,
        bounds: Bounds = BOUNDS,
        beside: Sequence[Cut] = (),
    ) -> None:
        """`beside` are orders that will be asked for: of a large corpus their text is read together with the peers'."""
        self._by, self._progress = by, progress
        self._seed = derived_seed(by.sample.seed, "saved bytes")
        self._begins = offsets_of(by.lengths)[:-1]  # of documents, in the tokens of all
        self._documents = distinct_values(peers.random.contexts.document)
        self._tokens = by.lengths[self._documents]  # of each unit
        total, longest = int(self._tokens.sum()), int(np.max(peers.random.row_lengths, initial=1))
        self._level = LEVEL if total <= bounds.finest else QUICK
        self._drawn: np.ndarray | None = None  # places in the tokens of all
        if total > bounds.every:
            self._drawn = self._draw(max(bounds.drawn // longest, 1))
            self._tokens = np.ones(len(self._drawn), np.int64)
            self._hold([peers.random, peers.published, *beside])
        self._peer, self._of_peer = peers.published, self._units(peers.published.contexts)
        random = self._units(peers.random.contexts)
        self._bytes = random.bytes
        self._random, self._published = (one.ratio * self._bytes for one in (random, self._of_peer))
        self._finer = self._finer_share(peers.random.contexts, max(FINER_TOKENS // longest, 1))

    @property
    def of_random(self) -> dict[str, float | int | None]:
        """`random_compressed_share`, T of the random order packed by `stream`; `drawn_tokens`, None where every row is
        compressed."""
        drawn = None if self._drawn is None else len(self._drawn)
        return {"random_compressed_share": _finite(self._share(self._random)), "drawn_tokens": drawn}

    def of(self, cut: Cut) -> dict[str, float | None]:
        """`compressed_share`, T; `saved_vs_published` and its standard error. None where one has no meaning."""
        units = self._of_peer if cut is self._peer else self._units(cut.contexts)
        ours = units.ratio * self._bytes
        found = saved_share(ours, self._random, self._published, units.row, self._seed)
        return {
            "saved_vs_published": _finite(found.share),
            "saved_vs_published_error": _finite(found.error),
            "compressed_share": _finite(self._share(ours)),
        }

    def _share(self, compressed: np.ndarray) -> float:
        total = float(self._bytes.sum())
        return float(compressed.sum()) / total + self._finer if total else math.nan

    def _finer_share(self, contexts: PackedContexts, count: int) -> float:
        """What level 12 puts T lower, by so many rows of a random order, which hold something of everything."""
        rows = self._rows(contexts)[0]
        if self._level == LEVEL or not len(rows):
            return 0.0
        some = distinct_values(np.linspace(0, len(rows) - 1, count).round().astype(np.int64))
        texts = self._by.sample.texts.of(contexts, rows[some])
        fine, quick = (self._compressed(texts, level).sum() for level in (LEVEL, self._level))
        return float(fine - quick) / max(len(texts.text), 1)

    def _hold(self, cuts: Sequence[Cut]) -> None:
        """Has the text of all rows read that will be looked at, here or for their in-context gain."""
        wanted = [np.empty(0, np.int64)]
        for contexts in (cut.contexts for cut in cuts):
            rows = np.zeros(len(contexts.offsets) - 1, dtype=bool)
            rows[self._rows(contexts)[0]] = True
            rows[order_metrics.gain_contexts(contexts, self._by.sample)[1]] = True
            wanted.append(contexts.document[np.repeat(rows, np.diff(contexts.offsets))])
        self._by.sample.texts.hold(distinct_values(np.concatenate(wanted)))

    def _draw(self, count: int) -> np.ndarray:
        """Tokens of the documents, int64 ascending."""
        ends = np.cumsum(self._tokens)
        drawn = np.sort(np.random.Generator(np.random.PCG64(self._seed)).integers(0, ends[-1], count))
        of = np.searchsorted(ends, drawn, side="right")
        found: np.ndarray = self._begins[self._documents[of]] + drawn - (ends - self._tokens)[of]
        return found

    def _pieces(self, contexts: PackedContexts) -> tuple[np.ndarray, np.ndarray]:
        """The pieces that hold units, int64, and which each holds."""
        if self._drawn is None:
            return np.arange(len(contexts.document)), np.searchsorted(self._documents, contexts.document)
        begins = self._begins[contexts.document] + contexts.start
        in_text = np.argsort(begins, kind="stable")
        place = np.searchsorted(begins, self._drawn, side="right", sorter=in_text) - 1
        return in_text[place], np.arange(len(self._drawn))

    def _rows(self, contexts: PackedContexts) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The rows that hold units, int64 ascending; at which of these each of `_pieces` stands, and `_pieces`."""
        piece, unit = self._pieces(contexts)
        rows, at = np.unique(np.searchsorted(contexts.offsets, piece, side="right") - 1, return_inverse=True)
        return rows, at, piece, unit

    def _units(self, contexts: PackedContexts) -> Units:
        """The units as they stand in the rows of an order; compresses these rows."""
        by, count = self._by, len(self._tokens)
        chosen, at, piece, unit = self._rows(contexts)
        row = chosen[at]
        texts = by.sample.texts.of(contexts, chosen)
        compressed, sizes = self._compressed(texts, self._level), np.diff(texts.pieces)
        firsts = texts.rows
        counts = np.diff(firsts)
        beside = np.repeat(contexts.offsets[chosen] - firsts[:-1], counts) + np.arange(firsts[-1])
        alone = np.add.reduceat(sizes * by.alone[contexts.document[beside]], firsts[:-1]) if len(chosen) else compressed
        room = np.add.reduceat(sizes, firsts[:-1]) if len(chosen) else sizes
        excess = np.divide(compressed - alone, room, out=np.zeros(len(chosen)), where=room > 0)
        own = sizes[firsts[at] + piece - contexts.offsets[row]]
        given = np.bincount(unit, own * (excess[at] + by.alone[contexts.document[piece]]), minlength=count)
        held = np.bincount(unit, own, minlength=count)
        tokens = np.bincount(unit, contexts.length[piece], minlength=count)
        begun = np.zeros(count, np.int64)
        begun[unit[::-1]] = row[::-1]
        ratio = np.divide(given, held, out=np.zeros(count), where=held > 0)
        return Units(ratio, self._tokens * held / np.maximum(tokens, 1), begun)

    def _compressed(self, texts: RowTexts, level: int) -> np.ndarray:
        """Compressed bytes of some rows, int64."""
        begins = texts.pieces[texts.rows]
        blocks = [begins[at : at + ROWS_AT_ONCE + 1] for at in range(0, len(begins) - 1, ROWS_AT_ONCE)]
        sizes, done = [np.empty(0, np.int64)], 0
        self._progress.step("saved bytes", len(begins) - 1, "rows")
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            for found in threads.map(lambda block: row_sizes(texts.text, block, level), blocks):
                sizes.append(found)
                done += len(found)
                self._progress.update(done)
        return np.concatenate(sizes)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
