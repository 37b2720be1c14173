"""Texts gathered row by row make up the documents, read once and held or read each time."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sequitur.graph_sort import orders
from sequitur.pipeline.config import overridden
from sequitur.pipeline.stage import Run
from sequitur.stages.report import order_metrics, texts
from sequitur.stages.report.texts import Texts


@pytest.mark.parametrize("held", [2**27, 0])
@pytest.mark.parametrize("context_length", [64, 1024])
def test_pieces_of_text_make_up_the_documents(
    finished: Run, rows: Any, monkeypatch: pytest.MonkeyPatch, context_length: int, held: int
) -> None:
    monkeypatch.setattr(texts, "HELD", held)
    config = overridden(finished.config, ["pack.policy=stream", f"pack.context_length={context_length}"])
    run = replace(finished, config=config)
    by = order_metrics.yardstick(run.root, run.config)
    everyone = np.arange(len(by.lengths))
    order = orders.uncut(np.random.default_rng(0).permutation(everyone), everyone)
    contexts = order_metrics.cut(order, everyone, by.lengths, run.config.pack, run.config.seed).contexts
    chosen = np.arange(len(contexts.offsets) - 1)

    found = by.sample.texts.of(contexts, chosen)

    pieces = [piece for row in chosen.tolist() for piece in found.of_row(row)]
    assert b"".join(pieces) == found.text.tobytes()
    whole: dict[int, bytes] = {}
    for document, piece in zip(contexts.document.tolist(), pieces, strict=True):
        whole[document] = whole.get(document, b"") + piece
    kept = [row["kept"] for row in rows(run, "selection")]
    expected = [row["text"].encode() for row, stays in zip(rows(run, run.text), kept, strict=True) if stays]
    assert [whole[document] for document in everyone] == expected
    some = chosen[1::3]
    beginnings = by.sample.texts.of(contexts, some)
    for at, row in enumerate(some.tolist()):
        assert beginnings.of_row(at) == found.of_row(row)


def test_what_is_held_is_not_read_again(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "HELD", 0)
    by = order_metrics.yardstick(finished.root, finished.config)
    everyone = np.arange(len(by.lengths))
    order = orders.uncut(everyone, everyone)
    contexts = order_metrics.cut(order, everyone, by.lengths, finished.config.pack, 0).contexts
    first, second = np.arange(2), np.arange(2, 4)
    expected = [by.sample.texts.of(contexts, some).text.tobytes() for some in (first, second)]
    by.sample.texts.hold(np.isin(everyone, contexts.document[: contexts.offsets[2]]))
    read: list[np.ndarray] = []
    really = Texts._read
    monkeypatch.setattr(Texts, "_read", lambda self, wanted: read.append(wanted) or really(self, wanted))

    assert by.sample.texts.of(contexts, first).text.tobytes() == expected[0]
    assert not read
    assert by.sample.texts.of(contexts, second).text.tobytes() == expected[1]
    (found,) = read
    assert np.flatnonzero(found).tolist() == np.unique(contexts.document[slice(*contexts.offsets[[2, 4]])]).tolist()
    known = by.sample.texts.known(contexts, second)
    assert known.documents.tolist() == np.flatnonzero(found).tolist()
    assert known.of(contexts, second).text.tobytes() == expected[1]


@pytest.mark.parametrize("held", [2**27, 0])
def test_no_rows_have_no_text(finished: Run, monkeypatch: pytest.MonkeyPatch, held: int) -> None:
    monkeypatch.setattr(texts, "HELD", held)
    nothing = np.empty(0, np.int64)
    by = order_metrics.yardstick(finished.root, finished.config)
    order = orders.uncut(nothing, nothing)
    contexts = order_metrics.cut(order, nothing, by.lengths, finished.config.pack, 0).contexts
    reader = Texts(finished.artifact(finished.text), finished.artifact("selection"), by.lengths)
    found = reader.of(contexts, nothing)
    assert (len(found.text), found.pieces.tolist(), found.rows.tolist()) == (0, [0], [0])
