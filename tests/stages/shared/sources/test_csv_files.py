"""Each line of a CSV file is in a record or refused, whatever its quotes."""

import cProfile
import csv as plain
import io
import pstats
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.pipeline.errors import InputError
from sequitur.stages.shared.sources.compression import Limits
from sequitur.stages.shared.sources.csv_files import csv_records
from sequitur.stages.shared.sources.record_files import Bad

LIMITS = Limits(record=200, decompressed=10**7)


def csv(content: bytes, limits: Limits = LIMITS) -> list[Any]:
    found = list(csv_records(io.BytesIO(content), limits, "a.csv"))
    assert [row for row, _ in found] == list(range(len(found)))
    return [record.reason if isinstance(record, Bad) else record for _, record in found]


def test_csv_with_quoted_line_ends_and_ragged_rows() -> None:
    content = b'\xef\xbb\xbf\na,b\r\n1,"two\r\nlines, ""quoted"""\n\n1,2,3\n4\n5,6'
    assert csv(content) == [{"a": "1", "b": 'two\nlines, "quoted"'}, "bad_csv", "bad_csv", {"a": "5", "b": "6"}]


def test_csv_goes_on_after_a_broken_or_too_large_record() -> None:
    assert csv(b'a,b\n"x"y,1\n2,3\n') == ["bad_csv", {"a": "2", "b": "3"}]
    assert csv(b"a,b\n" + b"x" * 300 + b",1\n2,3\n") == ["too_large", {"a": "2", "b": "3"}]
    inside = csv(b'a,b\n1,"begun\n' + b"x" * 300 + b'\nended"\n2,3\n')
    assert inside[0] == "too_large"
    assert {"a": "2", "b": "3"} in inside
    assert not any(isinstance(record, dict) and "begun" in record["b"] for record in inside)


def test_csv_with_a_quote_that_never_ends() -> None:
    assert csv(b'a,b\n1,"never\nends\n2,3\n') == ["bad_csv", "bad_csv", {"a": "2", "b": "3"}]


def test_a_quote_that_never_ends_costs_its_line_alone() -> None:
    rows = [f"{n},text {n}" for n in range(300)]
    rows[10] = '10,"text'
    found = csv("\n".join(["id,text", *rows]).encode(), Limits(2**20, 2**30))
    assert found.count("bad_csv") == 1
    assert [record["id"] for record in found if record != "bad_csv"] == [str(n) for n in range(300) if n != 10]


def test_a_quote_that_ends_at_the_next_one_costs_its_line_alone() -> None:
    found = csv(b'a,b\n1,"x\n2,y\n3,"z"\n4,"w"\n')
    assert found == ["bad_csv", {"a": "2", "b": "y"}, {"a": "3", "b": "z"}, {"a": "4", "b": "w"}]


def test_lines_that_each_open_a_quote_take_time_in_proportion() -> None:
    """Within quotes, and at the beginning of a record, `b","` ends one and opens one."""
    taken = []
    for count in (500, 1000):
        content = b"a,b\n" + b'b","\n' * count + b"1,2\n"
        profile = cProfile.Profile()
        found = profile.runcall(csv, content, Limits(2**20, 2**30))
        assert found == [*["bad_csv"] * count, {"a": "1", "b": "2"}]
        taken.append(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]

    assert taken[1] < 2.3 * taken[0]


def test_a_record_of_many_lines_behind_a_broken_one_is_whole() -> None:
    text = "\n".join(f"line {number}" for number in range(1000))
    found = csv(f'a,b\n1,"broken\n2,"{text}"\n'.encode(), Limits(2**20, 2**30))

    assert found == ["bad_csv", {"a": "2", "b": text}]


def test_a_record_whose_lines_are_larger_than_it_may_be_is_refused() -> None:
    found = csv(b"a,b\n" + b'b","\n' * 300 + b"2,3\n")

    assert found[0] == "too_large"
    assert len(found) == 301
    assert found[-1] == {"a": "2", "b": "3"}


@given(st.lists(st.lists(st.text('ab",\n ', max_size=4), min_size=2, max_size=2), max_size=6))
def test_what_the_standard_library_writes_is_read(rows: list[list[str]]) -> None:
    written = io.StringIO()
    plain.writer(written, lineterminator="\n", quoting=plain.QUOTE_ALL).writerows([["a", "b"], *rows])
    assert csv(written.getvalue().encode()) == [dict(zip("ab", row, strict=True)) for row in rows]


@given(st.lists(st.text('ab",', min_size=1, max_size=6), max_size=8))
def test_no_line_is_in_no_count(rows: list[str]) -> None:
    found = csv("\n".join(["a,b", *rows]).encode())
    in_records = sum(1 + record["a"].count("\n") + record["b"].count("\n") for record in found if record != "bad_csv")
    assert in_records + found.count("bad_csv") == len(rows)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\r1,2\r", r"^a\.csv line 1: the header cannot be read \(.+\)"),
        (b'"a,b\n1,2\n', r"^a\.csv line 1: the header cannot be read"),
        (b"a,b,a\n1,2,3\n", r"^a\.csv line 1: the header names 'a' twice"),
    ],
)
def test_a_header_that_is_wrong_ends_the_run(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        csv(content)
