"""Redaction does what datatrove's formatter does to the first document it sees, and finds telephone numbers."""

import cProfile
import pstats
import time

import phonenumbers
import pyarrow as pa
import pytest
from datatrove.pipeline.formatters import PIIFormatter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sequitur.text_core.edits.patterns import compiled
from sequitur.text_core.edits.redact import PHONE, PLACEHOLDERS, redact

TELLING = (
    "a.b@c.org x@[10.0.0.1] me+1@sub.host.co @ a@b a@-b.c 8.8.8.8 10.0.0.1 1.2.3 999.1.1.1 08.8.8.8 1.1.1.1.1 ! . -"
)
PIECES = st.one_of(st.sampled_from(TELLING.split()), st.sampled_from([" ", "\n", "word", ": "]))


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join))
@example("Write to a@b.org, c@d.org or e@f.org from 8.8.8.8, 8.8.4.4 or 127.0.0.1.")
def test_email_and_ip_are_datatroves(text: str) -> None:
    formatter = PIIFormatter()
    column = pa.array(["untouched", text], pa.large_string())

    for kind in ("email", "ip"):
        redacted = redact(column, kind)
        assert (redacted.removed - redacted.added).tolist() == [
            0,
            len(column[1].as_py()) - len(redacted.text[1].as_py()),
        ]
        column = redacted.text

    assert column.to_pylist() == ["untouched", formatter.format(text)]


def test_placeholders_begin_anew_in_each_document() -> None:
    column = pa.array(["a@b.de c@d.de e@f.de", "g@h.de"], pa.large_string())
    first, second = PLACEHOLDERS["email"]

    redacted = redact(column, "email")

    assert redacted.text.to_pylist() == [f"{first} {second} {first}", first]
    assert redacted.changes.tolist() == [3, 1]
    assert redacted.removed.tolist() == [18, 6]
    assert redacted.added.tolist() == [2 * len(first) + len(second), len(first)]


def test_an_address_after_a_chinese_character_is_found() -> None:
    assert redact(pa.array(["邮箱a@b.cn"], pa.large_string()), "email").text.to_pylist() == ["邮箱email@example.com"]


@pytest.mark.parametrize(
    ("text", "regions", "found"),
    [
        ("Call +49 30 901820.", [], ["+49 30 901820"]),
        ("Call (212) 736-5000\nor 650-253-0000 now", ["US"], ["(212) 736-5000", "650-253-0000"]),
        ("Call (212) 736-5000", [], []),
        ("Ruf 030 901820 an", ["US", "DE"], ["030 901820"]),
        ("Order 2127365000 of 2021-10-12 12:30:45", ["US"], []),
        ("ISBN 978-3-16-148410-0, 3.14159265358979, 1,000,000,000", ["US"], []),
    ],
)
def test_telephone_numbers(text: str, regions: list[str], found: list[str]) -> None:
    expected = text
    for number, placeholder in zip(found, PLACEHOLDERS["phone"], strict=False):
        expected = expected.replace(number, placeholder)

    redacted = redact(pa.array([text], pa.large_string()), "phone", regions)

    assert redacted.text.to_pylist() == [expected]
    assert redacted.removed[0] == sum(map(len, found))


def test_a_long_run_without_an_address_takes_no_time() -> None:
    """Python's re looks from every - to the end."""
    text = "a-" * 200_000

    assert redact(pa.array([text + "@"], pa.large_string()), "email").changes.tolist() == [0]
    assert redact(pa.array([text + " a@b.de"], pa.large_string()), "email").changes.tolist() == [1]


NUMBERS = (
    "+49 30 901820",
    "030 901820",
    "(212) 736-5000",
    "650-253-0000",
    "2127365000",
    "1 1 1 1 1 1 1",
    "08",
    "/",
    "x12",
)
PHONE_TEXTS = st.lists(
    st.one_of(
        st.sampled_from([*NUMBERS, " ", "\n", "2012-01-02 08", ":15", "ext. 5", "a"]),
        st.text("0123+-() ./:;,", max_size=9),
    ),
    max_size=16,
).map("".join)


@settings(max_examples=100, deadline=None)
@given(PHONE_TEXTS, st.lists(st.sampled_from(["US", "DE", "FR"]), max_size=2, unique=True))
@example("2012-01-02 08:15 +49 30 901820", ["US"])
def test_telephone_numbers_are_those_of_the_plain_matcher(text: str, regions: list[str]) -> None:
    spans = set()
    for line in set(text.split("\n")):
        spans |= {(line, *span) for span in plainly(line, regions) if compiled(PHONE).search(line)}

    redacted = redact(pa.array([text], pa.large_string()), "phone", regions)

    lines = text.split("\n")
    placeholders = iter(PLACEHOLDERS["phone"] * len(text))
    for number, line in enumerate(lines):
        pieces, position = [], 0
        for _, start, end in sorted(span for span in spans if span[0] == line):
            pieces += [line[position:start], next(placeholders)]
            position = end
        lines[number] = "".join([*pieces, line[position:]])
    assert redacted.text.to_pylist() == ["\n".join(lines)]


def plainly(line: str, regions: list[str]) -> set[tuple[int, int]]:
    """Each match of each region that overlaps none found before, compared with all of them."""
    found: set[tuple[int, int]] = set()
    for region in (None, *regions):
        leniency = phonenumbers.Leniency.STRICT_GROUPING if region else phonenumbers.Leniency.VALID
        for match in phonenumbers.PhoneNumberMatcher(line, region, leniency, max_tries=10**9):
            separated = region is None or not match.raw_string.isdecimal()
            if separated and all(match.end <= start or end <= match.start for start, end in found):
                found.add((match.start, match.end))
    return found


def test_a_number_is_found_behind_any_number_of_those_that_are_none() -> None:
    text = "1 ( ((" * 300 + " call +49 30 901820"

    assert redact(pa.array([text], pa.large_string()), "phone").changes.tolist() == [1]


def test_twice_the_numbers_in_a_line_take_twice_the_calls() -> None:
    taken = []
    for count in (400, 800):
        line = pa.array([" ".join(f"+49 30 9{number:05}" for number in range(count))], pa.large_string())
        profile = cProfile.Profile()
        assert profile.runcall(redact, line, "phone", ["US"]).changes.tolist() == [count]
        taken.append(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]

    assert taken[1] < 2.1 * taken[0]


def test_times_in_a_long_line_are_not_copied_with_all_that_follows() -> None:
    short, long = (pa.array(["2012-01-02 08:15 " * count], pa.large_string()) for count in (8_000, 128_000))

    def seconds(text: pa.LargeStringArray) -> float:
        start = time.process_time()
        redact(text, "phone", ["US"])
        return time.process_time() - start

    assert min(seconds(long) for _ in range(2)) < 32 * min(seconds(short) for _ in range(3))
