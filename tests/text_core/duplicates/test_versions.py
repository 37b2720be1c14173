"""Overlap and renaming against plain Python, and what they tell of versions and of siblings of a template."""

import math
import random
from collections import Counter
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.text_core.duplicates.renaming import LONGEST_GAP, UNTOLD, renamings
from sequitur.text_core.duplicates.versions import (
    BUCKETS,
    LEAST_RARITY,
    LEAST_RENAMING,
    OTHER_PAIRS,
    SEEN_BITS,
    document_counts,
    joined,
    overlaps,
    populations,
    version_words,
    word_pairs,
)
from sequitur.text_core.units.strings import from_arrow

Words = list[int]


def arrays(documents: list[Words]) -> tuple[np.ndarray, np.ndarray]:
    return np.cumsum([0, *map(len, documents)]), np.array([word for one in documents for word in one], dtype=np.uint32)


class Likeness(NamedTuple):
    overlap: np.ndarray
    renaming: np.ndarray


def likeness(offsets: np.ndarray, ids: np.ndarray, pairs: np.ndarray, least: float = 0.0) -> Likeness:
    """Overlaps, and the renaming of those that are not 0."""
    counts = document_counts(offsets, ids)
    found = overlaps(word_pairs(offsets, ids, counts), populations(offsets, ids, counts), pairs, least)
    renaming = np.full(len(pairs), -np.inf, np.float32)
    renaming[found > 0] = renamings(offsets, ids, pairs[found > 0])
    return Likeness(found, renaming)


def like(documents: list[Words], pairs: list[tuple[int, int]]) -> Likeness:
    return likeness(*arrays(documents), np.array(pairs, dtype=np.int64).reshape(-1, 2))


def pairs_of(words: Words) -> list[tuple[int, ...]]:
    return list(pairwise(words)) if len(words) > 1 else [tuple(words)] * len(words)


def plain_overlap(documents: list[Words], a: int, b: int) -> float:
    of_words = Counter(word for one in documents for word in set(one))
    of_pairs = Counter(pair for one in documents for pair in set(pairs_of(one)))
    # A document of one word is one "pair" of it, whose hash is that of the word.
    for pair in [pair for pair in of_pairs if len(pair) == 1]:
        of_words[pair[0]] += of_pairs[pair]
        of_pairs[pair] = of_words[pair[0]]
    population = min(sorted(of_words[word] for word in documents[at])[len(documents[at]) // 2] for at in (a, b))

    one, other = set(pairs_of(documents[a])), set(pairs_of(documents[b]))

    def weight(pairs: set[tuple[int, ...]]) -> float:
        besides = {pair: of_pairs[pair] - (pair in one) - (pair in other) for pair in pairs}
        return sum(max(LEAST_RARITY, math.log((population + 2) / (besides[pair] + 1))) ** 3 for pair in pairs)

    unseen = OTHER_PAIRS * max(weight({pair}) for pair in one | other)
    return weight(one & other) / (min(weight(one), weight(other)) + unseen)


def plain_renaming(a: Words, b: Words) -> float:
    theirs = set(pairs_of(b))
    agrees = [
        any(at >= 0 and pairs_of(a)[at] in theirs for at in (place - 1, place) if at < len(a) - 1)
        for place in range(len(a))
    ]
    runs = [(flag, [place for place, _ in group]) for flag, group in groupby(enumerate(agrees), key=lambda one: one[1])]
    changed: Words = []
    for number, (flag, places) in enumerate(runs):
        around = [len(runs[at][1]) for at in (number - 1, number + 1) if 0 <= at < len(runs)]
        if not flag and len(places) <= min([LONGEST_GAP, len(a), *around]):
            changed += [a[place] for place in places]
    if not changed:
        return UNTOLD
    rate = math.log((sum(agrees) + len(changed)) / len(changed))
    chances = []
    for word, times in Counter(changed).items():
        gone = min(times, a.count(word) - b.count(word))
        if gone > 1:
            chances.append(gone * rate - math.log(math.comb(a.count(word), gone)))
    chances.sort(reverse=True)
    told = [sum(chances[:number]) - math.log(math.comb(len(set(a)), number)) for number in range(1, len(chances) + 1)]
    return max([UNTOLD, *told])


@given(st.lists(st.lists(st.integers(0, 12), min_size=2, max_size=40), min_size=2, max_size=6))
def test_both_are_those_of_plain_python(documents: list[Words]) -> None:
    found = like(documents, [(0, 1)])
    assert found.overlap[0] == pytest.approx(plain_overlap(documents, 0, 1), abs=1e-5)
    expected = plain_renaming(documents[0], documents[1]) + plain_renaming(documents[1], documents[0])
    assert found.renaming[0] == (pytest.approx(expected, abs=1e-4) if found.overlap[0] else -np.inf)


@given(st.lists(st.lists(st.integers(0, 9), max_size=20), min_size=2, max_size=4))
def test_the_order_of_two_documents_does_not_matter(documents: list[Words]) -> None:
    found = like(documents, [(0, 1), (1, 0)])
    assert found.overlap[0] == found.overlap[1]
    assert found.renaming[0] == found.renaming[1]
    assert 0 <= found.overlap[0] <= 1


@given(
    st.lists(st.lists(st.integers(0, 30), max_size=60), min_size=2, max_size=6),
    st.floats(0.01, 1.2),
    st.randoms(use_true_random=False),
)
def test_what_is_below_the_least_is_told_as_nothing_and_else_nothing_changes(
    documents: list[Words], least: float, rng: random.Random
) -> None:
    documents = [*documents, *([*one, *rng.choices(range(30), k=3)] for one in documents)]
    offsets, ids = arrays(documents)
    pairs = np.array([rng.sample(range(len(documents)), 2) for _ in range(20)], dtype=np.int64)
    everything = likeness(offsets, ids, pairs)
    found = likeness(offsets, ids, pairs, least)
    reach = everything.overlap >= least
    np.testing.assert_array_equal(found.overlap, np.where(reach, everything.overlap, 0))
    np.testing.assert_array_equal(found.renaming, np.where(reach, everything.renaming, -np.inf))


def test_documents_of_more_pairs_than_bits_are_compared_all_the_same() -> None:
    rng = random.Random(8)
    long = [rng.randrange(2**31) for _ in range(SEEN_BITS * 2)]
    other = [rng.randrange(2**31) for _ in range(1000)]
    offsets, ids = arrays([long, long[:1000], other])
    found = likeness(offsets, ids, np.array([[0, 1], [0, 2], [2, 0]]), least=0.4).overlap
    assert found[0] > 0.9
    assert found[1:].tolist() == [0, 0]


def written(rng: random.Random, words: int) -> Words:
    """Words by Zipf's law."""
    return [min(int(rng.paretovariate(0.6)), 5000) for _ in range(words)]


def test_a_part_of_a_document_overlaps_with_it_as_a_whole() -> None:
    rng = random.Random(1)
    whole = written(rng, 200)
    others = [written(rng, 200) for _ in range(20)]
    found = like([whole, whole[50:120], *others], [(0, 1), *((0, other) for other in range(2, 22))])
    assert found.overlap[0] > 0.9
    assert found.overlap[1:].max() < 0.2


def test_many_copies_overlap_though_nothing_in_them_is_rare() -> None:
    text = written(random.Random(2), 100)
    assert like([text] * 50, [(0, 1)]).overlap[0] > 0.9


def test_names_that_are_others_everywhere_tell_siblings_from_edited_copies() -> None:
    rng = random.Random(3)
    template, name = written(rng, 120), 7777
    for place in range(5, 120, 20):
        template[place] = name
    sibling = [8888 if word == name else word for word in template]
    edited = [rng.randrange(10_000, 20_000) if rng.random() < 0.1 else word for word in template]
    found = like([template, sibling, edited, template[:60]], [(0, 1), (0, 2), (0, 3)])
    assert (found.overlap > 0.4).all()
    assert found.renaming[0] > LEAST_RENAMING
    assert (found.renaming[1:] < LEAST_RENAMING).all()


def test_what_a_language_has_in_common_is_no_overlap_however_rare_the_language() -> None:
    rng = random.Random(4)
    phrases = [[100_000 + phrase * 2, 100_001 + phrase * 2] for phrase in range(5)]
    rare = [
        [word for _ in range(20) for word in (*rng.choice(phrases), rng.randrange(200_000, 300_000))] for _ in range(12)
    ]
    frequent = [written(rng, 100) for _ in range(200)]
    pairs = [(a, b) for a in range(12) for b in range(a)]
    assert like([*rare, *frequent], pairs).overlap.max() < 0.1


def test_documents_without_words_are_like_none() -> None:
    found = like([[], [], [1]], [(0, 1), (0, 2)])
    assert found.overlap.tolist() == [0, 0]
    assert like([[1, 2]], []).overlap.size == 0


def test_words_of_scripts_without_spaces_are_taken_with_the_next_one() -> None:
    texts = ["北京大学", "北京", "大学", "京 大", "New York", "york"]
    offsets, ids = version_words(from_arrow(pa.array(texts, pa.large_string())))
    words = [ids[begin:end].tolist() for begin, end in pairwise(offsets)]
    assert list(map(len, words)) == [4, 2, 2, 2, 2, 1]
    assert words[0][0] == words[1][0]  # 北京
    assert words[0][2:] == words[2]  # 大学, 学
    assert words[1][1] == words[3][0]  # 京 alone: the next text does not follow it
    assert words[4][1] == words[5][0]


def test_wrong_counts_and_documents_are_named() -> None:
    offsets, ids = arrays([[1, 2], [3]])
    with pytest.raises(ValueError, match=rf"int32\[{BUCKETS}\], not \(3,\)"):
        word_pairs(offsets, ids, np.zeros(3, np.int32))
    with pytest.raises(ValueError, match=r"pairs must lie in \[0, 2\)"):
        likeness(offsets, ids, np.array([[0, 2]]))


def test_documents_that_are_read_in_several_lots_are_those_that_are_read_at_once() -> None:
    rng = random.Random(9)
    documents = [written(rng, length) for length in (30, 0, 20, 10)]
    offsets, ids = arrays(documents)
    counts = document_counts(offsets, ids)
    lots = [word_pairs(*arrays(some), counts) for some in (documents[:2], documents[2:3], documents[3:])]
    room = np.full(len(ids), 7, np.uint64), np.full(len(ids), 7, np.int32)
    for found, expected in zip(joined(iter(lots), *room), word_pairs(offsets, ids, counts), strict=True):
        np.testing.assert_array_equal(found, expected)
