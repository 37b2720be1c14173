"""Documents in powers of two, the largest first."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sequitur.graph_sort.decomposition import bucket_lengths, decompose


def plainly(length: int, largest: int, smallest: int) -> list[int]:
    pieces = []
    while length >= smallest:
        size = largest
        while size > length:
            size //= 2
        pieces.append(size)
        length -= size
    return pieces + ([length] if length else [])


@given(lengths=st.lists(st.integers(1, 300), max_size=6), exponents=st.tuples(st.integers(0, 3), st.integers(0, 4)))
def test_each_document_falls_into_the_fewest_powers_of_two(lengths: list[int], exponents: tuple[int, int]) -> None:
    smallest = 2 ** exponents[0]
    largest = smallest * 2 ** exponents[1]
    permutation = np.arange(len(lengths), dtype=np.int64)[::-1]
    document, start, length = decompose(np.array(lengths, np.int64), permutation, largest, smallest)
    expected = [plainly(lengths[one], largest, smallest) for one in permutation]
    assert length.tolist() == [size for sizes in expected for size in sizes]
    assert document.tolist() == [one for one, sizes in zip(permutation.tolist(), expected, strict=True) for _ in sizes]
    assert start.tolist() == [sum(sizes[:place]) for sizes in expected for place in range(len(sizes))]


def test_buckets_are_the_powers_of_two_up_to_a_context() -> None:
    assert bucket_lengths(256).tolist() == [32, 64, 128, 256]
    assert bucket_lengths(300).tolist() == [32, 64, 128, 256]
    assert bucket_lengths(20).tolist() == [16]
