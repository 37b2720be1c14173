"""Patterns of users: linear in time, refused in RE2's words."""

import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.edits.patterns import compiled, remove_matching_lines


@pytest.mark.parametrize("pattern", ["b", "^a|c$", "(?i)B.*é", r"^\s*$", r"\bé?c"])
@settings(deadline=None)
@given(texts=st.lists(st.text(st.sampled_from("abcBé \n\r\u2028"), max_size=30), max_size=4))
def test_the_lines_in_which_python_finds_a_pattern_go(pattern: str, texts: list[str]) -> None:
    edited = remove_matching_lines(pa.array(texts, pa.large_string()), compiled(pattern))

    wanted = re.compile(pattern, re.ASCII)
    kept = [[line for line in text.splitlines(keepends=True) if not _found(wanted, line)] for text in texts]
    assert edited.text.to_pylist() == ["".join(lines) for lines in kept]


def _found(pattern: re.Pattern[str], line: str) -> bool:
    return pattern.search(line.splitlines()[0]) is not None


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("a(", "missing ): a("),
        ("(?=a)", "invalid perl operator: (?="),
        (r"(a)\1", r"invalid escape sequence: \1"),
        ("x{1001}", "invalid repetition size: {1001}"),
        ("x" * 10**6, "pattern too large - compile failed"),
        ("\ud800", "not UTF-8"),
    ],
)
def test_what_re2_has_not_is_refused(pattern: str, reason: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        compiled(pattern)
    assert capfd.readouterr() == ("", "")


def test_a_pattern_that_backtracks_for_ever_elsewhere_ends() -> None:
    line = "a" * 100_000 + "b\n"

    edited = remove_matching_lines(pa.array([line + "c"], pa.large_string()), compiled("^(a|aa)+$|^((a*)*)*c$"))

    assert edited.text.to_pylist() == [line]
