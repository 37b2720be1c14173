"""The dot product against the same sums written out. Run: python -m pytest tests/graph_sort/test_vectors.py"""

import numpy as np
import pytest
from numba.core.errors import TypingError

from sequitur.graph_sort.vectors import as_float32, dot, rows_as_float32


def written_out(a, b):
    """Eight running sums in float64, joined in pairs, then what is left over."""
    terms = a.astype(np.float64) * b.astype(np.float64)
    whole = len(terms) - len(terms) % 8
    s = np.zeros(8)
    for eight in terms[:whole].reshape(-1, 8):
        s += eight
    total = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
    for term in terms[whole:]:
        total += term
    return total


@pytest.mark.parametrize("d", [*range(20), 255, 256, 257])
def test_the_same_bits(d):
    rng = np.random.default_rng(d)
    a, b = (rng.standard_normal(d) * 10.0 ** rng.integers(-9, 9, size=d) for _ in range(2))
    a, b = a.astype(np.float32), b.astype(np.float32)
    assert dot(a, b) == written_out(a, b)
    unaligned = np.append(np.float32(0), b)[1:]
    assert dot(a, unaligned) == written_out(a, b)


def test_rows_that_are_not_contiguous_are_refused():
    columns = np.ones((8, 2), np.float32)
    with pytest.raises(TypingError, match="contiguous"):
        dot(columns[:, 0], columns[:, 1])


def test_every_float16_is_made_the_float32_that_it_is():
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    found, expected = as_float32(every.reshape(256, 256)).reshape(-1), every.astype(np.float32)
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(found), ~number)
    np.testing.assert_array_equal(found[number].view(np.uint32), expected[number].view(np.uint32))  # −0 too


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_rows_are_read_as_numpy_reads_them(kind):
    vectors = np.random.default_rng(0).standard_normal((30, 12)).astype(kind)[:, 2:9]
    for rows in (np.array([3, 29, 0, 3]), np.empty(0, np.int64), slice(4, 11), slice(None)):
        found = rows_as_float32(vectors, rows)
        assert found.dtype == np.float32
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, vectors[rows].astype(np.float32))
