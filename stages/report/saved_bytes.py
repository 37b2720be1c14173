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
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from sequitur.graph_sort import neighbors, orders
from sequitur.graph_sort.context_documents import blocks
from sequitur.graph_sort.distinct import distinct_values
from sequitur.graph_sort.documents import ArrayDocuments
from sequitur.graph_sort.graph import Empty, Graph, from_neighbors
from sequitur.graph_sort.near_duplicates import edge_cosines
from sequitur.graph_sort.packing import PackedContexts
from sequitur.graph_sort.part import induced
from sequitur.graph_sort.threads import on_threads
from sequitur.pipeline.config import Config
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.seeds import derived_seed
from sequitur.stages.report import order_metrics
from sequitur.stages.report.order_metrics import Cut, Yardstick
from sequitur.stages.report.page.comparison import PUBLISHED
from sequitur.stages.report.texts import Known, mark_documents
from sequitur.stages.shared.columns.arrays import by_blocks, distinct_ordinals
from sequitur.text_core.signals.in_context_gain import LEVEL, QUICK
from sequitur.text_core.signals.saved_bytes import row_sizes, saved_share

SEARCHED = 2**14  # documents among which neighbours are searched anew, exactly: some seconds of a core
EDGES_AT_ONCE = 2**16
FINER_TOKENS = 2**18  # of the rows by which it is known how much less level 12 makes of them
ROWS_AT_ONCE, TOKENS_AT_ONCE = 32, 2**18  # that a thread gathers and compresses; a longer row by itself
PIECES_AT_ONCE = 2**17  # among which tokens are looked for


class Bounds(NamedTuple):
    """Tokens, of 4 bytes each, about."""

    finest: int  # of a corpus of which every row is compressed at LEVEL
    every: int  # of one of which every row is compressed
    drawn: int  # of the rows that are compressed of a larger one


BOUNDS = Bounds(2**20, 2**25, 2**25)
EXACT = Bounds(2**62, 2**62, 2**62)


def mapped_bytes(text_bytes: int) -> int:
    """What texts take of the disk: those of a small corpus; of a large one, those that are drawn for four orders."""
    return min(text_bytes, 20 * BOUNDS.drawn)


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
    lengths = by_blocks(by.lengths.__getitem__, members, np.int64, empty)
    documents = ArrayDocuments(graph, np.empty((len(members), 0), np.float32), lengths, config.pack.context_length)
    settings = config.pack.model_copy(update={"policy": "stream"})

    def cut(name: str) -> Cut:
        order = orders.find(name)(documents, derived_seed(config.seed, "order", name))
        order = order_metrics.unnumbered(order, empty)
        return order_metrics.cut(order, members, by.lengths, settings, config.seed, empty=empty)

    return Peers(cut("random"), cut("iclm"), by.of_graph is None or not at_hand)


def own_graph(members: np.ndarray, by: Yardstick, k: int) -> Graph:
    """The graph of the k nearest by the model's own vectors, found exactly: n²·d multiplications."""
    own = by.own[members]
    found = neighbors.scan(own, own, np.arange(len(members), dtype=np.int64), k)
    return from_neighbors(found.neighbor, np.where(found.neighbor >= 0, found.cosine, 0))


def _weigh(graph: Graph, members: np.ndarray, vectors: np.ndarray) -> None:
    """Gives each edge the cosine of its ends, and sorts the rows by that, in place; node i is document `members[i]`."""
    offsets, neighbor, weight = graph
    for first, last in blocks(offsets, EDGES_AT_ONCE):
        some = slice(offsets[first], offsets[last])
        end = np.repeat(np.arange(first, last), np.diff(offsets[first : last + 1]))
        cosine = edge_cosines(vectors, members[np.stack([end, neighbor[some]], axis=1)])
        heaviest = np.lexsort((neighbor[some], -cosine, end))
        neighbor[some], weight[some] = neighbor[some][heaviest], cosine[heaviest]


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
        empty: Empty = np.empty,
    ) -> None:
        """`beside` are orders that will be asked for: of a large corpus their text is read together with the peers'.
        What is known of each document is in arrays from `empty`."""
        self._by, self._progress, self._empty = by, progress, empty
        self._seed = derived_seed(by.sample.seed, "saved bytes")
        self._documents = distinct_ordinals([peers.random.contexts.document], len(by.lengths), empty)
        self._tokens = by_blocks(by.lengths.__getitem__, self._documents, np.int64, empty)  # of each unit
        total, longest = int(self._tokens.sum()), int(np.max(peers.random.row_lengths, initial=1))
        self._rows_at_once = max(min(ROWS_AT_ONCE, TOKENS_AT_ONCE // longest), 1)
        self._level = LEVEL if total <= bounds.finest else QUICK
        self._drawn: np.ndarray | None = None  # places in the tokens of all
        if total > bounds.every:
            self._begins = empty(len(by.lengths) + 1, np.int64)  # of documents, in the tokens of all
            self._begins[0] = 0
            np.cumsum(by.lengths, out=self._begins[1:])
            self._drawn = self._draw(max(bounds.drawn // longest, 1))
            self._tokens = np.ones(len(self._drawn), np.int64)
            self._hold([peers.random, peers.published, *beside])
        self._peer, self._of_peer = peers.published, self._units(peers.published.contexts)
        random = self._units(peers.random.contexts)
        self._bytes = random.bytes
        self._random, self._published = (self._compressed_of(one) for one in (random, self._of_peer))
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
        ours = self._compressed_of(units)
        found = saved_share(ours, self._random, self._published, units.row, self._seed)
        return {
            "saved_vs_published": _finite(found.share),
            "saved_vs_published_error": _finite(found.error),
            "compressed_share": _finite(self._share(ours)),
        }

    def _compressed_of(self, units: Units) -> np.ndarray:
        """Compressed bytes of each unit, float64 [u]."""
        return np.multiply(units.ratio, self._bytes, out=self._empty(len(self._bytes), np.float64))

    def _share(self, compressed: np.ndarray) -> float:
        total = float(self._bytes.sum())
        return float(compressed.sum()) / total + self._finer if total else math.nan

    def _finer_share(self, contexts: PackedContexts, count: int) -> float:
        """What level 12 puts T lower, by so many rows of a random order, which hold something of everything."""
        rows = self._rows(contexts, self._pieces(contexts))
        if self._level == LEVEL or not len(rows):
            return 0.0
        some = rows[distinct_values(np.linspace(0, len(rows) - 1, count).round().astype(np.int64))]
        texts = self._by.sample.texts.known(contexts, some)
        fine, quick = (list(self._compressed(texts, contexts, some, level)) for level in (LEVEL, self._level))
        saved = sum(int(one.compressed.sum() - other.compressed.sum()) for one, other in zip(fine, quick, strict=True))
        return saved / max(sum(int(one.sizes.sum()) for one in fine), 1)

    def _hold(self, cuts: Sequence[Cut]) -> None:
        """Has the text of all rows read that will be looked at, here or for their in-context gain."""
        wanted = np.zeros(len(self._by.lengths), np.bool_)
        for contexts in (cut.contexts for cut in cuts):
            drawn = self._rows(contexts, self._pieces(contexts))
            for rows in (drawn, order_metrics.gain_contexts(contexts, self._by.sample)[1]):
                mark_documents(contexts.offsets, contexts.document, rows, wanted)
        self._by.sample.texts.hold(wanted)

    def _draw(self, count: int) -> np.ndarray:
        """Tokens of the documents, int64 ascending."""
        ends = np.cumsum(self._tokens)
        drawn = np.sort(np.random.Generator(np.random.PCG64(self._seed)).integers(0, ends[-1], count))
        of = np.searchsorted(ends, drawn, side="right")
        found: np.ndarray = self._begins[self._documents[of]] + drawn - (ends[of] - self._tokens[of])
        return found

    def _pieces(self, contexts: PackedContexts) -> np.ndarray | None:
        """The piece that holds each token that was drawn, int64; or where none does, the one before it in the text.
        None where no tokens are drawn: then units are in all pieces."""
        if (drawn := self._drawn) is None:
            return None
        begun, piece = np.full(len(drawn), -1, np.int64), np.zeros(len(drawn), np.int64)
        end, last = -1, 0
        for first in range(0, len(contexts.document), PIECES_AT_ONCE):
            here = slice(first, first + PIECES_AT_ONCE)
            begins = self._begins[contexts.document[here]] + contexts.start[here]
            in_text = np.argsort(begins, kind="stable")
            place = np.searchsorted(begins, drawn, side="right", sorter=in_text) - 1
            found = np.where(place >= 0, begins[in_text[place]], -1)
            nearer = (found >= 0) & (found >= begun)
            begun[nearer], piece[nearer] = found[nearer], first + in_text[place[nearer]]
            if begins[in_text[-1]] >= end:
                end, last = begins[in_text[-1]], first + in_text[-1]
        return np.where(begun >= 0, piece, last)

    def _rows(self, contexts: PackedContexts, pieces: np.ndarray | None) -> np.ndarray:
        """The rows that hold units, int64 ascending, given `_pieces`."""
        if pieces is None:
            return np.flatnonzero(np.diff(contexts.offsets))
        return distinct_values(_row_of(contexts, pieces))

    def _units(self, contexts: PackedContexts) -> Units:
        """The units as they stand in the rows of an order; compresses these rows."""
        by, count = self._by, len(self._tokens)
        given, held, tokens, ratio, of_text = (self._empty(count, np.float64) for _ in range(5))
        begun = self._empty(count, np.int64)
        given[:], held[:], tokens[:], ratio[:], begun[:] = 0, 0, 0, 0, -1
        drawn = self._pieces(contexts)
        by_piece = None if drawn is None else np.argsort(drawn, kind="stable")
        rows = self._rows(contexts, drawn)
        texts = by.sample.texts.known(contexts, rows)
        for chosen, firsts, sizes, compressed in self._compressed(texts, contexts, rows, self._level):
            begins = contexts.offsets[chosen]
            beside = np.repeat(begins - firsts[:-1], np.diff(firsts)) + np.arange(firsts[-1])
            alone = np.add.reduceat(sizes * by.alone[contexts.document[beside]], firsts[:-1])
            room = np.add.reduceat(sizes, firsts[:-1])
            excess = np.divide(compressed - alone, room, out=np.zeros(len(chosen)), where=room > 0)
            if drawn is None or by_piece is None:
                piece, unit = beside, np.searchsorted(self._documents, contexts.document[beside])
            else:
                ends = begins[0], contexts.offsets[chosen[-1] + 1]
                unit = by_piece[slice(*np.searchsorted(drawn, ends, sorter=by_piece))]
                piece = drawn[unit]
            row = _row_of(contexts, piece)
            at = np.searchsorted(chosen, row)
            own = sizes[firsts[at] + piece - begins[at]].astype(np.float64)
            # One after the other, as they stand in the order: a sum does not depend on how many rows are looked at.
            np.add.at(given, unit, own * (excess[at] + by.alone[contexts.document[piece]]))
            np.add.at(held, unit, own)
            np.add.at(tokens, unit, contexts.length[piece].astype(np.float64))
            fresh = np.flatnonzero(begun[unit] < 0)[::-1]
            begun[unit[fresh]] = row[fresh]
        np.maximum(begun, 0, out=begun)
        np.divide(given, held, out=ratio, where=held > 0)
        np.multiply(self._tokens, held, out=of_text)
        return Units(ratio, np.divide(of_text, np.maximum(tokens, 1, out=tokens), out=of_text), begun)

    def _compressed(self, texts: Known, contexts: PackedContexts, rows: np.ndarray, level: int) -> Iterator[_Rows]:
        """Some rows (int64, ascending), so many at a time."""
        done = 0

        def compressed(begin: int) -> _Rows:
            chosen = rows[begin : begin + self._rows_at_once]
            found = texts.of(contexts, chosen)
            sizes = row_sizes(found.text, found.pieces[found.rows], level)
            return _Rows(chosen, found.rows, np.diff(found.pieces), sizes)

        self._progress.step("saved bytes", len(rows), "rows")
        for found in on_threads(os.cpu_count() or 1, compressed, range(0, len(rows), self._rows_at_once)):
            yield found
            done += len(found.rows)
            self._progress.update(done)


class _Rows(NamedTuple):
    """Some rows of an order, compressed."""

    rows: np.ndarray  # int64 [r]
    firsts: np.ndarray  # int64 [r + 1], at which of their pieces each begins
    sizes: np.ndarray  # int64 [p], bytes of the text of each piece
    compressed: np.ndarray  # int64 [r], bytes


def _row_of(contexts: PackedContexts, piece: np.ndarray) -> np.ndarray:
    """The row in which each piece stands, int64."""
    found: np.ndarray = np.searchsorted(contexts.offsets, piece, side="right") - 1
    return found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
