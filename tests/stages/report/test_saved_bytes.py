"""What orders save of all text: by every row against a loop that compresses them, by a sample against every row."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import zstandard

from sequitur.graph_sort import orders
from sequitur.graph_sort.part import induced
from sequitur.pipeline.config import overridden
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.stage import Run
from sequitur.stages.report import order_metrics, saved_bytes, texts
from sequitur.stages.report.order_metrics import Cut, Yardstick
from sequitur.stages.report.saved_bytes import Bounds, Peers, SavedBytes, own_graph
from sequitur.stages.report.texts import Texts
from sequitur.stages.shared.columns.arrays import read_graph

QUIET = Progress(quiet=True)
QUICKLY = saved_bytes.BOUNDS._replace(finest=0)


@pytest.fixture
def run(finished: Run) -> Run:
    return replace(finished, config=overridden(finished.config, ["pack.context_length=512"]))


@pytest.fixture
def by(run: Run) -> Yardstick:
    return order_metrics.yardstick(run.root, run.config)


@pytest.fixture
def members(run: Run) -> np.ndarray:
    return read_graph(run.artifact("neighbors"))[0]


def peers_of(run: Run, some: np.ndarray, by: Yardstick, **options: Any) -> Peers:
    everyone, graph = read_graph(run.artifact("neighbors"))
    return saved_bytes.peers(run.config, graph, np.searchsorted(everyone, some), some, by, QUIET, **options)


@pytest.fixture
def peers(run: Run, members: np.ndarray, by: Yardstick) -> Peers:
    return peers_of(run, members, by)


@pytest.fixture
def ours(run: Run, members: np.ndarray, by: Yardstick) -> Cut:
    """An order between random and the published one, cut by `whole`."""
    permutation = np.argsort(np.random.default_rng(0).integers(0, 40, len(members)), kind="stable")
    order = orders.uncut(permutation, np.arange(len(members)))
    return order_metrics.cut(order, members, by.lengths, run.config.pack, run.config.seed)


def compressed_share(cut: Cut, by: Yardstick, level: int = 12) -> float:
    found = by.sample.texts.of(cut.contexts, np.arange(len(cut.contexts.offsets) - 1))
    rows = [b"".join(found.of_row(row)) for row in range(len(found.rows) - 1)]
    sizes = [len(zstandard.ZstdCompressor(level=level, write_content_size=False).compress(row)) for row in rows]
    return sum(sizes) / sum(map(len, rows))


def test_every_row_is_compressed(peers: Peers, ours: Cut, by: Yardstick) -> None:
    random, published, own = (compressed_share(cut, by) for cut in (peers.random, peers.published, ours))
    judge = SavedBytes(peers, by, QUIET)

    found = judge.of(ours)

    assert judge.of_random == {"random_compressed_share": pytest.approx(random), "drawn_tokens": None}
    assert found["compressed_share"] == pytest.approx(own)
    assert found["saved_vs_published"] == pytest.approx((random - own) / (random - published))
    assert found["saved_vs_published_error"] > 0
    of_published, of_random = judge.of(peers.published), judge.of(peers.random)
    assert of_published["saved_vs_published"] == pytest.approx(1)
    assert of_published["saved_vs_published_error"] == pytest.approx(0, abs=1e-9)
    assert of_random["saved_vs_published"] == pytest.approx(0, abs=1e-9)
    assert random > published  # of one topic there is more to repeat


def test_every_row_is_compressed_quickly_where_there_are_more(
    peers: Peers, ours: Cut, by: Yardstick, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_bytes, "ROWS_AT_ONCE", 7)
    random, published, own = (compressed_share(cut, by, level=3) for cut in (peers.random, peers.published, ours))
    every, judge = (SavedBytes(peers, by, QUIET, bounds) for bounds in (saved_bytes.EXACT, QUICKLY))

    found, told = judge.of(ours), judge.of_random

    assert told["drawn_tokens"] is None
    assert found["saved_vs_published"] == pytest.approx((random - own) / (random - published))
    exact = every.of(ours)
    assert found["saved_vs_published"] == pytest.approx(
        exact["saved_vs_published"], abs=exact["saved_vs_published_error"]
    )
    # The share is told as of level 12, by some rows of the random order: here by all.
    expected = compressed_share(peers.random, by)
    assert told["random_compressed_share"] == pytest.approx(expected)
    assert found["compressed_share"] == pytest.approx(own + expected - random)
    monkeypatch.setattr(saved_bytes, "FINER_TOKENS", 10 * 512)
    some = SavedBytes(peers, by, QUIET, QUICKLY).of_random
    assert some["random_compressed_share"] == pytest.approx(expected, abs=0.005)
    assert some != told


def test_what_is_saved_by_a_sample(peers: Peers, ours: Cut, by: Yardstick) -> None:
    every, some = (SavedBytes(peers, by, QUIET, bounds) for bounds in (saved_bytes.BOUNDS, Bounds(0, 0, 2**18)))
    assert some.of_random["drawn_tokens"] == 2**18 // 512

    found = some.of(ours)

    assert found == SavedBytes(peers, by, QUIET, Bounds(0, 0, 2**18)).of(ours)
    error = found["saved_vs_published_error"]
    assert error is not None
    assert found["saved_vs_published"] == pytest.approx(every.of(ours)["saved_vs_published"], abs=4 * error)
    assert found["compressed_share"] == pytest.approx(every.of(ours)["compressed_share"], rel=0.02)
    assert some.of(peers.published)["saved_vs_published"] == pytest.approx(1)


@pytest.mark.parametrize("bounds", [QUICKLY, Bounds(0, 0, 2**16)], ids=["every row", "drawn"])
def test_what_is_saved_does_not_depend_on_blocks(
    peers: Peers, ours: Cut, by: Yardstick, bounds: Bounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = SavedBytes(peers, by, QUIET, bounds)
    expected, told = judge.of(ours), judge.of_random
    for rows, tokens, pieces in ((1, 2**18, 3), (7, 3 * 512, 2**17)):
        monkeypatch.setattr(saved_bytes, "ROWS_AT_ONCE", rows)
        monkeypatch.setattr(saved_bytes, "TOKENS_AT_ONCE", tokens)
        monkeypatch.setattr(saved_bytes, "PIECES_AT_ONCE", pieces)
        judge = SavedBytes(peers, by, QUIET, bounds)
        assert (judge.of(ours), judge.of_random) == (expected, told)


def test_the_text_of_what_is_drawn_is_read_once(
    peers: Peers, ours: Cut, by: Yardstick, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "HELD", 0)
    bounds = Bounds(0, 0, 2**14)
    alone = SavedBytes(peers, by, QUIET, bounds).of(ours) | order_metrics.measure(ours, by, QUIET)
    reader = Texts(by.sample.texts._text, by.sample.texts._selection, by.lengths)
    by = by._replace(sample=by.sample._replace(texts=reader))
    read: list[np.ndarray] = []
    really = Texts._read
    monkeypatch.setattr(Texts, "_read", lambda self, wanted: read.append(wanted) or really(self, wanted))

    judge = SavedBytes(peers, by, QUIET, bounds, [ours])
    together = judge.of(ours) | order_metrics.measure(ours, by, QUIET)

    assert together == alone
    assert len(read) == 1


def test_a_drawn_token_is_found_in_the_row_that_holds_it(peers: Peers, ours: Cut, by: Yardstick) -> None:
    judge = SavedBytes(peers, by, QUIET, Bounds(0, 0, 20 * 512))
    assert judge._drawn is not None
    document = np.repeat(np.arange(len(by.lengths)), by.lengths)[judge._drawn]
    offset = (np.arange(by.lengths.sum()) - np.repeat(np.cumsum(by.lengths) - by.lengths, by.lengths))[judge._drawn]
    for cut in (ours, peers.random, peers.published):
        contexts = cut.contexts
        held = [
            np.flatnonzero(
                (contexts.document == one) & (contexts.start <= at) & (at < contexts.start + contexts.length)
            )
            for one, at in zip(document, offset, strict=True)
        ]
        rows = np.searchsorted(contexts.offsets, np.concatenate(held), side="right") - 1
        np.testing.assert_array_equal(judge._units(contexts).row, rows)


def test_some_documents_alone(run: Run, members: np.ndarray, by: Yardstick) -> None:
    some = members[::3]
    peers = peers_of(run, some, by)
    for cut in (peers.random, peers.published):
        np.testing.assert_array_equal(np.unique(cut.contexts.document), some)
        assert cut.contexts.length.sum() == by.lengths[some].sum()
    assert SavedBytes(peers, by, QUIET).of(peers.random)["compressed_share"] == pytest.approx(
        compressed_share(peers.random, by)
    )


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_documents_have_no_share(run: Run, members: np.ndarray, by: Yardstick, count: int) -> None:
    peers = peers_of(run, members[:count], by)
    found = SavedBytes(peers, by, QUIET).of(peers.published)
    assert found["saved_vs_published"] is found["saved_vs_published_error"] is None
    assert (found["compressed_share"] is None) == (count == 0)


def test_the_published_order_goes_by_the_models_own_vectors(
    run: Run, members: np.ndarray, by: Yardstick, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_hand = read_graph(run.artifact("neighbors"))[1]
    graph = own_graph(members, by, run.config.neighbors.k)  # no words have a share in this run's
    for found, expected in zip(graph, at_hand, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    alone = peers_of(run, members, by)
    mixed = by._replace(of_graph=np.zeros((len(by.lengths), 4), np.float16))

    searched = peers_of(run, members, mixed)
    monkeypatch.setattr(saved_bytes, "SEARCHED", 10)
    weighed = peers_of(run, members, mixed)

    assert (alone.own_neighbors, searched.own_neighbors, weighed.own_neighbors) == (True, True, False)
    for peers in (searched, weighed):
        np.testing.assert_array_equal(peers.published.contexts.document, alone.published.contexts.document)
    assert peers_of(run, members, mixed, exact=True).own_neighbors


@pytest.mark.parametrize("at_once", [1, 20, 2**16])
def test_edges_at_hand_are_weighed_anew(
    run: Run, members: np.ndarray, by: Yardstick, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_bytes, "EDGES_AT_ONCE", at_once)
    some, vectors = members[::2], np.random.default_rng(0).standard_normal((len(by.lengths), 8)).astype(np.float32)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    old, graph = (induced(read_graph(run.artifact("neighbors"))[1], np.searchsorted(members, some)) for _ in range(2))

    saved_bytes._weigh(graph, some, vectors)

    np.testing.assert_array_equal(graph.offsets, old.offsets)
    cosines = vectors[some].astype(np.float64) @ vectors[some].T.astype(np.float64)
    for node, (begin, end) in enumerate(zip(graph.offsets[:-1], graph.offsets[1:], strict=True)):
        assert set(graph.neighbor[begin:end]) == set(old.neighbor[begin:end])
        assert (np.diff(graph.weight[begin:end]) <= 0).all()
        np.testing.assert_allclose(graph.weight[begin:end], cosines[node, graph.neighbor[begin:end]], atol=1e-6)
