"""The mixing against plain integers, and that it is a bijection."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sequitur.text_core.units.hashing import mix64, word_at

ALL = 2**64 - 1


def mixed(value: int) -> int:
    """fmix64 of MurmurHash3, in Python's integers."""
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & ALL
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & ALL
    return value ^ value >> 33


def undone(value: int) -> int:
    value ^= value >> 33
    value = value * pow(0xC4CEB9FE1A85EC53, -1, 2**64) & ALL
    value ^= value >> 33
    value = value * pow(0xFF51AFD7ED558CCD, -1, 2**64) & ALL
    return value ^ value >> 33


@given(st.integers(0, ALL))
def test_mixing_is_that_of_murmurhash_and_can_be_undone(value: int) -> None:
    found = int(mix64(np.uint64(value)))

    assert found == mixed(value)
    assert undone(found) == value


@given(st.binary(min_size=1, max_size=20), st.data())
def test_a_word_is_its_bytes_the_first_lowest(text: bytes, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(text) - 1))
    size = data.draw(st.integers(1, min(8, len(text) - position)))

    found = int(word_at(np.frombuffer(text, np.uint8), position, size))

    assert found == int.from_bytes(text[position : position + size], "little")
