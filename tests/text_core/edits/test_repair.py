"""Repair does what ftfy does, also where it does not call it."""

import unicodedata

import pyarrow as pa
from datatrove.pipeline.formatters import FTFYFormatter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sequitur.text_core.edits.repair import fix_unicode

TEXTS = st.text(st.one_of(st.characters(max_codepoint=0x2FF), st.sampled_from("&amp;#10<\n\x1b[31mé€\u0301ﬁ“字\ufeff")))


@settings(deadline=None)
@given(st.lists(st.one_of(TEXTS, TEXTS.map(lambda text: text.encode().decode("latin-1"))), max_size=4))
@example(["schÃ¶n & gut", "it&#39;s\n&lt;", "<b>&amp;", "e\u0301", "“ﬁ”", "a&#10;b\nc&#10;"])
def test_texts_are_as_datatroves_formatter_leaves_them_and_nfc(texts: list[str]) -> None:
    formatter = FTFYFormatter(normalization="NFC")

    fixed = fix_unicode(pa.array(texts, pa.large_string()))

    after = fixed.text.to_pylist()
    assert after == [formatter.format(text) for text in texts]
    assert all(unicodedata.is_normalized("NFC", text) for text in after)
    lengths = [len(one) - len(two) for one, two in zip(texts, after, strict=True)]
    assert (fixed.removed - fixed.added).tolist() == lengths
    assert (fixed.changes > 0).tolist() == [one != two for one, two in zip(texts, after, strict=True)]


def test_changes_are_counted_line_by_line() -> None:
    fixed = fix_unicode(pa.array(["schÃ¶n\nplain\nAT&amp;T", "plain"], pa.large_string()))

    assert fixed.text.to_pylist() == ["schön\nplain\nAT&T", "plain"]
    assert [column.tolist() for column in fixed[1:]] == [[2, 0], [6, 0], [1, 0]]  # Ã¶ to ö, amp; to nothing


def test_a_long_run_of_combining_marks_takes_no_time() -> None:
    marks = "a" + "\u0301\u0316" * 100_000
    texts = pa.array([marks, marks.encode().decode("latin-1"), "e\u0301" + "\u0316" * 29], pa.large_string())

    assert fix_unicode(texts).text.to_pylist() == [marks, marks, "é" + "\u0316" * 29]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from(["&", "amp;", "AMP;", "#38;", "#x26;", "lt;", "eacute;", "&Atilde;&copy;", "Ã©", "semi;"]))
)
@example(["&", *["amp;"] * 7, "lt;"])
@example(["&", *["amp;"] * 30, "Atilde;", "&", *["amp;"] * 20, "copy;"])
@example(["&am"] * 20 + ["p;"] * 20)
@example(["&#"] * 20 + ["x7;"] * 20)
def test_entities_within_entities_end_as_ftfys_do(pieces: list[str]) -> None:
    text = "".join(pieces)

    assert fix_unicode(pa.array([text], pa.large_string())).text.to_pylist() == [FTFYFormatter().format(text)]


def test_what_is_broken_over_and_over_is_mended_some_times_only() -> None:
    """A round takes the mark of no width out of the middle, and the next one appears: ftfy takes as many rounds."""

    def nested(count: int) -> str:
        return "&#xFE" * count + "FF;" * count

    few, many = fix_unicode(pa.array([nested(9), nested(20_000)], pa.large_string())).text.to_pylist()

    assert few == FTFYFormatter().format(nested(9)) == ""
    assert many in [nested(count) for count in range(19_000, 20_000)]


def test_a_line_that_is_mended_in_segments_is_as_ftfy_leaves_it() -> None:
    line = "a" * 999_990 + "é &amp;amp; Ã© &amp; <b> &amp;"

    assert fix_unicode(pa.array([line], pa.large_string())).text.to_pylist() == [FTFYFormatter().format(line)]
