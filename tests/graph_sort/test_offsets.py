"""Each core has this function for itself, since none imports another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.graph_sort import offsets as of_graphs
from sequitur.shards import offsets as of_shards
from sequitur.text_core.units import offsets as of_texts

CORES = pytest.mark.parametrize("core", [of_graphs, of_shards, of_texts])


@CORES
@given(counts=st.lists(st.integers(0, 2**33), max_size=20))
def test_rows_lie_end_to_end(core, counts) -> None:
    offsets = core.offsets_of(counts)

    assert (offsets.dtype, offsets[0], np.diff(offsets).tolist()) == (np.int64, 0, counts)


@CORES
@pytest.mark.parametrize("count", [np.True_, np.uint8(255), np.uint32(2**32 - 1), np.uint64(2**40)])
def test_counts_of_any_width_add_up_in_64_bits(core, count) -> None:
    assert core.offsets_of(np.full(300, count))[-1] == 300 * int(count)
