"""The leading directions against a full singular value decomposition."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from sequitur.text_core.vectors.decomposition import leading_directions


def matrix_of(rows: int, columns: int, rank: int, seed: int) -> csr_array:
    """Of falling singular values, a third of its entries zero."""
    rng = np.random.default_rng(seed)
    left, right = rng.standard_normal((rows, rank)), rng.standard_normal((rank, columns))
    dense = (left * 0.8 ** np.arange(rank)) @ right
    return csr_array((dense * (rng.random((rows, columns)) < 0.7)).astype(np.float32))


@pytest.mark.parametrize(("rows", "columns"), [(300, 200), (200, 300), (60, 60)])
def test_directions_are_those_of_the_full_decomposition(rows, columns):
    matrix = matrix_of(rows, columns, 12, 0)
    found = leading_directions(matrix, 8, 0)
    _, values, exact = np.linalg.svd(matrix.toarray().astype(np.float64), full_matrices=False)
    assert found.shape == (columns, 8)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.T @ found, np.eye(8), atol=1e-5)
    # What the directions hold of the matrix, beside the most that any eight do.
    held = np.square(matrix.toarray() @ found).sum()
    assert held > 0.999 * np.square(values[:8]).sum()
    assert abs(found[:, 0] @ exact[0]) > 0.999


@pytest.mark.parametrize("rank", [1, 3])
def test_there_are_no_more_directions_than_the_rank(rank):
    rng = np.random.default_rng(1)
    dense = rng.standard_normal((50, rank)) @ rng.standard_normal((rank, 40))
    found = leading_directions(csr_array(dense.astype(np.float32)), 20, 0)
    assert found.shape == (40, rank)
    np.testing.assert_allclose(found @ (found.T @ dense.T), dense.T, atol=1e-4)


def test_equal_seeds_and_any_number_of_threads_give_equal_bytes():
    matrix = matrix_of(3000, 500, 40, 2)
    first = leading_directions(matrix, 16, 5)
    with threadpool_limits(2):
        assert np.array_equal(leading_directions(matrix, 16, 5), first)
    assert not np.array_equal(leading_directions(matrix, 16, 6), first)
