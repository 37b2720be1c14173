"""Small random vectors and graphs that the tests of this folder share: fixtures that return functions."""

from collections.abc import Callable

import numpy as np
import pytest

from sequitur.graph_sort.graph import Graph, from_neighbors
from sequitur.graph_sort.neighbors import scan


@pytest.fixture(scope="session")
def unit_vectors() -> Callable[..., np.ndarray]:
    def unit_vectors(n: int, d: int = 16, seed: int = 0) -> np.ndarray:
        """n float32 unit vectors in clusters of about eight."""
        rng = np.random.default_rng(seed)
        centers = rng.standard_normal((n // 8 + 1, d))
        vectors = centers[rng.integers(len(centers), size=n)] + 0.4 * rng.standard_normal((n, d))
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    return unit_vectors


@pytest.fixture(scope="session")
def knn_graph() -> Callable[[np.ndarray, int], Graph]:
    def knn_graph(vectors: np.ndarray, k: int) -> Graph:
        ids = np.arange(len(vectors), dtype=np.int64)
        return from_neighbors(*scan(vectors, vectors, ids, k))

    return knn_graph


@pytest.fixture(scope="session")
def random_neighbors() -> Callable[[int, int], tuple[np.ndarray, np.ndarray]]:
    def random_neighbors(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Any neighbour arrays of n nodes: few distinct cosines, so that ties abound; some places empty."""
        rng = np.random.default_rng(seed)
        k = int(rng.integers(1, 6))
        neighbor = np.full((n, k), -1, np.int64)
        for i in range(n):
            found = rng.permutation(np.delete(np.arange(n), i))[: rng.integers(0, k + 1)]
            neighbor[i, : len(found)] = found
        cosine = rng.choice(np.array([-0.5, -0.0, 0.0, 0.3, 0.6, 0.9], np.float32), size=(n, k))
        return neighbor, cosine

    return random_neighbors
