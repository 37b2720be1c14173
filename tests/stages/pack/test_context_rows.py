"""Tokens are found wherever they lie, and rows hold those of their pieces."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sequitur.graph_sort import packing
from sequitur.pipeline import artifacts, schemas
from sequitur.pipeline.storage import Directory
from sequitur.stages.pack.context_rows import SplitPlan, pad_rows, pieces_of
from sequitur.stages.shared.columns.memory import copy_tokens
from sequitur.stages.shared.columns.token_store import TokenStore

LENGTHS = np.array([3, 0, 700, 41, 5000, 1, 1, 260, 33, 0], dtype=np.int64)
PAD = 2**32 - 1


@pytest.fixture
def documents() -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    return [rng.integers(0, 1000, length, dtype=np.uint32) for length in LENGTHS]


@pytest.fixture
def store(documents: list[np.ndarray], tmp_path: Path) -> TokenStore:
    """In three parts, one of them empty."""
    directory = Directory(str(tmp_path / "tokens"))
    artifacts.begin(directory, "test")
    for number, ordinals in enumerate((range(4), range(4, 4), range(4, 10))):
        column = pa.array([documents[ordinal] for ordinal in ordinals], pa.large_list(pa.uint32()))
        batch = pa.record_batch([pa.array(list(ordinals), pa.int64()), column], schema=schemas.TOKENS)
        artifacts.write_part(directory, f"part-00000-{number:04}.arrow", batch, compress=False)
    artifacts.finish(directory, "test", {}, {}, {})
    return TokenStore(directory, check=True)


def test_documents_by_ordinal(store: TokenStore, documents: list[np.ndarray]) -> None:
    assert store.lengths().tolist() == LENGTHS.tolist()
    for ordinals in ([], [9], [0, 1, 2, 3, 4, 8], [7, 7, 2]):
        offsets, ids = store.of(np.array(ordinals, dtype=np.int64))
        assert offsets.tolist() == np.cumsum([0, *(LENGTHS[ordinal] for ordinal in ordinals)]).tolist()
        assert ids.tolist() == [token for ordinal in ordinals for token in documents[ordinal].tolist()]
    assert store.tokens_at(np.array([4, 0, 4]), np.array([4999, 1, 7])).tolist() == [
        documents[4][4999],
        documents[0][1],
        documents[4][7],
    ]


@pytest.mark.parametrize("policy", sorted(packing.POLICIES))
def test_rows_hold_their_pieces_and_pads(policy: str, store: TokenStore, documents: list[np.ndarray]) -> None:
    order = np.random.default_rng(5).permutation(len(LENGTHS))
    found = packing.POLICIES[policy](LENGTHS, order, 64, np.zeros(len(LENGTHS), dtype=bool))
    none = np.zeros(len(found.offsets) - 1, dtype=np.int64)
    plan = SplitPlan(*found, none, none, none, none)
    contexts = np.random.default_rng(6).permutation(len(none))[:50]
    out = np.zeros((len(contexts), 64), dtype=np.uint32)
    store.gather(plan, contexts, out)
    pieces, row = pieces_of(plan, contexts)
    pad_rows(out, np.bincount(row, weights=plan.length[pieces]).astype(np.uint32), PAD)
    for place, context in enumerate(contexts):
        expected: list[int] = []
        for piece in range(plan.offsets[context], plan.offsets[context + 1]):
            start = plan.start[piece]
            expected += documents[plan.document[piece]][start : start + plan.length[piece]].tolist()
        assert out[place].tolist() == expected + [PAD] * (64 - len(expected))


def test_runs_are_copied_from_many_arrays() -> None:
    arrays = [np.arange(size, dtype=np.uint32) + 1 for size in (1, 5000, 0, 300)]
    length = np.array([array.size for array in arrays])
    target = np.array([7000, 10, 0, 6000])
    out = np.zeros(8000, dtype=np.uint32)
    copy_tokens(np.array([array.ctypes.data for array in arrays]), length, target, out)
    expected = np.zeros_like(out)
    for array, place in zip(arrays, target, strict=True):
        expected[place : place + array.size] = array
    assert (out == expected).all()
