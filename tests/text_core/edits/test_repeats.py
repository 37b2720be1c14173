"""Hashes of lines and paragraphs are equal where the texts are; counts add up whatever pieces they come in."""

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.edits.edits import find_lines
from sequitur.text_core.edits.repeats import BLANK, counted, frequent, is_among, line_hashes, paragraphs
from sequitur.text_core.units.strings import from_arrow

TEXTS = st.lists(st.text(st.sampled_from("ab \u3000\t\n\r\u2028"), max_size=20), max_size=5)


def hashes_of(texts: list[str]) -> np.ndarray:
    strings = from_arrow(pa.array(texts, pa.large_string()))
    return line_hashes(strings, find_lines(strings))


@settings(deadline=None)
@given(TEXTS)
def test_lines_have_the_same_hash_where_they_are_the_same_without_white_space_around(texts: list[str]) -> None:
    lines = [line.strip() for text in texts for line in text.splitlines()]

    hashes = hashes_of(texts).tolist()

    assert len(set(hashes)) == len(set(lines)) == len(set(zip(lines, hashes, strict=True)))
    assert all((line == "") == (value == BLANK) for line, value in zip(lines, hashes, strict=True))


@settings(deadline=None)
@given(TEXTS)
def test_paragraphs_are_runs_of_lines_and_own_the_blank_lines_after_them(texts: list[str]) -> None:
    strings = from_arrow(pa.array(texts, pa.large_string()))
    lines = find_lines(strings)
    expected: list[list[str]] = []
    owner = []
    for text in texts:
        inside, current = False, -1
        for line in text.splitlines():
            if line.strip() and not inside:
                expected.append([])
                current = len(expected) - 1
            inside = bool(line.strip())
            if inside:
                expected[-1].append(line.strip())
            owner.append(current)

    found = paragraphs(lines, line_hashes(strings, lines))

    assert found.of_line.tolist() == owner
    assert len(found.hash) == len(expected)
    keys = ["\n".join(paragraph) for paragraph in expected]
    assert len(set(found.hash.tolist())) == len(set(keys)) == len(set(zip(keys, found.hash.tolist(), strict=True)))


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 6)), min_size=1, max_size=4), st.integers(1, 4))
def test_counts_of_pieces_add_up(pieces: list[list[int]], most: int) -> None:
    arrays = [np.array(piece, dtype=np.uint64) for piece in pieces]

    found = frequent(np.concatenate([counted(array) for array in arrays]), most)

    total = Counter(value for piece in pieces for value in piece if value != BLANK)
    assert found.tolist() == sorted(value for value, count in total.items() if count > most)
    values = np.arange(8, dtype=np.uint64)
    assert is_among(values, found).tolist() == [value in found for value in values]
