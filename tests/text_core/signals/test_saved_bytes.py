"""Rows compressed whole, and the share of one order's savings in another's, against formulas."""

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sequitur.text_core.signals.in_context_gain import LEVEL
from sequitur.text_core.signals.saved_bytes import row_sizes, saved_share

ROW = [b"one text of some words", b"", b"and another text of some words"]


@pytest.mark.parametrize("level", [3, LEVEL])
def test_a_row_is_compressed_whole_and_by_itself(level: int) -> None:
    text = b"".join(ROW)
    rows = [text, b"", text + text, text[:7]]
    begins = np.cumsum([0, *map(len, rows)])

    found = row_sizes(np.frombuffer(b"".join(rows), np.uint8), begins, level)

    compressor = zstandard.ZstdCompressor(level=level, write_content_size=False)
    assert found.tolist() == [len(compressor.compress(row)) for row in rows]
    assert found[2] < 1.3 * found[0]  # what is there twice costs little, nothing is kept of before
    assert row_sizes(np.empty(0, np.uint8), np.zeros(1, np.int64), level).tolist() == []


@given(st.floats(-2, 2), st.integers(2, 40), st.integers(0, 2**32))
def test_the_share_is_of_what_the_other_saves(share: float, units: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    random, saving = generator.uniform(10, 20, units), generator.uniform(0.1, 1, units)
    group = generator.integers(0, units, units)

    found = saved_share(random - share * saving, random, random - saving, group, seed)

    assert found.share == pytest.approx(share, abs=1e-9)
    assert found.error == pytest.approx(0, abs=1e-9) or len(np.unique(group)) == 1  # the same in every group


def test_the_error_is_that_of_a_ratio_over_groups() -> None:
    generator = np.random.default_rng(0)
    random = generator.uniform(10, 20, 4000)
    other, ours = random - generator.uniform(0, 2, 4000), random - generator.uniform(0, 3, 4000)
    group = np.arange(4000) // 4 + 7  # numbered as they may be

    found = saved_share(ours, random, other, group, 1)

    saved = np.stack([random - ours, random - other]).reshape(2, 1000, 4).sum(axis=2)
    assert found.share == pytest.approx(saved[0].sum() / saved[1].sum())
    residual = saved[0] - found.share * saved[1]
    cochran = np.sqrt(1000 * residual.var(ddof=1)) / saved[1].sum()  # of first order, whole groups being independent
    assert found.error == pytest.approx(cochran, rel=0.2)
    assert found == saved_share(ours, random, other, group, 1)


def test_there_is_no_share_of_nothing() -> None:
    flat, group = np.ones(4), np.arange(4)
    assert np.isnan(saved_share(flat - 0.1, flat, flat, group, 0)).all()
    assert np.isnan(saved_share(flat - 0.1, flat, flat + 0.1, group, 0)).all()
    assert np.isnan(saved_share(flat[:0], flat[:0], flat[:0], group[:0], 0)).all()
    alone = saved_share(flat - 0.1, flat, flat - 0.2, np.zeros(4, np.int64), 0)
    assert alone.share == pytest.approx(0.5)
    assert np.isnan(alone.error)
