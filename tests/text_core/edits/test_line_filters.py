"""Texts are left as datatrove's C4 filter leaves them, and without the lines that FineWeb's filter counts."""

import pyarrow as pa
from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sequitur.text_core.edits.line_filters import keep_c4_lines, keep_fineweb_lines

LINE = st.text(st.sampled_from("abc. \t!…\"'[]{1é字"), max_size=20)
LINES = st.one_of(
    LINE, LINE.map("A plain line {}.".format), st.sampled_from(["Three words. [1]", "Use cookies now, all.", ""])
)


@settings(deadline=None)
@given(st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\u2028"])).map("".join), max_size=6).map("".join))
@example("Kept [edit] as it is.[12]\r\nno end\n Javascript is on here.\u2028Two words.\n")
def test_c4_lines_leave_what_datatroves_filter_leaves(text: str) -> None:
    quality = C4QualityFilter(min_num_sentences=-1, filter_lorem_ipsum=False, filter_curly_bracket=False)
    document = Document(text, "id")
    quality.filter(document)
    # Lines with a curly bracket make datatrove drop the document; here they are lines like others that are removed.
    wanted = "\n".join(line for line in document.text.split("\n") if "{" not in line).strip()

    edited = keep_c4_lines(pa.array([text, ""], pa.large_string()))

    assert edited.text.to_pylist() == [wanted, ""]
    assert edited.changes[0] == len(text.splitlines()) - len([line for line in wanted.split("\n") if line])
    assert (edited.removed[0], edited.added[0]) == (len(text) - len(wanted), 0)


def test_fineweb_lines_are_removed_once_they_are_repeated_or_short_without_an_end() -> None:
    long = "A line of more than thirty characters"
    text = f"{long}\n\nShort.\nshort\n{long}\nlast of more than thirty characters."

    edited = keep_fineweb_lines(pa.array([text], pa.large_string()))

    assert edited.text.to_pylist() == [f"{long}\n\nShort.\nlast of more than thirty characters."]
    assert [column[0] for column in edited[1:]] == [2, len(long) + len("short") + 2, 0]
