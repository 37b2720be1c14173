import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.units.lines import line_table, split_lines
from sequitur.text_core.units.strings import from_arrow

texts = st.lists(st.sampled_from(["a", "é", "字", "\r", "\n", " "]), max_size=20).map("".join)


@settings(max_examples=100, deadline=None)
@given(st.lists(texts, max_size=4))
def test_lines_are_those_of_split(documents):
    strings = from_arrow(pa.array(documents, pa.large_string()))
    table = line_table(strings)
    lines = [text.split("\n") for text in documents]
    assert np.diff(table.document_offsets).tolist() == [len(split) for split in lines]
    flat = [line for split in lines for line in split]
    assert [strings.data[i:j].tobytes().decode() for i, j in zip(table.start, table.end, strict=True)] == flat
    assert table.chars.tolist() == [len(line) for line in flat]
    assert len(set(table.hash.tolist())) == len(set(flat))


def test_a_slice_of_an_array_has_the_lines_of_its_rows():
    array = pa.array(["a\nb", "c", "d\n"], pa.large_string())
    table, whole = line_table(from_arrow(array.slice(1))), line_table(from_arrow(array))
    assert table.hash.tolist() == whole.hash[2:].tolist()
    assert table.document_offsets.tolist() == [0, 1, 3]


BREAKS = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
broken = st.lists(st.sampled_from(["a", "é", "字", "…", "\x1f", "\u00a0", " ", "\0", *BREAKS]), max_size=20).map(
    "".join
)


@settings(max_examples=200, deadline=None)
@given(st.lists(broken, max_size=4))
def test_split_lines_are_those_of_python_stripped(documents):
    strings = from_arrow(pa.array(["before\n", *documents], pa.large_string()).slice(1))
    table = split_lines(strings)
    lines = [[line.strip() for line in text.splitlines()] for text in documents]
    assert np.diff(table.document_offsets).tolist() == [len(split) for split in lines]
    found = [strings.data[i:j].tobytes().decode() for i, j in zip(table.start, table.end, strict=True)]
    assert found == [line for split in lines for line in split]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("ab\0", max_size=20), max_size=20))
def test_lines_of_equal_hash_are_equal(lines):
    table = line_table(from_arrow(pa.array(lines, pa.large_string())))
    assert len(set(table.hash.tolist())) == len(set(lines))
