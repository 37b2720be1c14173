"""Counts of words against a counter in plain Python."""

import math
from collections import Counter
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.units.vocabulary import vocabulary_counts
from sequitur.text_core.units.words import word_table

WORDS = ["lorem", "ipsum", "Lorem", "IPSUM", "javascript", "JavaScript", "a", "B", "NASA", "Nasa"]


def entropy(words: list[str]) -> float:
    counts = Counter(words)
    return -sum(count / len(words) * math.log(count / len(words)) for count in counts.values())


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=12), min_size=1, max_size=4))
def test_counts_are_those_of_plain_python(documents: list[list[str]]) -> None:
    strings = from_arrow(pa.array([" ".join(words) for words in documents], pa.large_string()))

    counts = vocabulary_counts(strings, word_table(strings))

    for number, words in enumerate(documents):
        folded = [word.lower() for word in words]
        assert counts.unique[number] == len(set(folded))
        assert counts.all_caps[number] == sum(word.isupper() for word in words)
        assert counts.lorem_ipsum[number] == list(pairwise(folded)).count(("lorem", "ipsum"))
        assert counts.javascript[number] == folded.count("javascript")
        assert counts.entropy[number] == pytest.approx(entropy(folded) if folded else 0, abs=1e-12)
