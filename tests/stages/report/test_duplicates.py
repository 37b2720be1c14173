"""Two texts side by side: what they share is not marked, what one alone has is, and long ones are cut."""

import hypothesis.strategies as st
from hypothesis import given

from sequitur.stages.report.duplicates import SHOWN_CHARACTERS, side_by_side

text = st.text("ab \n.", max_size=40)


def joined(runs: list[list[object]], *, shared: bool | None = None) -> str:
    return "".join(str(part) for same, part in runs if shared is None or same == shared)


@given(text, text)
def test_runs_add_up_to_the_texts_and_share_the_same(kept: str, dropped: str) -> None:
    ours, theirs = side_by_side(kept, dropped)
    assert (joined(ours), joined(theirs)) == (kept, dropped)
    assert joined(ours, shared=True) == joined(theirs, shared=True)


def test_words_that_differ_are_marked() -> None:
    ours, theirs = side_by_side("the quick fox", "the slow fox")
    assert ours == [[True, "the "], [False, "quick"], [True, " fox"]]
    assert theirs == [[True, "the "], [False, "slow"], [True, " fox"]]


def test_long_texts_are_shown_from_shortly_before_they_differ() -> None:
    same = "word " * 5000
    ours, theirs = side_by_side(same + "one " + same, same + "two " + same)
    assert joined(ours, shared=False) == "one"
    assert joined(theirs, shared=False) == "two"
    for runs in (ours, theirs):
        assert joined(runs).startswith("… ")
        assert joined(runs).endswith(" …")
        assert len(joined(runs)) <= SHOWN_CHARACTERS + 4


def test_long_words_are_cut() -> None:
    assert len(joined(side_by_side("a" * 9000, "b" * 9000)[0])) == SHOWN_CHARACTERS + 2
