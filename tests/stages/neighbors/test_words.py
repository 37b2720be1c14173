"""Words confirm what vectors propose: versions go, siblings of a template and unrelated documents stay."""

import itertools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from neighbor_runs import angles, lists, place, place_texts, work

from sequitur.graph_sort.near_duplicates import Pairs
from sequitur.pipeline import artifacts, builds
from sequitur.pipeline.config import validate
from sequitur.pipeline.stage import Run
from sequitur.stages.neighbors import STAGE, words
from sequitur.stages.neighbors import stage as neighbors
from sequitur.stages.neighbors.near_duplicates import Judge
from sequitur.stages.neighbors.words import WORDS

RNG = random.Random(5)


def written(count: int, name: str = "") -> str:
    """So many words by Zipf's law, every ninth of them the name."""
    found = [f"w{min(int(RNG.paretovariate(0.7)), 3000)}" for _ in range(count)]
    return " ".join(name if name and place % 9 == 4 else word for place, word in enumerate(found))


MANUAL = written(90, "sinus")
TEXTS = [
    MANUAL,
    written(80),
    " ".join(word for place, word in enumerate(MANUAL.split()) if place % 12),  # words left out
    MANUAL.replace("sinus", "arcsinus"),
    written(100),
    " ".join(MANUAL.split()[:45]),
]


@pytest.fixture
def confirmed_of(job_of: Callable[..., Run]) -> Callable[..., Run]:
    """Runs the stage over these texts, of which all vectors are near each other."""

    def run(name: str = "run", **options: Any) -> Run:
        job = place(job_of(name, k=5, **{"duplicate_overlap": 0.4, **options}), angles(*range(6)))
        return work(place_texts(job, TEXTS))

    return run


def test_versions_go_and_siblings_stay(confirmed_of: Callable[..., Run]) -> None:
    run = confirmed_of()
    assert lists(run)[0].tolist() == [0, 1, 3, 4]
    lost = artifacts.read_columns(
        run.artifact("neighbors/duplicates"), ["ordinal", "duplicate_of", "cosine", "overlap"]
    )
    assert [(row["ordinal"], row["duplicate_of"]) for row in lost.to_pylist()] == [(2, 0), (5, 0)]
    np.testing.assert_allclose(lost["cosine"], np.cos(np.radians([2, 5])), atol=1e-3)
    edited, cut = lost["overlap"].to_pylist()
    assert 0.6 < edited < 1
    assert cut > edited
    assert list(neighbors.verify(run)) == []
    assert not run.artifact(WORDS).names()


def test_the_overlap_that_is_asked_for_decides(confirmed_of: Callable[..., Run]) -> None:
    overlaps = artifacts.read_columns(confirmed_of().artifact("neighbors/duplicates"), ["overlap"])[
        "overlap"
    ].to_pylist()
    between = sum(overlaps) / 2
    assert lists(confirmed_of("more", duplicate_overlap=between))[0].tolist() == [0, 1, 2, 3, 4]
    assert lists(confirmed_of("alone", duplicate_overlap=None))[0].tolist() == [0]


def test_what_the_cosine_does_not_propose_stays(confirmed_of: Callable[..., Run]) -> None:
    assert lists(confirmed_of(duplicate_cosine=0.99995))[0].tolist() == list(range(6))


def test_what_is_read_depends_on_what_confirms(job_of: Callable[..., Run]) -> None:
    always = ("documents", "signals", "selection", "vectors")  # the first three for alarms
    fixing = validate(
        {**job_of(duplicate_overlap=0.4).config.model_dump(mode="json"), "refine": {"fix_unicode": True}}, ""
    )
    assert STAGE.parents_of(fixing) == (*always, "refined")
    without = fixing.model_copy(
        update={"neighbors": job_of(duplicate_overlap=0.4, duplicate_cosine=1.01).config.neighbors}
    )
    assert STAGE.parents_of(without) == always
    settings = job_of(duplicate_overlap=0.4).config.neighbors
    assert (settings.least_cosine, job_of().config.neighbors.least_cosine) == (0.5, 0.95)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] != pair[1]), max_size=30),
    st.lists(st.integers(0, 50), min_size=10, max_size=10),
    st.integers(1, 120),
)
def test_blocks_of_pairs_hold_as_many_words_as_they_may(
    pairs: list[tuple[int, int]], lengths: list[int], most_words: int
) -> None:
    begins = words._begins_of_blocks(np.array(pairs, np.int64).reshape(-1, 2), np.array(lengths), most_words).tolist()

    def held(begin: int, end: int) -> int:
        return sum(lengths[one] for one in {one for pair in pairs[begin:end] for one in pair})

    assert begins[0] == 0
    assert begins[-1] == len(pairs)
    for begin, end in itertools.pairwise(begins):
        assert begin < end
        assert end - begin == 1 or held(begin, end) <= most_words
        if end < len(pairs):  # and no block could have taken one pair more
            assert held(begin, end + 1) > most_words


def test_refused_pairs_are_not_compared_again(job_of: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    run = place_texts(place(job_of(duplicate_overlap=0.4), angles(*range(6))), TEXTS)
    builds.begin(run.artifact("neighbors"), "neighbors")
    words.read(run)
    edges = np.array([(a, b) for a in range(6) for b in range(a + 1, 6)], dtype=np.int64)
    pairs = Pairs(edges, np.linspace(0.9, 1, len(edges), dtype=np.float32))
    judge = Judge(run.root, run.config.neighbors, words.Words(run.root, 0.4, seed=1), 6)
    first = judge.duplicates(pairs)
    assert 0 < len(first.edges) < len(edges)
    asked = []
    confirm = words.Words.confirm
    monkeypatch.setattr(words.Words, "confirm", lambda self, edges: asked.append(edges) or confirm(self, edges))

    again = judge.duplicates(pairs)

    np.testing.assert_array_equal(asked[0], first.edges)
    np.testing.assert_array_equal(again.edges, first.edges)
    np.testing.assert_array_equal(again.cosine, first.cosine)
    assert not len(judge.duplicates(Pairs(edges[:0], pairs.cosine[:0])).edges)


def test_blocks_do_not_change_what_is_found(job_of: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    run = place_texts(place(job_of(), angles(*range(6))), TEXTS)
    builds.begin(run.artifact("neighbors"), "neighbors")
    words.read(run)
    edges = np.array([(a, b) for b in range(6) for a in range(b)], dtype=np.int64)
    whole = words.Words(run.root, 0.4, seed=1).likeness(edges)
    monkeypatch.setattr(words, "WORDS_AT_ONCE", 100)
    monkeypatch.setattr(words, "WORDS_OF_THREAD", 30)
    monkeypatch.setattr(words, "PAIRS_AT_ONCE", 2)
    for threads in (1, 2, 3):
        pieces = words.Words(run.root, 0.4, 1, threads).likeness(edges)
        np.testing.assert_array_equal(whole.overlap, pieces.overlap)
        np.testing.assert_array_equal(whole.renaming, pieces.renaming)
