"""Pairs come back by the higher document of each, whatever the sequence in which they were put there."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.graph_sort.near_duplicates import Pairs
from sequitur.pipeline import scratch
from sequitur.pipeline.errors import StorageFull
from sequitur.pipeline.storage import Directory
from sequitur.stages.neighbors import pair_file
from sequitur.stages.neighbors.pair_file import PairFile


def pairs(edges: list[tuple[int, int]]) -> Pairs:
    cosine = np.array([(a * 31 + b * 31) % 97 / 97 for a, b in edges], np.float32)
    return Pairs(np.array(edges, np.int64).reshape(-1, 2), cosine)


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=8), max_size=6),
    st.sampled_from([1, 5, 100]),
    st.sampled_from([3, 7, 100]),
)
def test_all_pairs_come_back_by_the_higher(
    parts: list[list[tuple[int, int]]], at_once: int, documents_at_once: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pair_file, "PAIRS_AT_ONCE", at_once)
        patch.setattr(pair_file, "DOCUMENTS_AT_ONCE", documents_at_once)
        held = PairFile(io.BytesIO(), "nowhere", 20)
        for part in parts:
            held.add(pairs(part))
        blocks = list(held.by_higher())

    edges = np.concatenate([block.edges for block in blocks])
    cosine = np.concatenate([block.cosine for block in blocks])
    assert (np.diff(edges[:, 1]) >= 0).all()
    assert len(blocks) == -(-20 // documents_at_once)
    expected = sorted(tuple(sorted(edge)) for part in parts for edge in part)
    assert sorted(map(tuple, edges.tolist())) == expected
    assert np.array_equal(cosine, pairs(list(map(tuple, edges.tolist()))).cosine)


def test_a_file_without_a_name_holds_them(tmp_path: Path) -> None:
    with scratch.file_beside(Directory(str(tmp_path))) as file:
        held = PairFile(file, str(tmp_path), 5)
        held.add(pairs([(4, 1), (0, 2)]))
        (block,) = held.by_higher()
        assert block.edges.tolist() == [[0, 2], [1, 4]]
        assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        held = PairFile(full, "the-run", 5)
        held.add(pairs([(4, 1)]))
        with pytest.raises(StorageFull, match="the-run: the disk is full"):
            list(held.by_higher())
