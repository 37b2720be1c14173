"""The hashes of tokens against Python's integers."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.units.hashing import POLYNOMIAL_BASE
from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.units.tokens import token_table

BASE = int(POLYNOMIAL_BASE)
words = st.text("aZ09éЖ", min_size=1, max_size=20)


def polynomial(text: str) -> int:
    return sum((byte + 1) * pow(BASE, place) for place, byte in enumerate(text.encode())) % 2**64


def hashes_of(*words: str) -> list[int]:
    """Of words that are a token each."""
    found: list[int] = token_table(from_arrow(pa.array([" ".join(words)], pa.large_string()))).hash.tolist()
    return found


@settings(max_examples=200, deadline=None)
@given(st.lists(words, min_size=1, max_size=5))
def test_a_hash_is_the_polynomial_of_the_bytes(words: list[str]) -> None:
    assert hashes_of(*words) == [polynomial(word) for word in words]


@settings(max_examples=200, deadline=None)
@given(words, words)
def test_the_hash_of_two_tokens_end_to_end_follows_from_theirs(one: str, other: str) -> None:
    first, second, both = hashes_of(one, other, one + other)

    assert both == (first + pow(BASE, len(one.encode())) * second) % 2**64


def test_a_nul_is_told_from_none() -> None:
    assert len(set(hashes_of("a", "a\0", "a\0\0"))) == 3
