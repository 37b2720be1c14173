"""Signals stand in the rows of their documents, whatever the parts."""

from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.config import Annotate
from pipeline.stage import Run
from stages import annotate


def test_signals_are_row_aligned_with_documents(finished: Run, rows: Any) -> None:
    documents, signals = rows(finished), rows(finished, "signals")
    assert [row["byte_count"] for row in signals] == [len(row["text"].encode()) for row in documents]
    assert [row["word_count"] for row in signals] == [len(row["text"].replace("-", " ").split()) for row in documents]
    assert list(annotate.verify(finished)) == []
    parts = [(part.name, part.rows) for part in finished.manifest("signals").parts]
    assert parts == [(part.name, part.rows) for part in finished.manifest("documents").parts]


def test_a_row_does_not_depend_on_its_neighbours(corpus: Any) -> None:
    text = pa.array([*list(corpus.texts.values())[:20], "", "!?", "word"], pa.large_string())
    settings = Annotate(permutations=16)
    together = annotate.signals(text, settings)
    alone = [annotate.signals(text.slice(row, 1), settings).to_pylist()[0] for row in range(len(text))]
    assert together.to_pylist() == alone


def test_no_rows_have_the_same_columns() -> None:
    none = annotate.signals(pa.array([], pa.large_string()), Annotate())
    some = annotate.signals(pa.array(["some words"], pa.large_string()), Annotate())
    assert none.num_rows == 0
    assert none.schema.equals(some.schema)


def test_copies_share_content_hash_and_signature(finished: Run, rows: Any, corpus: Any) -> None:
    ids = [row["record_id"] for row in rows(finished)]
    signal = dict(zip(reversed(ids), reversed(rows(finished, "signals")), strict=True))  # of repeated ids the first
    for copy, name in corpus.exact.items():
        assert signal[copy]["content_hash"] == signal[name]["content_hash"]
        assert signal[copy]["minhash"] == signal[name]["minhash"]
    for copy, name in corpus.near.items():
        assert signal[copy]["content_hash"] != signal[name]["content_hash"]
        assert np.mean(np.equal(signal[copy]["minhash"], signal[name]["minhash"])) > 0.8
