"""Redaction does what datatrove's formatter does to the first document it sees, and finds telephone numbers."""

import pyarrow as pa
import pytest
from datatrove.pipeline.formatters import PIIFormatter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sequitur.text_core.edits.redact import PLACEHOLDERS, redact

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
