"""Products of rounded vectors are exact: the same bits as rational numbers give, in whatever blocks they are computed.

Run: python -m pytest tests/graph_sort/test_products.py
"""

from fractions import Fraction

import numpy as np

from sequitur.graph_sort.products import STEPS, cosines, rounded


def unit_vectors(count: int, dimensions: int) -> np.ndarray:
    vectors = np.random.default_rng(5).normal(size=(count, dimensions))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def test_components_are_the_nearest_steps() -> None:
    vectors = unit_vectors(9, 64)

    found = rounded(vectors)

    assert (found * STEPS == np.rint(vectors.astype(np.float64) * STEPS)).all()
    assert (rounded(vectors, np.array([4, 2])) == found[[4, 2]]).all()


def test_products_are_those_of_fractions_and_of_any_blocks() -> None:
    vectors = rounded(unit_vectors(12, 96))

    found = cosines(vectors, vectors)

    exact = [[sum(Fraction(x) * Fraction(y) for x, y in zip(a, b, strict=True)) for b in vectors] for a in vectors]
    assert [[Fraction(value) for value in row] for row in found] == exact
    halves = cosines(vectors[:, :50], vectors[:, :50]) + cosines(vectors[:, 50:], vectors[:, 50:])
    assert (halves == found).all()
    assert all(cosines(vectors[[row]], vectors).tobytes() == found[row].tobytes() for row in range(len(vectors)))
