"""Tokens are found wherever they lie, rows hold those of their pieces, and damage leads nowhere else."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sequitur.graph_sort import packing
from sequitur.pipeline import builds, schemas
from sequitur.pipeline.errors import CorruptPart
from sequitur.pipeline.storage import Directory
from sequitur.stages.pack.context_rows import SplitPlan
from sequitur.stages.shared.columns.token_store import TokenStore

LENGTHS = np.array([3, 0, 700, 41, 5000, 1, 1, 260, 33, 0], dtype=np.int64)
DAMAGED = "part-00000-0002.arrow"  # holds documents 4 to 9


@pytest.fixture
def documents() -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    return [rng.integers(0, 1000, length, dtype=np.uint32) for length in LENGTHS]


@pytest.fixture
def directory(documents: list[np.ndarray], tmp_path: Path) -> Directory:
    """In three parts, one of them empty."""
    found = Directory(str(tmp_path / "tokens"))
    builds.begin(found, "test")
    for number, ordinals in enumerate((range(4), range(4, 4), range(4, 10))):
        column = pa.array([documents[ordinal] for ordinal in ordinals], pa.large_list(pa.uint32()))
        batch = pa.record_batch([pa.array(list(ordinals), pa.int64()), column], schema=schemas.TOKENS)
        builds.write_part(builds.current(found), f"part-00000-{number:04}.arrow", batch, compress=False)
    builds.finish(builds.current(found), {}, {}, {})
    return found


@pytest.fixture
def store(directory: Directory) -> TokenStore:
    return TokenStore(directory, check=True)


def test_documents_by_ordinal(store: TokenStore, documents: list[np.ndarray]) -> None:
    assert store.lengths().tolist() == LENGTHS.tolist()
    for ordinals in ([], [9], [0, 1, 2, 3, 4, 8], [7, 7, 2]):
        offsets, ids = store.of(np.array(ordinals, dtype=np.int64))
        assert offsets.tolist() == np.cumsum([0, *(LENGTHS[ordinal] for ordinal in ordinals)]).tolist()
        assert ids.tolist() == [token for ordinal in ordinals for token in documents[ordinal].tolist()]
    places = [np.array(column) for column in ([4, 0, 8, 4], [4000, 1, 0, 2], [500, 2, 0, 3])]
    expected = [documents[at][start : start + length] for at, start, length in zip(*places, strict=True)]
    assert store.pieces(*places).tolist() == np.concatenate(expected).tolist()
    assert store.tokens_at(np.array([4, 0, 4]), np.array([4999, 1, 7])).tolist() == [
        documents[4][4999],
        documents[0][1],
        documents[4][7],
    ]


@pytest.mark.parametrize("policy", sorted(packing.POLICIES))
def test_rows_hold_their_pieces(policy: str, store: TokenStore, documents: list[np.ndarray]) -> None:
    order = np.random.default_rng(5).permutation(len(LENGTHS))
    found = packing.POLICIES[policy](LENGTHS, order, 64, np.zeros(len(LENGTHS), dtype=bool))
    none = np.zeros(len(found.offsets) - 1, dtype=np.int64)
    plan = SplitPlan(*found, none, none, none, none, none)
    contexts = np.random.default_rng(6).permutation(len(none))[:50]
    out = np.full((len(contexts), 64), 7, dtype=np.uint32)
    store.gather(plan, contexts, out)
    for place, context in enumerate(contexts):
        expected: list[int] = []
        for piece in range(plan.offsets[context], plan.offsets[context + 1]):
            start = plan.start[piece]
            expected += documents[plan.document[piece]][start : start + plan.length[piece]].tolist()
        assert out[place].tolist() == expected + [7] * (64 - len(expected))


@pytest.mark.parametrize(("document", "start"), [(0, 3), (1, 0), (4, 5000), (4, -1), (6, 1), (10, 0), (3, 2**40)])
def test_a_place_outside_its_document_is_an_error(document: int, start: int, store: TokenStore) -> None:
    with pytest.raises(IndexError):
        store.tokens_at(np.array([5, document]), np.array([0, start]))


def test_rows_that_are_too_short_are_an_error(store: TokenStore) -> None:
    two = np.array([0, 2])
    order = np.array([4, 5])
    none = np.zeros(1, dtype=np.int64)
    plan = SplitPlan(two, order, np.zeros(2, dtype=np.int64), LENGTHS[order], none, none, none, none, none)
    with pytest.raises(IndexError, match="outside the rows"):
        store.gather(plan, np.array([0]), np.zeros((1, 5000), dtype=np.uint32))


@pytest.mark.parametrize(("place", "offset"), [(6, 2**40), (6, 6000), (2, 1), (3, -8), (0, -1), (1, 2**62)])
@pytest.mark.parametrize("check", [True, False])
def test_damaged_offsets_are_named_before_they_lead_anywhere(
    place: int, offset: int, check: bool, directory: Directory
) -> None:
    file = next(Path(directory.path()).rglob(DAMAGED))
    content = bytearray(file.read_bytes())
    at = content.index(np.cumsum([0, *LENGTHS[4:]]).tobytes())
    content[at + 8 * place : at + 8 * place + 8] = np.int64(offset).tobytes()
    file.write_bytes(content)

    with pytest.raises(CorruptPart, match=DAMAGED):
        TokenStore(directory, check=check)
