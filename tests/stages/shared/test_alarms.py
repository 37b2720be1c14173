"""Steps that take much of a source or of a language are named."""

from __future__ import annotations

import io
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sequitur.pipeline.progress import Progress
from sequitur.stages.shared.alarms import EARLIER, FEWEST, Alarm, Groups, raised, stored, tell

STEPS = ["short", "long", "copy"]


def groups(of: str = "source", **sizes: int) -> Groups:
    return Groups(of, list(sizes), np.repeat(np.arange(len(sizes)), list(sizes.values())))


def fallen(*counts: tuple[int, int]) -> np.ndarray:
    """(step, documents) in order."""
    return np.concatenate([np.full(count, step) for step, count in counts])


def test_a_step_is_named_for_what_reaches_it() -> None:
    reason = fallen((0, 50), (1, 30), (-1, 20))
    assert raised([groups(a=100)], reason, STEPS, 0.5) == [Alarm("long", "source", "a", 100, 50, 30)]
    assert raised([groups(a=100)], reason, STEPS, 0.6) == []
    assert raised([groups(a=100)], reason, STEPS, 0.49)[0] == Alarm("short", "source", "a", 100, 100, 50)


def test_the_last_few_documents_of_a_source_give_no_alarm() -> None:
    assert [alarm.step for alarm in raised([groups(a=100)], fallen((0, 81), (1, 19)), STEPS, 0.5)] == ["short"]
    assert raised([groups(a=FEWEST - 1)], fallen((0, FEWEST - 1)), STEPS, 0.5) == []


def test_most_of_a_small_source_gives_one_though_few_reach_the_step() -> None:
    (alarm,) = raised([groups(a=20)], fallen((0, 1), (1, 19)), STEPS, 0.5)
    assert (alarm.step, alarm.reached, alarm.told()) == ("long", 19, "source a 100.0% of 19 that are left of 20")


def test_steps_of_a_kind_are_named_together_where_none_is_alone() -> None:
    kinds = {"rules": ["short", "long"], "copies": ["copy"]}
    reason = np.concatenate([fallen((0, 40), (1, 25), (-1, 35)), fallen((0, 60), (-1, 40))])
    alarms = raised([groups(a=100, b=100)], reason, STEPS, 0.5, kinds=kinds)
    assert alarms == [
        Alarm("short", "source", "b", 100, 100, 60),
        Alarm("rules", "source", "a", 100, 100, 65),
    ]


def test_a_choice_by_language_gives_no_alarm_by_language() -> None:
    reason, steps = fallen((0, 90), (-1, 10)), ["language", "short"]
    named = [groups("source", web=100), groups("language", de=100)]
    alarms = raised(named, reason, steps, 0.5, kinds={"rules": steps})
    assert alarms == [Alarm("language", "source", "web", 100, 100, 90)]


def test_what_came_before_gives_none_and_a_subset_only_beyond_what_is_asked() -> None:
    reason = np.concatenate([fallen((0, 60), (1, 30), (-1, 10)), fallen((1, 90), (-1, 10))])
    steps, two = [EARLIER, "subset"], [groups(a=100, b=100)]
    assert [alarm.name for alarm in raised(two, reason, steps, 0.5)] == ["b", "a"]
    assert [alarm.name for alarm in raised(two, reason, steps, 0.5, asked={"subset": 0.4})] == ["b"]
    assert raised(two, reason, steps, 0.5, asked={"subset": 0.2}) == []


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 2)), max_size=200), st.floats(0, 0.99))
def test_shares_are_those_of_counting(documents: list[tuple[int, int]], most: float) -> None:
    group = Groups("source", ["a", "b", "c"], np.array([source for source, _ in documents], dtype=np.int64))
    reason = np.array([reason for _, reason in documents], dtype=np.int64)
    expected = set()
    for code, name in enumerate(group.names):
        own = Counter(reason for source, reason in documents if source == code)
        left = own.total()
        for number, step in enumerate(STEPS):
            lost, share_of_all = own[number], own[number] > most * own.total()
            if own.total() >= FEWEST and (share_of_all or (left >= FEWEST and lost > most * left)):
                expected.add(Alarm(step, "source", name, own.total(), left, lost))
            left -= lost
    assert set(raised([group], reason, STEPS, most)) == expected


def test_warnings_are_a_line_for_each_step_and_all_languages_are_named() -> None:
    many = [Alarm("short", of, f"{of}{n:02}", 100, 100, 60) for of in ("source", "language") for n in range(30)]
    said = io.StringIO()
    tell(Progress(Console(file=said, width=10_000)), many, {many[0]: " (so)"})
    sources, languages = said.getvalue().splitlines()
    assert sources.startswith("warning: short takes much of source source00 60.0% of 100 (so), source source01 60.0%")
    assert sources.endswith("source source19 60.0% of 100 and 10 more")
    assert "language language29 60.0% of 100" in languages
    assert stored(many[:1]) == [{**many[0]._asdict(), "share": 0.6}]


@pytest.mark.parametrize("most", [0.0, 0.5, 1.0])
def test_nothing_lost_gives_no_alarm(most: float) -> None:
    assert raised([groups(a=50)], fallen((-1, 50)), STEPS, most) == []
